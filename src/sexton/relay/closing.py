"""The end of a message: `published_at` once nothing is left to do about it, a dead letter where something failed.

A delivery that has ended is closed in a transaction that locks its message first and then looks at all deliveries of
it. So of two that end at once, each later one sees the other, and the message is closed exactly once. What a person
does about a message (`replay`) takes the same locks in the same order.

A dead letter stays unpublished, with `attempt_count` at least 5: who purges "5 attempts and more" finds it (PF-140).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    exists,
    func,
    literal_column,
    select,
)
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ClauseElement

from ..call_state import ENDED_BADLY, OPEN_CALLS, CallState
from ..db.sql_expressions import as_text
from ..db.tables import own_tables
from ..db.time_parameters import instant_values, now
from ..policies.contract import Change, Found, Plan, Rows, in_rows
from .messages import MessageTable
from .payload import largest, without_fields
from .relay import MessageRelay
from .routes import Route

DEAD_LETTER_ATTEMPTS = 5
"""What PF-140 takes for a dead letter: so many attempts, and still unpublished."""


@dataclass(frozen=True, slots=True, eq=False)
class Close:
    """The policy, for deliveries that no call has ended: what could not be filled in, what was dropped, rows in-app."""

    relay: MessageRelay
    name: str = "close"

    def plan(self) -> Plan:
        """Deliveries that have ended, and their messages."""
        deliveries, messages = self.relay.deliveries, self.relay.messages
        d = deliveries.c
        found = Found("messages", self._messages, lock=messages.table)
        return Plan(
            step=self.name,
            table=deliveries,
            key=(d.id,),
            order=self.relay.order,
            due=and_(d.closed_at.is_(None), d.state.not_in(OPEN_CALLS), self.relay.mine),
            lock_first=True,
            lock_also=(found,),
            found=(found,),
            changes=MessageEnding(self.relay).changes(),
            main=Change.update(
                "deliveries",
                deliveries,
                lambda rows: in_rows((d.id,), rows["picked"]),
                lambda rows: {"closed_at": now()},
            ),
            carry=(d.message,),
        )

    def _messages(self, rows: Rows) -> Select[Any]:
        messages, picked = self.relay.messages, rows["picked"]
        named = select(messages.id_of(picked.c.message)).scalar_subquery()
        columns = (messages.id, *messages.told_columns)
        asked = select(*(column.label(column.key) for column in columns))
        return asked.where(messages.id.in_(named), messages.published_at.is_(None)).order_by(messages.id)


class MessageEnding:
    """What happens to the messages in a relation "messages", of which a delivery has ended. They are locked."""

    def __init__(self, relay: MessageRelay) -> None:
        self.relay = relay

    def changes(self) -> tuple[Change, ...]:
        """Published, delivered, dead: each where it is so."""
        messages, effects = self.relay.messages, own_tables(self.relay.dialect).effects
        over = self._over
        changes = [
            Change.update(
                "published",
                messages.table,
                lambda rows: and_(self._among(rows), ~over(OPEN_CALLS, ENDED_BADLY)),
                lambda rows: self._published(),
                counted=False,
            ),
            Change.update(
                "delivered",
                effects,
                lambda rows: and_(effects.c.delivered_at.is_(None), effects.c.key.in_(self._delivered(rows))),
                lambda rows: {"delivered_at": now()},
                counted=False,
            ),
        ]
        if messages.attempt_count is None:
            return tuple(changes)
        dead = Change.update(
            "dead",
            messages.table,
            lambda rows: and_(self._among(rows), ~over(OPEN_CALLS), over(ENDED_BADLY)),
            lambda rows: self._dead(),
            counted=False,
        )
        return (*changes, dead)

    def _among(self, rows: Rows) -> ColumnElement[bool]:
        messages = self.relay.messages
        return and_(messages.id.in_(select(rows["messages"].c[messages.id.key])), messages.published_at.is_(None))

    def _over(self, *states: tuple[CallState, ...], rows: FromClause | None = None) -> ColumnElement[bool]:
        """Whether a delivery of the message is in one of these states."""
        messages, d = self.relay.messages, self.relay.deliveries.alias("sexton_other")
        of = messages.id_text(rows)
        mine = (d.c.outbox == as_text(messages.name), d.c.message == of)
        asked = select(1).where(*mine, d.c.state.in_([state for group in states for state in group]))
        return exists(asked.correlate(messages.table if rows is None else rows))

    def _delivered(self, rows: Rows) -> Select[Any]:
        """Keys of the messages of which nothing is left, and at least one delivery arrived."""
        messages, found = self.relay.messages, rows["messages"]
        over = self._over
        return select(messages.key_text(found)).where(
            ~over(OPEN_CALLS, ENDED_BADLY, rows=found), over((CallState.DONE,), rows=found)
        )

    def _published(self) -> dict[str, Any]:
        messages = self.relay.messages
        values: dict[str, Any] = {messages.published_at.key: now(messages.published_at.type)}
        if messages.attempt_count is not None:
            values[messages.attempt_count.key] = largest(messages.attempt_count, self._attempts())
        if any(route.secret for route in self.relay.routes):
            values[messages.payload.key] = erased(self.relay.routes, messages)
        return values

    def _dead(self) -> dict[str, Any]:
        messages = self.relay.messages
        assert messages.attempt_count is not None
        values: dict[str, Any] = {
            messages.attempt_count.key: largest(
                messages.attempt_count, self._attempts(), literal_column(str(DEAD_LETTER_ATTEMPTS))
            )
        }
        if messages.last_attempted_at is not None:
            values[messages.last_attempted_at.key] = now(messages.last_attempted_at.type)
        if messages.last_error is not None:
            values[messages.last_error.key] = self._error()
        return values

    def _attempts(self) -> ColumnElement[int]:
        messages, d = self.relay.messages, self.relay.deliveries.alias("sexton_tried")
        mine = (d.c.outbox == as_text(messages.name), d.c.message == messages.id_text())
        most = select(func.coalesce(func.max(d.c.attempts), 0)).where(*mine)
        return most.correlate(messages.table).scalar_subquery()

    def _error(self) -> ColumnElement[str]:
        messages, d = self.relay.messages, self.relay.deliveries.alias("sexton_failed")
        mine = (d.c.outbox == as_text(messages.name), d.c.message == messages.id_text(), d.c.state.in_(ENDED_BADLY))
        first = select(d.c.error).where(*mine).order_by(d.c.id).limit(1)
        return first.correlate(messages.table).scalar_subquery()


def close_messages(connection: Connection, relay: MessageRelay, ids: Sequence[str], at: datetime) -> None:
    """The same in a transaction that has ended deliveries of these messages: locks them, and looks again."""
    messages = relay.messages
    named = messages.id.in_(messages.ids_of(sorted(set(ids))))
    lock = select(messages.id).where(named, messages.published_at.is_(None)).order_by(messages.id)
    connection.execute(lock.with_for_update()).all()
    columns = (messages.id, *messages.told_columns)
    asked = select(*(column.label(column.key) for column in columns)).where(named, messages.published_at.is_(None))
    delivered, *others = sorted(MessageEnding(relay).changes(), key=lambda change: change.name != "delivered")
    for change in (delivered, *others):  # while they are not yet published
        statement = change.statement({"messages": asked.subquery("messages")})
        connection.execute(statement, valued(statement, at))


def valued(statement: ClauseElement, at: datetime) -> dict[str, Any]:
    """Values for the logical instants in a statement."""
    names = {part.key for part in visitors.iterate(statement) if isinstance(part, BindParameter)}
    return instant_values(names, at)


def erased(routes: tuple[Route, ...], messages: MessageTable) -> ColumnElement[Any]:
    """The payload without what a route of its event calls secret."""
    cases: list[tuple[ColumnElement[bool], ColumnElement[Any]]] = []
    everywhere = sorted({name for route in routes if route.takes_all for name in route.secret})
    events = sorted({event for route in routes for event in route.events if route.secret and not route.takes_all})
    for event in events:
        names = {name for route in routes if event in route.events for name in route.secret}
        cases.append((messages.event_type == event, without_fields(messages.payload, sorted(names | set(everywhere)))))
    rest = without_fields(messages.payload, everywhere)
    return case(*cases, else_=rest) if cases else rest
