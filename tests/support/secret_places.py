"""A shop that delivers through everything there is, with a secret at each place: settings, templates, a function."""

from __future__ import annotations

import base64


def key(words: str) -> str:
    """The key of a webhook that holds these words."""
    return "whsec_" + base64.b64encode(f"{words:8} key of 24 bytes".encode()).decode()


SECRETS = {
    "password of the relay": "qXsmtpX1",
    "key of our webhook": key("own"),
    "key of a stranger's webhook": key("stranger"),
    "earlier key of a stranger's webhook": key("earlier"),
    "address of our webhook": "qXownurlX2",
    "address of an endpoint": "qXstrangeurlX3",
    "address in a payload": "qXpayloadurlX4",
    "address of the chat at Slack": "qXslackX5",
    "address of the chat at Discord": "qXdiscordX6",
    "key of the gateway": "qXgatekeyX7",
    "secret of the gateway": "qXgatesecretX8",
    "secret field of a payload": "qXpinX9",
    "where a redirect leads": "qXtargetX10",
    "what an answer says": "qXanswerX11",
    "what an exception says": "qXraisedX12",
    "proxy": "qXproxyX13",
}

HOOKS = f'''
"""Functions of a product: what they raise quotes a secret."""


def on_message(message):
    secret = "{SECRETS["what an exception says"][::-1]}"[::-1]
    raise RuntimeError(secret + message.payload["pin"] + " https://a:b@c.example/")
'''

SETTINGS = """
database = "{database}"
packs = ["storefront"]

[alerts]
channels = ["log", "email", "slack", "discord", "webhook"]
after_failures = 1

[pack.storefront]
gateway_url = "{web}/gate"
gateway_key = "{gateway_key}"
gateway_secret = "{gateway_secret}"

[channel.email]
host = "127.0.0.1"
port = {smtp}
security = "none"
user = "shop"
password = "{password}"
sender = "shop@example.com"
to = ["ops@example.com"]

[channel.webhook]
url = "{web}/own/{own}?token={own}"
secret = "{own_key}"
allow = ["127.0.0.0/8:{port}"]
http = true
{proxy}

[channel.slack]
url = "{web}/services/{slack}"

[channel.discord]
url = "{web}/api/{discord}"

[channel.function]
function = "outside_hooks:on_message"

[outbox]
templates = "templates"

[route.mails]
event = "code"
channel = "email"
to = "ada@example.com"
secret = ["pin"]

[route.letters]
event = "code"
channel = "email"
to = "{{payload.email}}"
template = "{template}"
secret = ["pin"]

[route.ours]
event = "code"
channel = "webhook"

[route.strangers]
event = "code"
channel = "webhook"
people = "endpoints"
address = "url"
secrets = ["secret", "previous_secret"]

[route.registered]
event = "code"
channel = "webhook"
to = "{{payload.callback}}"
secret = ["callback"]

[route.slack]
event = "code"
channel = "slack"

[route.discord]
event = "code"
channel = "discord"

[route.hook]
event = "code"
channel = "function"

[route.lines]
event = "code"
channel = "log"
"""

TEMPLATES = {
    "right": "Your code is {{ pin }}.",
    "missing": "Your code is {{ pin }}, {{ nmae }}.",
    "attribute": "{{ payload[pin] }}",
    "included": "{% include pin %}",
    "reckoning": "{{ pin + 1 }}",
    "of_a_filter": "{{ pin|money('EUR') }}",
    "of_time": "{{ pin|instant('Europe/Berlin') }}",
    "unsafe": "{{ pin[payload.pin] }}{{ pin|attr(pin) }}",
    "broken": "{% if pin %}",
}
