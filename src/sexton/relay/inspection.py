"""What is odd about the outbox: for `sexton check`. Only reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from .fan_out import unbegun
from .relay import MessageRelay

if TYPE_CHECKING:
    from .source import RelaySource

EVENTS_LOOKED_AT = 10_000
"""Waiting messages whose events `left_alone` looks at."""


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
