"""Fan-out: for each message that a route takes and nothing was begun for, a row of `deliveries` for each of its routes.

Set-based, and by what is missing, never by the highest id seen: a transaction that wrote a lower id may commit
later. A message is locked first, and looked at again: two relays at once write no row twice. What a route cannot fill
in is written as failed: the message is a dead letter with the name of the field, and the others go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    cast,
    func,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.types import Integer, Text

from ..call_state import CallState
from ..channels.registry import channel_type
from ..db.sql_expressions import as_text, probably
from ..db.time_parameters import now
from ..policies.contract import Change, Plan
from .addressing import is_for, is_for_any, recipient, send_before
from .destinations import destination
from .messages import BATCH_SECONDS
from .relay import MessageRelay
from .routes import FIELDS, IN_APP, Route

MOST_OPEN = 100_000
"""Deliveries that are open at once; with so many, no further messages are fanned out."""

LONGEST_RECIPIENT = 500
"""Characters; more do not fit into an index."""


@dataclass(frozen=True, slots=True, eq=False)
class FanOut:
    """The policy. room: messages that one run may begin."""

    relay: MessageRelay
    room: int = MOST_OPEN
    name: str = "fan_out"

    def plan(self) -> Plan:
        """Messages without deliveries, and the rows inserted about them."""
        relay, messages = self.relay, self.relay.messages
        return Plan(
            step=self.name,
            table=messages.table,
            key=(messages.id,),
            order=(messages.id,),
            due=and_(is_for_any(relay.routes, messages, messages.table), unbegun(relay)),
            changes=(Change.insert("deliveries", relay.deliveries, lambda rows: self._rows(rows["picked"])),),
            carry=messages.told_columns,
            lock_first=True,
            limit=self.room,
            batch_seconds=BATCH_SECONDS,
        )

    def _rows(self, picked: FromClause) -> Select[Any]:
        each = [self._by(route, picked) for route in self.relay.routes]
        if len(each) == 1:
            return each[0]
        together = union_all(*each).subquery("by_route")
        return select(*together.c)

    def _by(self, route: Route, picked: FromClause) -> Select[Any]:
        relay, messages = self.relay, self.relay.messages
        to = recipient(route, messages, picked)
        address = func.coalesce(to.value, as_text(""), type_=Text())
        problem = refusal(relay, route, picked)
        failed = problem.is_not(None)
        return select(
            as_text(messages.name).label("outbox"),
            messages.id_text(picked).label("message"),
            messages.key_text(picked).label("message_key"),
            as_text(picked.c[messages.event_type.key]).label("event_type"),
            as_text(route.name).label("route"),
            as_text(route.channel).label("channel"),
            func.coalesce(destination(route, relay.channels[route.channel], address), as_text(route.channel)).label(
                "destination"
            ),
            func.substr(address, 1, LONGEST_RECIPIENT).label("recipient"),
            # The smallest goes first, so that one index in one direction gives the order.
            as_number(-route.priority).label("priority"),
            send_before(route, messages, picked).label("send_before"),
            now().label("created_at"),
            case((failed, as_text(CallState.FAILED.value)), else_=as_text(CallState.WAITING.value)).label("state"),
            case((failed, as_text(CallState.FAILED.value)), else_=null()).label("code"),
            problem.label("error"),
        ).where(is_for(route, messages, picked))


def refusal(relay: MessageRelay, route: Route, rows: FromClause) -> ColumnElement[str]:
    """Why a message cannot go by the route, as one line; NULL: it can."""
    to = recipient(route, relay.messages, rows)
    lacks: ColumnElement[str] = as_text("the message has no ").op("||")(to.missing)
    if route.channel == IN_APP:
        missing = relay.targets[route.name].missing(relay.messages, rows)
        lacks = func.coalesce(as_text("the message has no ").op("||")(missing), lacks, type_=Text())
    too_long = case(
        (func.length(to.value) > LONGEST_RECIPIENT, as_text(f"the recipient has over {LONGEST_RECIPIENT} characters"))
    )
    empty = case((func.coalesce(func.trim(to.value), as_text("-")) == as_text(""), lacks_to(route)))
    return func.coalesce(lacks, too_long, empty, type_=Text())


def lacks_to(route: Route) -> ColumnElement[str]:
    """What is said of an empty address, where one is needed."""
    if route.fixed or not channel_type(route.channel).addressed:
        nothing: ColumnElement[str] = cast(null(), Text)
        return nothing
    return as_text(f"the message has no {', '.join(FIELDS.findall(route.to))}")


def unbegun(relay: MessageRelay) -> ColumnElement[bool]:
    """Whether a message waits, and nothing has been begun for it.

    By one look into the index a message. NOT EXISTS may be made a join, and before a table of ours has statistics that
    join reads all deliveries of the outbox for each message: 6,500 messages took nine seconds.
    """
    messages, deliveries = relay.messages, relay.deliveries
    mine = and_(deliveries.c.outbox == as_text(messages.name), deliveries.c.message == messages.id_text())
    first = select(deliveries.c.id).where(mine).correlate(messages.table).limit(1).scalar_subquery()
    return and_(messages.published_at.is_(None), probably(first.is_(None)))


def as_number(value: int) -> ColumnElement[int]:
    """A whole number as SQL."""
    return literal_column(str(value), Integer())
