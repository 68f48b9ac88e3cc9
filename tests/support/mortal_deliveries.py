"""A child that delivers messages, and kills itself at a chosen step of claim, call or record (see `mortal_calls`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Engine, insert, select, update

from sexton import Job
from sexton.channels.contract import ConfiguredChannel
from sexton.channels.email import EmailChannel, EmailSettings
from sexton.channels.webhook import WebhookChannel, WebhookSettings
from sexton.clock import parse_instant
from sexton.config.route_settings import OutboxSettings
from sexton.db.connect import open_database
from sexton.db.server_clock import database_now
from sexton.db.tables import own_tables
from sexton.relay.job import relay_steps
from sexton.relay.relay import MessageRelay, open_relay
from sexton.relay.routes import Route
from sexton.runs.outcome import Outcome
from sexton.testing import run_job

from .children import SMALL
from .mortal_calls import Death

NOON = "2026-06-15 12:00"
DELAYS = {"retry": ("1m",), "give_up_after": "30d"}
ROUTES = {
    "email": Route("mails", ("code",), "email", to="ada@example.com", **DELAYS),  # type: ignore[arg-type]
    "webhook": Route("hook", ("code",), "webhook", to="", **DELAYS),  # type: ignore[arg-type]
}


def relay_to(engine: Engine, smtp: int, web: str, *channels: str) -> MessageRelay:
    """A relay whose messages go through these channels to a relay of mail at that port, or to that address."""
    settings = {
        "email": EmailSettings(host="127.0.0.1", port=smtp, security="none", sender="shop@example.com"),
        "webhook": WebhookSettings(url=web),
    }
    return open_relay(engine, [ROUTES[name] for name in channels], settings, OutboxSettings())


def deliver_once(engine: Engine, relay: MessageRelay, at: str, lane: int = 1) -> Outcome:
    """A run of `sexton.deliver`."""
    job = Job(f"sexton.deliver_{lane}", work=relay_steps(relay, engine, lane), guard=None)
    return run_job(engine, job, at=at, limits=SMALL)


def deliver_until_death(url: str, smtp: int, web: str, channels: list[str], at: str, step: str, number: int) -> int:
    """The child."""
    engine = open_database(url)
    death = Death(step, number)
    relay = relay_to(engine, smtp, web, *channels)
    steps = relay_steps(relay, engine)
    for kind in (EmailChannel, WebhookChannel):
        watch_calls(kind, death)
    death.await_it(engine)
    outcome = run_job(engine, Job("sexton.deliver_1", work=steps, guard=None), at=at, limits=SMALL)
    print(outcome.state, outcome.error or outcome.note or "", flush=True)
    return outcome.exit_code


def watch_calls(kind: type[ConfiguredChannel[Any]], death: Death) -> None:
    """Tell when a call begins, and when it has arrived."""
    real: Callable[..., Iterator[Any]] = kind.deliver

    def watched(*arguments: Any, **options: Any) -> Iterator[Any]:
        death.comes("call begins")
        for outcome in real(*arguments, **options):
            death.comes("call has arrived")
            yield outcome

    setattr(kind, "deliver", watched)  # noqa: B010 (for mypy it is a method)


def write_messages(engine: Engine, *numbers: int) -> None:
    """Messages with the keys "code:1", "code:2" and so on."""
    events = own_tables(engine.dialect.name).outbox_events
    rows = [
        {"id": number, "key": f"code:{number}", "event_type": "code", "payload": {"n": number}} for number in numbers
    ]
    with engine.begin() as connection:
        connection.execute(insert(events).values(created_at=parse_instant(NOON)), rows)


def let_claims_end(engine: Engine) -> None:
    """As if whoever claimed deliveries had been dead for long."""
    deliveries = own_tables(engine.dialect.name).deliveries
    claimed = deliveries.c.claim.is_not(None)
    with engine.begin() as connection:
        past = database_now(engine.dialect.name, -1.0)
        connection.execute(update(deliveries).where(claimed).values(leased_until=past))


def delivery_rows(engine: Engine) -> list[Any]:
    """All deliveries, in order."""
    deliveries = own_tables(engine.dialect.name).deliveries
    with engine.connect() as connection:
        return list(connection.execute(select(deliveries).order_by(deliveries.c.message, deliveries.c.route)))
