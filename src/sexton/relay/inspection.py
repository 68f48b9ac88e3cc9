"""What is odd about the outbox: for `sexton check`, for incidents and for metrics. Only reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from ..call_state import ENDED_BADLY
from ..db.tables import own_tables
from .fan_out import unbegun
from .relay import MessageRelay

if TYPE_CHECKING:
    from .source import RelaySource

EVENTS_LOOKED_AT = 10_000
"""Waiting messages whose events `left_alone` looks at."""


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Deliveries of one route that came to a bad end. newest: when the last one did, so that it can be told once."""

    route: str
    channel: str
    event: str
    number: int
    newest: datetime


def template_faults(source: RelaySource) -> Iterator[tuple[str, str]]:
    """The route, and what is wrong with the template that it names."""
    named = [route for route in source.routes if route.template]
    if not named:
        return
    from ..channels.templates import Templates

    templates = Templates(source.template_folders)
    for route in named:
        for error in templates.errors(route.template):
            yield f"route.{route.name}", str(error)


def left_alone(connection: Connection, relay: MessageRelay) -> Iterator[tuple[str, str]]:
    """Events of messages that wait and that no route takes, and how many of them there are."""
    messages = relay.messages
    some = (
        select(messages.event_type.label("event"))
        .where(messages.published_at.is_(None), unbegun(relay))
        .order_by(messages.id)
        .limit(EVENTS_LOOKED_AT)
        .subquery()
    )
    asked = select(some.c.event, func.count()).group_by(some.c.event).order_by(some.c.event)
    for event, number in connection.execute(asked):
        if not any(route.takes(str(event)) for route in relay.routes):
            many = f"{number:,} message{'s' * (number != 1)}"
            yield "outbox", f"no route takes {event}: {many} left alone, for another relay or for ever"


def dead_letters(connection: Connection, since: datetime) -> list[DeadLetters]:
    """What came to a bad end since then, by route and event: somebody has to look. For incidents."""
    d = own_tables(connection.dialect.name).deliveries.c
    asked = (
        select(d.route, d.channel, d.event_type, func.count(), func.max(d.closed_at, type_=d.closed_at.type))
        .where(d.closed_at >= since, d.state.in_(ENDED_BADLY))
        .group_by(d.route, d.channel, d.event_type)
        .order_by(d.route, d.event_type)
    )
    return [DeadLetters(*row) for row in connection.execute(asked)]


def oldest_open(connection: Connection) -> dict[str, datetime]:
    """By channel since when its oldest delivery has been open. Reads what is open only. For metrics."""
    d = own_tables(connection.dialect.name).deliveries.c
    asked = select(d.channel, func.min(d.created_at, type_=d.created_at.type)).where(d.closed_at.is_(None))
    return {row[0]: row[1] for row in connection.execute(asked.group_by(d.channel))}
