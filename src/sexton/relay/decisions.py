"""What people decide about messages: try again, drop, send once more. Under row locks, deliveries before messages.

Each is on record with the delivery, with who decided: `deliveries.note`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, null, or_, select, update

from ..call_state import ENDED_BADLY, OPEN_CALLS, CallState
from ..clock import iso
from ..db.call_conditions import ended_badly
from ..db.notify import notify
from ..db.sql_expressions import as_text
from ..db.tables import own_tables
from ..errors import UsageError
from .closing import close_messages
from .relay import MessageRelay
from .rendering import payload_of, secret_fields

DEAD_AT_ONCE = 500
"""Dead letters that are decided about by one statement: no database takes an unlimited number of parameters."""

CLAIM_ENDS = {"claim": None, "leased_until": None, "run_id": None}


@dataclass(frozen=True, slots=True)
class Decision:
    """messages: those it is about, by id; none: every one that fits.  route: only deliveries by it.

    by: who decides, for the record.  at: when.
    """

    by: str
    at: datetime
    messages: tuple[str, ...] = ()
    route: str = ""

    def note(self, what: str) -> str:
        """For the record."""
        return f"{what} by {self.by} at {iso(self.at)}"


def retry_deliveries(connection: Connection, relay: MessageRelay, decision: Decision) -> int:
    """Dead ones begin anew with all their attempts, those that wait are due now. How many; the whole of a digest."""
    d = relay.deliveries.c
    rows = _locked(connection, relay, decision, or_(d.state.in_(ENDED_BADLY), d.state == CallState.WAITING))
    dead = [row for row in rows if row.state in ENDED_BADLY]
    anew = {"attempts": 0, "first_at": None, "code": None, "error": None, "state": CallState.WAITING, "closed_at": None}
    note = {"next_at": None, "note": decision.note("retried")}
    _write(connection, relay, [row for row in rows if row not in dead], note)
    _write(connection, relay, dead, {**anew, **note, **CLAIM_ENDS})
    _reopen(connection, relay, [row.message for row in dead])
    notify(connection)
    return len(rows)


def drop_deliveries(connection: Connection, relay: MessageRelay, decision: Decision) -> int:
    """Nothing more is sent of them, and their messages may end. One that is being sent just now may still arrive."""
    d = relay.deliveries.c
    rows = _locked(connection, relay, decision, or_(d.state.in_(ENDED_BADLY), d.state.in_(OPEN_CALLS)))
    values = {"state": CallState.DROPPED, "closed_at": decision.at, "note": decision.note("dropped"), **CLAIM_ENDS}
    _write(connection, relay, rows, {**values, "next_at": None})
    if rows:
        close_messages(connection, relay, [row.message for row in rows], decision.at)
    return len(rows)


def replay_messages(connection: Connection, relay: MessageRelay, decision: Decision, *, as_new: bool = False) -> int:
    """Send once more what has ended, however it ended. How many deliveries, or messages that had none.

    The id stays the same, so that a receiver that remembers it takes no second copy; as_new: a new one.
    UsageError for a message whose secret fields have been erased.
    """
    if not decision.messages:
        raise UsageError("name the messages that are to be sent once more")
    d = relay.deliveries.c
    _refuse_erased(connection, relay, decision)
    rows = _locked(connection, relay, decision, d.state.not_in(OPEN_CALLS))
    values: dict[str, Any] = {
        "state": CallState.WAITING,
        "closed_at": None,
        "attempts": 0,
        "first_at": None,
        "next_at": None,
        "code": None,
        "error": None,
        "batch": None,
        "note": decision.note("replayed"),
        **CLAIM_ENDS,
    }
    if as_new:
        values["message_key"] = d.message_key + as_text(f":replayed:{iso(decision.at)}")
    _write(connection, relay, rows, values)
    straight = _without_deliveries(connection, relay, decision)
    _reopen(connection, relay, [*(row.message for row in rows), *straight])
    notify(connection)
    return len(rows) + len(straight)


def _locked(connection: Connection, relay: MessageRelay, decision: Decision, condition: Any) -> list[Any]:
    """The deliveries, locked in the order of their numbers; with one of a digest all of it."""
    d = relay.deliveries.c
    wanted = [condition, d.outbox == as_text(relay.messages.name)]
    if decision.route:
        wanted.append(d.route == decision.route)
    asked = select(d.id, d.message, d.batch, d.state, d.route).where(*wanted).order_by(d.id)
    if decision.messages:
        named = select(d.batch).where(d.message.in_(decision.messages), d.batch.is_not(None))
        asked = asked.where(or_(d.message.in_(decision.messages), d.batch.in_(named)))
    return list(connection.execute(asked.with_for_update()))


def _write(connection: Connection, relay: MessageRelay, rows: Sequence[Any], values: dict[str, Any]) -> None:
    d = relay.deliveries.c
    numbers = [row.id for row in rows]
    for start in range(0, len(numbers), 500):
        some = numbers[start : start + 500]
        connection.execute(update(relay.deliveries).where(d.id.in_(some)).values(values))


def _reopen(connection: Connection, relay: MessageRelay, ids: Sequence[str]) -> None:
    """The messages wait again, and are no dead letters."""
    messages, effects = relay.messages, own_tables(relay.dialect).effects
    named = messages.id.in_(messages.ids_of(sorted(set(ids))))
    if not ids:
        return
    connection.execute(select(messages.id).where(named).order_by(messages.id).with_for_update()).all()
    values: dict[str, Any] = {messages.published_at.key: null()}
    if messages.attempt_count is not None:
        values[messages.attempt_count.key] = 0
    connection.execute(update(messages.table).where(named).values(values))
    keys = select(messages.key_text()).where(named)
    connection.execute(update(effects).where(effects.c.key.in_(keys)).values(delivered_at=None))


def _without_deliveries(connection: Connection, relay: MessageRelay, decision: Decision) -> list[str]:
    """Messages that went straight into the product."""
    messages, d = relay.messages, relay.deliveries.c
    if decision.route:
        return []
    known = set(
        connection.execute(
            select(d.message).where(d.outbox == as_text(messages.name), d.message.in_(decision.messages))
        ).scalars()
    )
    asked = select(messages.id_text()).where(messages.id.in_(messages.ids_of(decision.messages)))
    ended = connection.execute(asked.where(messages.published_at.is_not(None))).scalars()
    return [one for one in ended if one not in known]


def _refuse_erased(connection: Connection, relay: MessageRelay, decision: Decision) -> None:
    messages = relay.messages
    asked = select(messages.id_text(), messages.event_type, messages.payload).where(
        messages.id.in_(messages.ids_of(decision.messages)), messages.published_at.is_not(None)
    )
    for number, event, payload in connection.execute(asked):
        there = payload_of(payload)
        if gone := [name for name in secret_fields(relay, str(event)) if name not in there]:
            raise UsageError(f"message {number}: its field {gone[0]} was erased when it ended; it cannot be sent again")


def of_the_dead(connection: Connection, relay: MessageRelay, decision: Decision) -> Iterator[Decision]:
    """The same decision about every dead letter, some at a time: make each before the next is asked for.

    Read by the index of what ended badly. UsageError when there is none.
    """
    d, found = relay.deliveries.c, False
    asked = select(d.message).where(relay.mine, ended_badly(d.state)).distinct().limit(DEAD_AT_ONCE)
    if decision.route:
        asked = asked.where(d.route == decision.route)
    while some := tuple(connection.execute(asked).scalars()):
        found = True
        yield replace(decision, messages=some)
    if not found:
        raise UsageError("there is no dead letter")


def known_destinations(connection: Connection, relay: MessageRelay) -> list[str]:
    """Names of all who are called, or were."""
    d, who = relay.deliveries.c, own_tables(relay.dialect).destinations.c
    waiting = connection.execute(select(d.destination).where(d.closed_at.is_(None)).distinct()).scalars()
    known = connection.execute(select(who.name)).scalars()
    fixed = (
        channel.destination(route.to if route.fixed else "")
        for route in relay.routes
        if not (channel := relay.channels[route.channel]).addressed or route.fixed
    )
    return sorted({*waiting, *known, *fixed})
