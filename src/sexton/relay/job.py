"""The work of `sexton.deliver`: from messages in the outbox to their end, as policies in order; and whether any waits.

in_app     rows of the product, straight from the outbox
fan_out    a delivery for each route of a new message
late       what is no longer worth sending
in_app     rows of the product for messages that go elsewhere too
digest     who belongs to which digest
deliver    a `Call` a channel; it closes its messages itself
close      messages whose deliveries ended without a call; first of all where such a one waits
forget     dead letters that are listed no longer
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, Engine, and_, case, exists, func, or_, select

from ..call_state import ENDED_BADLY, OPEN_CALLS, CallState
from ..db.call_conditions import ended_badly
from ..db.connect import read_only
from ..db.sql_expressions import as_text
from ..db.tables import own_tables
from ..policies.purge import Purge
from .addressing import is_for_any
from .closing import Close
from .delivery import delivery_calls, ready_channels
from .digests import DIGEST, Gather
from .fan_out import MOST_OPEN, FanOut, unbegun
from .in_app import InAppDeliveries, in_app_steps
from .lateness import DropLate
from .relay import MessageRelay

if TYPE_CHECKING:
    from ..policies.contract import Policy
    from .source import RelaySource

DEAD_LETTERS_LISTED = "30d"
"""How long a dead letter is listed at least."""

NEWEST_LOOKED_AT = 1_000
"""Waiting messages, from the newest on, that an idle look asks about; a run looks at all of them."""


def steps(engine: Engine, source: RelaySource, lane: int = 1) -> list[Policy]:
    """The work of `sexton.deliver`: `LazyWork("sexton.relay.job:steps", (source, lane), asks_database=True)`.

    lane: which of several jobs that deliver beside each other; each begins with another channel.
    """
    relay = source.open(engine)
    ready_channels(relay, source.channels)
    return relay_steps(relay, engine, lane)


def question(source: RelaySource) -> Callable[[Connection, datetime], bool]:
    """The demand of the job: `LazyWork("sexton.relay.job:question", (source,))`. The tables are looked up once."""

    def asked(connection: Connection, now: datetime) -> bool:
        engine = connection.engine
        if engine not in source.opened:
            source.opened[engine] = source.open(engine)
        return waiting(connection, source.opened[engine], now)

    return asked


def relay_steps(relay: MessageRelay, engine: Engine, lane: int = 1) -> list[Policy]:
    """The steps of a relay that is open."""
    in_app = in_app_steps(relay)
    calls = delivery_calls(relay, engine)
    first = (lane - 1) % len(calls) if calls else 0
    with read_only(engine) as connection:
        room, ended = open_deliveries(connection, relay)
        dead = any_dead(connection, relay)
    found: list[Policy] = [Close(relay)] if ended else []
    found += [step for step in in_app if not isinstance(step, InAppDeliveries)]
    if room:
        found.append(FanOut(relay, room))
    if any(route.send_before for route in relay.routes):
        found.append(DropLate(relay))
    found += [step for step in in_app if isinstance(step, InAppDeliveries)]
    if any(route.digest for route in relay.routes):
        found.append(Gather(relay))
    found += [*calls[first:], *calls[:first], *([] if ended else [Close(relay)])]
    return [*found, forget_dead(relay)] if dead else found


def forget_dead(relay: MessageRelay) -> Policy:
    """Dead letters that are listed no longer: their message has gone. As long as it is there, so are they, as without
    them it would look as if nothing had been begun for it."""
    deliveries, messages = relay.deliveries, relay.messages
    d = deliveries.c
    there = exists(select(1).where(messages.id == messages.id_of(d.message)).correlate(deliveries))
    gone = and_(d.state.in_(ENDED_BADLY), relay.mine, d.closed_at.is_not(None), ~there)
    return Purge(deliveries, by=d.closed_at, keep=DEAD_LETTERS_LISTED, only=gone, name="forget")


def any_dead(connection: Connection, relay: MessageRelay) -> bool:
    """Whether any dead letter is on record; in most outboxes there is none."""
    d = relay.deliveries.c
    asked = select(d.id).where(ended_badly(d.state), d.closed_at.is_not(None)).limit(1)
    return connection.execute(asked).first() is not None


def open_deliveries(connection: Connection, relay: MessageRelay) -> tuple[int, bool]:
    """Messages that may be fanned out now, so many that no more than `MOST_OPEN` deliveries are open; and whether one
    of those has ended without a call, as a run of before was cut off."""
    d = relay.deliveries.c
    some = select(d.state).where(d.closed_at.is_(None)).limit(MOST_OPEN).subquery()
    has_ended = case((some.c.state.not_in(OPEN_CALLS), 1), else_=0)
    number, ended = connection.execute(select(func.count(), func.max(has_ended)).select_from(some)).one()
    return max((MOST_OPEN - int(number)) // max(len(relay.routes), 1), 0), bool(ended)


def waiting(connection: Connection, relay: MessageRelay, now: datetime) -> bool:
    """Whether anything is to be done: a new message, a delivery that is due or has ended. Cheap; asked each second.

    Reads what is open, never what is closed; of waiting messages the newest, where a new one is.
    """
    d, messages = relay.deliveries.c, relay.messages
    ended = d.state.not_in(OPEN_CALLS)
    lost = and_(d.state == CallState.CLAIMED, d.leased_until <= now)
    asked = select(d.id).where(d.closed_at.is_(None), or_(_is_due(relay, now), ended, lost))
    if connection.execute(asked.order_by(*relay.order).limit(1)).first():
        return True
    newest = (
        select(messages.id)
        .where(messages.published_at.is_(None), is_for_any(relay.routes, messages, messages.table))
        .order_by(messages.id.desc())
        .limit(NEWEST_LOOKED_AT)
        .subquery("newest")
    )
    fresh = select(1).where(messages.id.in_(select(newest.c[messages.id.key])), unbegun(relay)).limit(1)
    return connection.execute(fresh).first() is not None


def _is_due(relay: MessageRelay, now: datetime) -> ColumnElement[bool]:
    """Whether a delivery waits for nothing: not for its next try, for a destination that rests, or for its digest."""
    d, rests = relay.deliveries.c, own_tables(relay.dialect).destinations
    resting = exists(
        select(1)
        .where(rests.c.name == d.destination, or_(rests.c.disabled_at.is_not(None), rests.c.rest_until > now))
        .correlate(relay.deliveries)
    )
    digests = [route for route in relay.routes if route.window is not None]
    gathered = [
        and_(d.route == as_text(route.name), d.batch.is_(None), d.created_at <= now - route.window)
        for route in digests
        if route.window is not None
    ]
    leads = d.batch == as_text(DIGEST).op("||")(as_text(d.id))
    plain = d.route.not_in([route.name for route in digests])
    in_time = or_(d.next_at.is_(None), d.next_at <= now)
    return and_(d.state == CallState.WAITING, in_time, ~resting, or_(plain, leads, *gathered))
