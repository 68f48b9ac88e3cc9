"""Settings of alerts and channels: what cannot be right is one line, and no secret is in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sexton.config import Settings
from sexton.config.alert_settings import AlertSettings
from sexton.config.fingerprint import fingerprint

from .conftest import Place

CANARY = "qXcanaryX7"

EMAIL = """
[channel.email]
host = "smtp.example.com"
sender = "sexton@example.com"
to = ["ops@example.com"]
"""

WRONG = [
    (
        '[alerts]\nchannels = ["slakc"]',
        "line 2: alerts.channels: item 1: no channel named 'slakc'; did you mean slack?",
    ),
    ('[alerts]\nchannels = ["log", "slack"]', 'line 2: alerts.channels: "slack" is not set up; give [channel.slack]'),
    ("[alerts]\nafter_failures = 0", "line 2: alerts.after_failures: 0 is out of range"),
    ("[alerts]\nfailure_rate = 1.5", "line 2: alerts.failure_rate: 1.5 is out of range"),
    ("[alerts]\nslow_factor = 1.0", "line 2: alerts.slow_factor: slow_factor 1.0 must be at least 1.5, or 0 for never"),
    ('[alerts]\nremind = "1h"', 'line 2: alerts.remind: "1h" is too short'),
    (f'{EMAIL}security = "ssl"', 'line 2: channel.email: security must be "starttls", "tls" or "none"'),
    (f'{EMAIL}user = "u"', "line 2: channel.email: user and password belong together"),
    (f'{EMAIL}user = "u"\npassword = "{CANARY}"\nsecurity = "none"', "channel.email: the password would travel unprot"),
    ('[channel.email]\nto = ["ops"]', "line 2: channel.email.to: item 1: this is not an e-mail address"),
    ('[channel.email]\nto = ["a@b.example\\nBcc: c@d.example"]', "channel.email.to: item 1: the text holds a control"),
    (f'[channel.email]\nsender = "{"a" * 300}@b.example"', "channel.email.sender: this is not an e-mail address"),
    (f'[channel.slack]\nurl = "hooks.slack.com/{CANARY}"', "line 2: channel.slack.url: this is not an address of the"),
    (f'[channel.slack]\nurl = "ftp://x.example/{CANARY}"', "line 2: channel.slack.url: this is not an address of the"),
    (f'[channel.discord]\nurl = "https://u:{CANARY}@x.example/"', "channel.discord.url: this is not an address of the"),
    (f'[channel.webhook]\nsecret = "{CANARY}"', "line 2: channel.webhook.secret: this is not a key for signatures"),
]


@pytest.mark.parametrize(("toml", "wrong"), WRONG)
def test_m7_m8_c5_what_cannot_be_right_is_one_line_without_secrets(place: Place, toml: str, wrong: str) -> None:
    message = place.refusal(toml)

    assert wrong in message
    assert "\n" not in message
    assert CANARY not in message


def test_without_settings_the_log_is_told(place: Place) -> None:
    assert place.read("").alerts.channels == ("log",)


def test_a_channel_can_be_set_up_partly_in_the_file_and_partly_in_the_environment_file(place: Place) -> None:
    settings = place.read(
        f'[alerts]\nchannels = ["email"]\nfailure_rate = 0.25\n{EMAIL}user = "relay"\n',
        f"SEXTON_CHANNEL__EMAIL__PASSWORD={CANARY}\nSEXTON_ALERTS__FAILURE_RATE=0.75\n",
    )

    assert settings.channel["email"].host == "smtp.example.com"
    assert settings.channel["email"].password == CANARY
    assert settings.alerts == replace(AlertSettings(), channels=("email",), failure_rate=0.75)


def test_x1_no_secret_is_shown_with_the_settings(place: Place) -> None:
    settings = place.read(
        f'[channel.slack]\nurl = "https://hooks.slack.com/{CANARY}"\n'
        f'[channel.discord]\nurl = "https://discord.com/{CANARY}"\n'
        f'[channel.webhook]\nurl = "https://x.example/{CANARY}"\nsecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"\n'
        f'{EMAIL}user = "u"\npassword = "{CANARY}"\n'
    )

    assert CANARY not in repr(settings)
    assert "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" not in repr(settings)
    assert settings != Settings()


def test_who_is_told_does_not_change_the_fingerprint_of_what_jobs_do(place: Place) -> None:
    settings = place.read('[alerts]\nchannels = ["slack"]\n[channel.slack]\nurl = "https://hooks.slack.com/x"\n')

    assert fingerprint(settings) == fingerprint(Settings())
