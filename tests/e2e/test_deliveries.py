"""A worker, `tell` in a product's own transaction, and real receivers: mail, a stranger's endpoint, a row, a digest."""

from __future__ import annotations

import base64
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text
from standardwebhooks import Webhook

from sexton import tell
from sexton.db.tables import own_tables
from tests.channels.relay import Relay, relay_server
from tests.support.children import command_line
from tests.support.hostile_http import Hostile, answers, hostile_server
from tests.support.waiters import wait_for_writers
from tests.support.worker import Yard
from tests.support.workers import Start, nursery, start

__all__ = ["nursery", "start"]

pytestmark = pytest.mark.slow

KEY = "whsec_" + base64.b64encode(b"a key of at least 24 bytes").decode()

SETTINGS = """
database = "{database}"

[run]
lease = "10m"
statement_timeout = "1m"

[channel.email]
host = "127.0.0.1"
port = {smtp}
security = "none"
sender = "shop@example.com"

[channel.webhook]
http = true
allow = ["127.0.0.1:{web}"]

[channel.in_app]
table = "notices"
columns = {{ title = "Paid: {{payload.number}}" }}

[outbox]
templates = "templates"

[route.mails]
event = "paid"
channel = "email"
to = "{{payload.email}}"
template = "paid"

[route.customers]
event = "paid"
channel = "webhook"
people = "endpoints"
address = "url"
secrets = ["secret"]
retry = ["1s"]

[route.bell]
event = "paid"
channel = "in_app"

[route.daily]
event = "visited"
channel = "email"
to = "{{payload.email}}"
template = "visits"
digest = "1s"
"""


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A relay of mail."""
    with relay_server() as server:
        yield server


@pytest.fixture
def web() -> Iterator[Hostile]:
    """The endpoint of a customer, which answers 500 to the first call."""
    with hostile_server(answers(500), answers(204)) as server:
        yield server


@pytest.fixture
def yard(
    engine: Engine,
    database: str,
    tmp_path: Path,
    start: Start,
    relay: Relay,
    web: Hostile,
    monkeypatch: pytest.MonkeyPatch,
) -> Yard:
    """A shop with its settings and templates."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    if engine.dialect.name == "sqlite":
        wait_for_writers(engine)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "paid.subject.txt").write_text("Order {{ number }}")
    (tmp_path / "templates" / "paid.txt").write_text("Thank you for {{ number }}.\n")
    (tmp_path / "templates" / "visits.txt").write_text("{{ count }} visits\n")
    (tmp_path / "sexton.toml").write_text(SETTINGS.format(database=database, smtp=relay.port, web=web.port))
    row = {"url": f"http://127.0.0.1:{web.port}/hook", "secret": KEY}
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE endpoints (id TEXT PRIMARY KEY, url TEXT, secret TEXT)"))
        connection.execute(text("INSERT INTO endpoints VALUES ('7', :url, :secret)"), row)
        connection.execute(text("CREATE TABLE notices (title TEXT)"))
    return Yard(engine, f"--config={tmp_path / 'sexton.toml'}", start)


def write(engine: Engine, event: str, number: int) -> None:
    """What a product does: its own row and the message in one transaction."""
    payload = {"number": number, "email": "ada@example.com"}
    with engine.begin() as connection:
        assert tell(connection, event, key=f"{event}:{number}", subject=str(number), payload=payload, to="7")


def is_over(engine: Engine) -> bool:
    """Whether every message of the shop has been published; those about its endpoints have no route."""
    events = own_tables(engine.dialect.name).outbox_events
    with engine.connect() as connection:
        asked = select(func.count()).where(events.c.published_at.is_(None), ~events.c.event_type.like("sexton.%"))
        return connection.execute(asked).scalar_one() == 0


def titles(engine: Engine) -> list[str]:
    """Of the rows in the product."""
    with engine.connect() as connection:
        return [row[0] for row in connection.execute(text("SELECT title FROM notices"))]


def bodies(relay: Relay) -> list[tuple[Any, str]]:
    """Subject and text of the mails."""
    return [(message["Subject"], str(message.get_payload()).strip()) for _, message in relay.taken]


def command(yard: Yard, *words: str) -> str:
    """One command, which succeeds; what it says."""
    child = yard.start(command_line, *words, yard.config)
    assert child.wait() == 0, child.output + child.errors
    return child.output


def test_a_worker_takes_what_is_told_to_everybody(yard: Yard, relay: Relay, web: Hostile) -> None:
    worker = yard.leader()

    write(yard.engine, "paid", 1)
    yard.wait_until(lambda: is_over(yard.engine))
    write(yard.engine, "visited", 2)
    write(yard.engine, "visited", 3)
    yard.wait_until(lambda: is_over(yard.engine))
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0

    assert bodies(relay)[0] == ("Order 1", "Thank you for 1.")
    visits = sorted(body for _, body in bodies(relay)[1:])
    assert visits in (["2 visits"], ["1 visits", "1 visits"])  # the second, where the window ended in between
    assert titles(yard.engine) == ["Paid: 1"]
    assert [Webhook(KEY).verify(heard.body, dict(heard.headers))["data"]["number"] for heard in web.heard] == [1, 1]
    assert len({heard.headers["webhook-id"] for heard in web.heard}) == 1


def test_what_people_decide_reaches_the_receivers(yard: Yard, relay: Relay, web: Hostile) -> None:
    """`sexton outbox retry`, `drop` and `replay`, each followed by one run of what is due."""
    relay.receivers = {"ada@example.com": ["550 5.1.1 no such user"]}
    web.plan = [answers(410)]
    write(yard.engine, "paid", 1)

    command(yard, "run", "--due")
    assert not is_over(yard.engine)
    command(yard, "outbox", "retry", "1", "--route", "mails")
    command(yard, "run", "--due")
    assert is_over(yard.engine)
    command(yard, "outbox", "replay", "1", "--route", "mails")
    command(yard, "run", "--due")

    assert len(relay.taken) == 2
    assert len({message["Message-ID"] for _, message in relay.taken}) == 1
    assert (len(web.heard), titles(yard.engine)) == (1, ["Paid: 1"])

    relay.receivers = {"ada@example.com": ["550 5.1.1 no such user"]}
    write(yard.engine, "paid", 2)
    command(yard, "run", "--due")
    command(yard, "outbox", "drop", "--dead", "--route", "mails")
    command(yard, "run", "--due")

    assert is_over(yard.engine)
    assert len(relay.taken) == 2
