"""What waits in the outbox, since when and why: for people, one line a message and route. Only reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, select

from ..call_state import OPEN_CALLS, CallState
from ..calls import budgets, destinations
from ..calls.health import DestinationHealth
from ..db.call_conditions import ended_badly
from ..db.sql_expressions import as_text
from ..db.tables import own_tables
from ..masking import shown_recipient
from ..policies.call import parse_rate
from .fan_out import unbegun
from .relay import MessageRelay
from .rendering import payload_of, secret_fields, shown_payload

NOT_ROUTED = "no route takes this event: left alone"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One line. message: the id.  state: of the delivery; "new": it has none yet.  why: what it waits for."""

    message: str
    event: str
    route: str
    recipient: str
    state: str
    attempts: int
    since: datetime
    next_at: datetime | None
    why: str


def waiting_list(
    connection: Connection, relay: MessageRelay, now: datetime, *, limit: int, all_states: bool = False, route: str = ""
) -> list[Waiting]:
    """What is open or dead, the oldest first; all_states: what has ended well, too. At most `limit` of each kind."""
    d = relay.deliveries.c
    asked = select(relay.deliveries).where(relay.mine).order_by(d.id).limit(limit)
    if route:
        asked = asked.where(d.route == route)
    # Each by its own index: nearly all that was ever delivered is neither.
    kinds = [asked] if all_states else [asked.where(d.closed_at.is_(None)), asked.where(dead(d))]
    rows = sorted((row for kind in kinds for row in connection.execute(kind)), key=lambda row: row.id)[:limit]
    reasons = Reasons(connection, relay, now, {row.destination for row in rows})
    found = [
        Waiting(
            row.message,
            row.event_type,
            row.route,
            shown_recipient(row.recipient),
            str(row.state),
            row.attempts,
            row.created_at,
            row.next_at,
            reasons.why(row),
        )
        for row in rows
    ]
    return found if route else [*found, *_new(connection, relay, limit)]


def dead(d: Any) -> ColumnElement[bool]:
    """Closed, and to a bad end. d: the columns of `deliveries`."""
    return and_(d.closed_at.is_not(None), ended_badly(d.state))


class Reasons:
    """Why deliveries wait. What is asked of the database is asked once."""

    def __init__(self, connection: Connection, relay: MessageRelay, now: datetime, names: set[str]) -> None:
        self._relay, self._now, self._connection = relay, now, connection
        self._health = destinations.health_of(connection, names)
        self._budgets: dict[tuple[str, str], datetime] = {}

    def why(self, row: Any) -> str:
        """One line about a delivery."""
        if row.state not in OPEN_CALLS:
            words = {
                CallState.DONE: "arrived",
                CallState.GAVE_UP: "given up",
                CallState.UNKNOWN: "nobody knows whether it arrived",
            }
            said = words.get(row.state, str(row.state))
            return f"{said}: {row.error}" if row.error else said
        if row.state == CallState.CLAIMED:
            ends = "until" if row.leased_until > self._now else "taken over after"
            return f"being sent by run {row.run_id}, {ends} {clock_words(row.leased_until, self._now)}"
        return self._waits(row)

    def _waits(self, row: Any) -> str:
        route = self._relay.route(row.route)
        if route is None:
            return f"the settings have no route {row.route} any more"
        if blocked := health_words(self._health.get(row.destination), self._now):
            return f"{row.destination} {blocked}"
        if row.next_at is not None and row.next_at > self._now:
            after = f", after: {row.error}" if row.error else ""
            return f"next try {clock_words(row.next_at, self._now)}{after}"
        if route.window is not None and row.batch is None:
            return f"for its digest, from {clock_words(row.created_at + route.window, self._now)} on"
        if route.window is not None and row.batch != f"digest:{row.id}":
            return f"goes with {row.batch}"
        free = self._free(row.destination, route.rates)
        if free > self._now:
            return f"its budget is used up until {clock_words(free, self._now)}"
        return "due now" if row.error is None else f"due now, after: {row.error}"

    def _free(self, destination: str, rates: tuple[str, ...]) -> datetime:
        known = (destination, " ".join(rates))
        if known not in self._budgets:
            parsed = [parse_rate(one) for one in rates]
            self._budgets[known] = budgets.next_permit(self._connection, destination, parsed, self._now)
        return self._budgets[known]


def health_words(health: DestinationHealth | None, now: datetime) -> str:
    """Why nobody calls a destination; "": it is called."""
    if health is None:
        return ""
    why = f": {health.reason}" if health.reason else ""
    if health.disabled_at is not None:
        return f"is paused by {health.disabled_by}{why}" if health.disabled_by else f"is disabled{why}"
    if health.rest_until is not None and health.rest_until > now:
        return f"rests until {clock_words(health.rest_until, now)}{why}"
    return ""


def clock_words(at: datetime, now: datetime) -> str:
    """An instant as people read it: the time of day, with the day where it is another one. UTC."""
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%m-%d %H:%M}"


def _new(connection: Connection, relay: MessageRelay, limit: int) -> Iterator[Waiting]:
    """Messages that nothing has been begun for."""
    refused = _set_aside(connection)
    for row in connection.execute(_without_deliveries(relay).limit(limit)):
        taken = any(route.takes(row.event_type) for route in relay.routes)
        why = refused.get(row.id) or ("for the next run of sexton.deliver" if taken else NOT_ROUTED)
        yield Waiting(
            row.id, str(row.event_type), "", shown_recipient(row.recipient or ""), "new", 0, row[2], None, why
        )


def _without_deliveries(relay: MessageRelay) -> Select[Any]:
    messages = relay.messages
    recipient = as_text("") if messages.recipient is None else messages.recipient
    return (
        select(messages.id_text().label("id"), messages.event_type.label("event_type"), messages.created_at)
        .add_columns(recipient.label("recipient"))
        .where(unbegun(relay))
        .order_by(messages.id)
    )


def _set_aside(connection: Connection) -> dict[str, str]:
    """Messages that the database refused to begin, and why."""
    poison = own_tables(connection.dialect.name).poison.c
    asked = select(poison.subject, poison.error).where(poison.job.like("sexton.deliver%"))
    return {row.subject: f"set aside: {row.error}" for row in connection.execute(asked)}


def message_facts(connection: Connection, relay: MessageRelay, message: str, now: datetime) -> Mapping[str, Any] | None:
    """All that is known about one message; None: there is none of this id. Secret fields are masked."""
    messages, d = relay.messages, relay.deliveries.c
    asked = select(
        messages.id_text().label("id"),
        messages.key_text().label("key"),
        messages.event_type.label("event"),
        messages.payload.label("payload"),
        messages.created_at.label("created_at"),
        messages.published_at.label("published_at"),
    ).where(messages.id.in_(messages.ids_of([message])))
    row = connection.execute(asked).mappings().first()
    if row is None:
        return None
    mine = select(relay.deliveries).where(d.outbox == as_text(messages.name), d.message == message).order_by(d.id)
    deliveries = connection.execute(mine).all()
    reasons = Reasons(connection, relay, now, {one.destination for one in deliveries})
    payload = shown_payload(payload_of(row["payload"]), secret_fields(relay, str(row["event"])))
    shown = ("id", "route", "channel", "destination", "attempts", "next_at", "send_before", "closed_at", "note")
    each = [
        {
            **{name: one._mapping[name] for name in shown},
            "recipient": shown_recipient(one.recipient),
            "state": str(one.state),
            "why": reasons.why(one),
        }
        for one in deliveries
    ]
    return {**row, "payload": payload, "deliveries": each}
