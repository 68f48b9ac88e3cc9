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
    ARRAY,
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Text,
    and_,
    case,
    func,
    literal,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.sql.elements import ClauseElement

from ..call_state import ENDED_BADLY, OPEN_CALLS, CallState
from ..db.sql_expressions import as_text
from ..db.statement_parts import statement_parts
from ..db.tables import own_tables
from ..db.time_parameters import instant_values, now
from ..policies.contract import Change, Found, Plan, Rows, in_rows
from .messages import BATCH_SECONDS, MessageTable, among
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
            batch_seconds=BATCH_SECONDS,
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
                lambda rows: self.published_values(self._attempts()),
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
            lambda rows: self.dead_values(self._attempts(), self._error()),
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
        asked = select(d.c.id).where(*mine, d.c.state.in_([state for group in states for state in group]))
        # One look into the index a message, see `fan_out.unbegun`.
        return asked.correlate(messages.table if rows is None else rows).limit(1).scalar_subquery().is_not(None)

    def _delivered(self, rows: Rows) -> Select[Any]:
        """Keys of the messages of which nothing is left, and at least one delivery arrived."""
        messages, found = self.relay.messages, rows["messages"]
        over = self._over
        return select(messages.key_text(found)).where(
            ~over(OPEN_CALLS, ENDED_BADLY, rows=found), over((CallState.DONE,), rows=found)
        )

    def published_values(self, attempts: ColumnElement[int]) -> dict[str, Any]:
        """What is written about a message of which nothing is left. attempts: the most of its deliveries."""
        messages = self.relay.messages
        values: dict[str, Any] = {messages.published_at.key: now(messages.published_at.type)}
        if messages.attempt_count is not None:
            values[messages.attempt_count.key] = largest(messages.attempt_count, attempts)
        if any(route.secret for route in self.relay.routes):
            values[messages.payload.key] = erased(self.relay.routes, messages)
        return values

    def dead_values(self, attempts: ColumnElement[int], error: ColumnElement[str]) -> dict[str, Any]:
        """What is written about a dead letter."""
        messages = self.relay.messages
        assert messages.attempt_count is not None
        values: dict[str, Any] = {
            messages.attempt_count.key: largest(
                messages.attempt_count, attempts, literal_column(str(DEAD_LETTER_ATTEMPTS))
            )
        }
        if messages.last_attempted_at is not None:
            values[messages.last_attempted_at.key] = now(messages.last_attempted_at.type)
        if messages.last_error is not None:
            values[messages.last_error.key] = error
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
    """The same in a transaction that has ended deliveries of these messages: locks them, and looks again.

    In a few look-ups by key, as this is done with every hundred answers.
    """
    waiting = _locked(connection, relay, sorted(set(ids)))
    if not waiting:
        return
    published: dict[int, list[str]] = {}
    dead: dict[tuple[int, str | None], list[str]] = {}
    arrived: list[str] = []
    for row in connection.execute(_standing(relay, list(waiting))):
        if row.is_open:
            continue
        if row.is_bad:
            dead.setdefault((row.attempts, row.error), []).append(row.message)
            continue
        published.setdefault(row.attempts, []).append(row.message)
        if row.is_done:
            arrived.append(waiting[row.message])
    messages, ending = relay.messages, MessageEnding(relay)
    for attempts, some in published.items():
        _write(connection, messages, some, ending.published_values(literal(attempts)), at)
    for (attempts, error), some in dead.items() if messages.attempt_count is not None else ():
        _write(connection, messages, some, ending.dead_values(literal(attempts), literal(error, Text())), at)
    effects = own_tables(relay.dialect).effects
    if arrived:
        told = update(effects).where(among(effects.c.key, arrived, relay.dialect), effects.c.delivered_at.is_(None))
        connection.execute(told.values(delivered_at=at))


def _locked(connection: Connection, relay: MessageRelay, ids: Sequence[str]) -> dict[str, str]:
    """The keys of those that are not yet published, by their ids; locked in the order of ids."""
    messages = relay.messages
    asked = select(messages.id_text(), messages.key_text()).where(
        among(messages.id, messages.ids_of(ids), relay.dialect), messages.published_at.is_(None)
    )
    return {row[0]: row[1] for row in connection.execute(asked.order_by(messages.id).with_for_update())}


def _standing(relay: MessageRelay, ids: Sequence[str]) -> Select[Any]:
    """How the deliveries of each of these messages are.

    On PostgreSQL by one look into the index a message, see `fan_out.unbegun`: a list of messages it may look for among
    all deliveries of the outbox.
    """
    d = relay.deliveries.c

    def some(states: tuple[CallState, ...]) -> ColumnElement[int]:
        return func.max(case((d.state.in_(states), 1), else_=0))

    error = func.max(case((d.state.in_(ENDED_BADLY), d.error), else_=null()), type_=Text())
    columns = (
        some(OPEN_CALLS).label("is_open"),
        some(ENDED_BADLY).label("is_bad"),
        some((CallState.DONE,)).label("is_done"),
        func.max(d.attempts).label("attempts"),
        error.label("error"),
    )
    mine = d.outbox == as_text(relay.messages.name)
    if relay.dialect != "postgresql":
        return select(d.message, *columns).where(mine, d.message.in_(ids)).group_by(d.message)
    named = func.unnest(literal(list(ids), ARRAY(Text()))).table_valued("message").render_derived("sexton_named")
    each = select(*columns).where(mine, d.message == named.c.message).lateral("sexton_standing")
    return select(named.c.message, *each.c).join_from(named, each, each.c.attempts.is_not(None))


def _write(
    connection: Connection, messages: MessageTable, ids: Sequence[str], values: dict[str, Any], at: datetime
) -> None:
    dialect = connection.dialect.name
    statement = update(messages.table).where(among(messages.id, messages.ids_of(ids), dialect)).values(values)
    connection.execute(statement, valued(statement, at))


def valued(statement: ClauseElement, at: datetime) -> dict[str, Any]:
    """Values for the logical instants in a statement."""
    names = {part.key for part in statement_parts(statement) if isinstance(part, BindParameter)}
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
