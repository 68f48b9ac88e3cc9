"""An outbox with its relay for tests: short words to write messages, to run the steps, and to see what came of them.

room = open_room(engine, Route("mails", ("order_expired",), "log", to="{payload.email}"))
room.message(1, "order_expired", email="ada@example.com")
room.run()
assert room.deliveries() == ["1 mails ada@example.com waiting"]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, insert, select, update

from sexton import Job
from sexton.call_state import CallState
from sexton.clock import parse_instant
from sexton.config.route_settings import OutboxSettings
from sexton.db.tables import own_tables
from sexton.policies.call import Call
from sexton.relay.job import relay_steps
from sexton.relay.relay import MessageRelay, open_relay
from sexton.relay.routes import Route
from sexton.runs.outcome import Outcome
from sexton.testing import run_job

NOON = "2026-06-15 12:00"


@dataclass
class Mailroom:
    """Sexton's own outbox on one engine."""

    engine: Engine
    relay: MessageRelay

    def message(self, number: int, event: str, *, to: str | None = None, at: str = NOON, **payload: Any) -> None:
        """A message that waits; its key is "event:number"."""
        own = own_tables(self.engine.dialect.name)
        key, written = f"{event}:{number}", parse_instant(at)
        row = {"id": number, "key": key, "event_type": event, "recipient": to, "payload": payload}
        with self.engine.begin() as connection:
            connection.execute(insert(own.outbox_events).values(**row, created_at=written))
            fact = {"key": key, "job": "test", "subject": str(number), "created_at": written, "form": 1}
            connection.execute(insert(own.effects).values(fact))

    def run(self, at: str = NOON, *, only: Sequence[str] = (), calls: bool = False) -> Outcome:
        """The steps of the relay, without those that call unless `calls`."""
        found = [step for step in relay_steps(self.relay, self.engine) if calls or not isinstance(step, Call)]
        if only:
            found = [step for step in found if step.plan().step in only]
        return run_job(self.engine, Job("sexton.deliver", work=found, guard=None), at=at, raise_errors=True)

    def end(self, message: int, state: CallState, *, route: str | None = None, attempts: int = 1) -> None:
        """What a call would record."""
        d = self.relay.deliveries
        changed = update(d).where(d.c.message == str(message))
        if route is not None:
            changed = changed.where(d.c.route == route)
        values = {"state": state, "attempts": attempts, "code": state.value, "error": "why"}
        with self.engine.begin() as connection:
            connection.execute(changed.values(values))

    def deliveries(self) -> list[str]:
        """ "message route recipient state" of each, in order."""
        return [f"{row.message} {row.route} {row.recipient or '-'} {row.state}" for row in self.rows()]

    def rows(self) -> list[Any]:
        """All deliveries."""
        d = self.relay.deliveries
        with self.engine.connect() as connection:
            return list(connection.execute(select(d).order_by(d.c.message, d.c.route, d.c.recipient)))

    def published(self) -> dict[int, datetime | None]:
        """When each message was closed."""
        events = own_tables(self.engine.dialect.name).outbox_events
        with self.engine.connect() as connection:
            return {
                row.id: row.published_at
                for row in connection.execute(select(events.c.id, events.c.published_at).order_by(events.c.id))
            }

    def stored(self, number: int) -> Any:
        """One message as it lies there."""
        events = own_tables(self.engine.dialect.name).outbox_events
        with self.engine.connect() as connection:
            return connection.execute(select(events).where(events.c.id == number)).one()

    def effect(self, key: str) -> Any:
        """One effect."""
        effects = own_tables(self.engine.dialect.name).effects
        with self.engine.connect() as connection:
            return connection.execute(select(effects).where(effects.c.key == key)).one()


def open_room(
    engine: Engine, *routes: Route, channels: dict[str, Any] | None = None, outbox: OutboxSettings | None = None
) -> Mailroom:
    """A mailroom with these routes."""
    return Mailroom(engine, open_relay(engine, routes, channels or {}, outbox or OutboxSettings()))
