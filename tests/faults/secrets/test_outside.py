"""Secrets of the world outside: passwords of relays, keys and addresses of webhooks, keys of gateways, fields that a
route calls secret. Whatever goes wrong outside, none of them is in anything that is said or left behind (X1).
"""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, insert, text

from sexton.db.server_clock import ask_now
from sexton.db.tables import own_tables
from sexton.packs.storefront.options import StorefrontOptions
from sexton.packs.storefront.tables import storefront_tables
from tests.channels.relay import Relay, relay_server
from tests.channels.web import patient_calls
from tests.cli.shell import Done, Inside
from tests.support.hostile_http import Hostile, answers, cuts, hostile_server, redirects
from tests.support.secret_places import HOOKS, SECRETS, SETTINGS, TEMPLATES
from tests.support.storefront import Storefront

from .test_password import dump


@dataclass
class Outside:
    """Who is called, and what they do."""

    web: Hostile
    relay: Relay


Way = Callable[[Outside], Mapping[str, object]]
"""Makes everybody misbehave in one way; settings that differ for it."""


def refused(outside: Outside) -> Mapping[str, object]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()[1]
    return {"web": f"http://127.0.0.1:{nobody}", "smtp": nobody, "port": nobody, "template": "missing"}


def said(status: int, template: str) -> Way:
    """All answer with this status, and repeat what they know; the template is wrong."""

    def way(outside: Outside) -> Mapping[str, object]:
        told = SECRETS["what an answer says"]
        outside.web.plan = [answers(status, told.encode(), x_told=told, retry_after=told, www_authenticate=told)]
        code = {401: "535", 500: "451", 410: "550"}[status]
        words = f"{code} 5.7.8 no: {SECRETS['password of the relay']} password={told}"
        if status == 401:
            outside.relay.auth = words
        else:
            outside.relay.mail = words
        return {"template": template}

    return way


def elsewhere(outside: Outside) -> Mapping[str, object]:
    outside.web.plan = [redirects(f"http://127.0.0.1:1/{SECRETS['where a redirect leads']}")]
    outside.relay.receivers = {"ada@example.com": [f"551 try {SECRETS['password of the relay']}"]}
    return {"template": "of_a_filter"}


def cut(outside: Outside) -> Mapping[str, object]:
    outside.web.plan = [cuts()]
    outside.relay.cut = {"after the dot": 9}
    return {"template": "of_time"}


def by_proxy(outside: Outside) -> Mapping[str, object]:
    """A proxy that nobody listens at; its address has a password."""
    return {"proxy": f'proxy = "http://shop:{SECRETS["proxy"]}@127.0.0.1:1"', "template": "unsafe"}


WAYS: dict[str, Way] = {
    "401": said(401, "included"),
    "well": lambda outside: {},
    "nobody listens": refused,
    "500": said(500, "attribute"),
    "410": said(410, "reckoning"),
    "redirect": elsewhere,
    "cut": cut,
    "proxy": by_proxy,
    "broken template": lambda outside: {"template": "broken"},
}
EACH_WAY = [pytest.param(name, marks=[] if name == "401" else pytest.mark.slow) for name in WAYS]

LOOKS = [
    ("outbox", "list", "--all"),
    ("outbox", "list", "--all", "--json"),
    ("outbox", "show", "{message}"),
    ("calls", "--json"),
    ("history",),
    ("alerts",),
    ("metrics",),
    ("check",),
    ("check", "--health", "--json"),
    ("explain", "storefront.check_payments"),
]
"""What shows something, and changes nothing."""


@dataclass
class Place:
    """A folder with everything set up, and all that was said in it."""

    inside: Inside
    engine: Engine
    database: str
    outside: Outside
    told: list[str] = field(default_factory=list)
    messages: int = 0

    def settle(self, way: Way) -> None:
        """Settings for this way, a message for each route, a payment that is due, and nobody at rest."""
        port, known = self.outside.web.port, SECRETS
        values = {
            "database": self.database,
            "web": f"http://127.0.0.1:{port}",
            "smtp": self.outside.relay.port,
            "port": port,
            "template": "right",
            "proxy": "",
            "gateway_key": known["key of the gateway"],
            "gateway_secret": known["secret of the gateway"],
            "password": known["password of the relay"],
            "own": known["address of our webhook"],
            "own_key": known["key of our webhook"],
            "slack": known["address of the chat at Slack"],
            "discord": known["address of the chat at Discord"],
        }
        values |= way(self.outside)
        self.inside.write("sexton.toml", SETTINGS.format(**values))
        self.messages += 1
        own = own_tables(self.engine.dialect.name)
        payload = {
            "pin": known["secret field of a payload"],
            "email": "bob@example.com",
            "callback": f"{values['web']}/{known['address in a payload']}",
        }
        with self.engine.begin() as connection:
            now = ask_now(connection)
            connection.execute(delete(own.destinations))
            row = {"key": f"code:{self.messages}", "event_type": "code", "recipient": "7", "payload": payload}
            connection.execute(insert(own.outbox_events).values(id=self.messages, **row, created_at=now))
            where = f"{values['web']}/{known['address of an endpoint']}"
            connection.execute(text("UPDATE endpoints SET url = :url"), {"url": where})
            connection.execute(text("UPDATE payments SET status = 'PENDING'"))

    def say(self, *words: str) -> Done:
        """One command."""
        done = self.inside.sexton(*words)
        assert "Traceback" not in done.err, (words, done.err)
        self.told += [f"$ sexton {' '.join(words[:2])} -> {done.code}", done.out, done.err]
        return done


@pytest.fixture
def outside() -> Iterator[Outside]:
    """Servers that take everything, until they are told otherwise."""
    with ExitStack() as stack:
        yield Outside(stack.enter_context(hostile_server()), stack.enter_context(relay_server()))


@pytest.fixture
def place(inside: Inside, engine: Engine, database: str, outside: Outside, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The folder; its database has the tables of the shop and of endpoints."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    patient_calls(monkeypatch)
    monkeypatch.syspath_prepend(str(inside.folder))
    inside.write("outside_hooks.py", HOOKS)
    (inside.folder / "templates").mkdir()
    for name, source in TEMPLATES.items():
        (inside.folder / "templates" / f"{name}.txt").write_text(source)
    options = StorefrontOptions()
    shop = Storefront(engine, options, storefront_tables(options))
    shop.own.metadata.create_all(engine)
    shop.payment(1)
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE endpoints (id TEXT PRIMARY KEY, url TEXT, secret TEXT, previous_secret TEXT)")
        )
        row = {
            "new": SECRETS["key of a stranger's webhook"],
            "old": SECRETS["earlier key of a stranger's webhook"],
        }
        connection.execute(text("INSERT INTO endpoints VALUES ('7', 'x', :new, :old)"), row)
    return Place(inside, engine, database, outside)


@pytest.mark.parametrize("name", EACH_WAY)
@pytest.mark.databases("sqlite", "postgres18")
def test_x1_no_secret_of_the_outside_is_in_anything_that_is_said_or_left_behind(place: Place, name: str) -> None:
    place.settle(WAYS[name])

    place.say("run", "sexton.deliver", "--dry-run")
    place.say("run", "storefront.check_payments", "--dry-run")
    place.say("run", "--due")
    place.say("run", "storefront.check_payments")
    for words in LOOKS:
        place.say(*(word.format(message=place.messages) for word in words))
    for run in json.loads(place.say("history", "--json").out):
        place.say("show", str(run["id"]))
    for route in ("mails", "letters", "ours", "strangers", "slack", "discord", "hook"):
        place.say("outbox", "test", route, "--to", "ada@example.com", "--payload", '{"pin": "qXpinX9"}')
    place.say("run", "--due")  # with the alerts of what failed

    told = "\n".join(place.told)
    assert {"mails", "letters", "ours", "strangers", "registered", "slack", "discord", "hook", "lines"} <= set(
        told.replace('"', " ").split()
    )
    kept = dump(place.engine)
    assert_hidden("said", told, SECRETS)
    of_the_product = ("secret field of a payload", "address in a payload")  # rows of its own, which wait to be sent
    assert_hidden("kept", kept, {what: one for what, one in SECRETS.items() if what not in of_the_product})
    for file in files_left(place.inside.folder):
        assert_hidden(file.name, file.read_bytes().decode("latin-1"), SECRETS)


def assert_hidden(where: str, text: str, secrets: Mapping[str, str]) -> None:
    """None of them is there, also not in base64, as two of them together go to a gateway, or one to a relay."""
    for what, secret in secrets.items():
        for form in (secret, secret.removeprefix("whsec_"), base64.b64encode(secret.encode()).decode().rstrip("=")):
            at = text.find(form)
            assert at < 0, f"{where} has the {what}: …{text[max(at - 300, 0) : at + 100]}"
    pair = f"{secrets['key of the gateway']}:{secrets['secret of the gateway']}"
    assert base64.b64encode(pair.encode()).decode() not in text


def files_left(folder: Path) -> list[Path]:
    """Files that are not of the user's own making, and no database: its rows are looked at."""
    own = {"sexton.toml", "outside_hooks.py", *(f"{name}.txt" for name in TEMPLATES)}
    found = [file for file in folder.rglob("*") if file.is_file() and file.name not in own]
    return [file for file in found if ".db" not in file.name and file.suffix != ".pyc"]
