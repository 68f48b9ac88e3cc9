"""What the steps of a relay share: the outbox, its routes, their channels, and the tables that they look into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ColumnElement, Engine, Table, true

from ..channels.contract import ConfiguredChannel
from ..channels.registry import channel_type, settings_of
from ..db.connect import read_only
from ..db.sql_expressions import as_text
from ..db.tables import own_tables
from .in_app_target import InAppTarget, in_app_target
from .messages import MessageTable, mapped_messages, own_messages
from .people import People, people_of
from .routes import IN_APP, Route

if TYPE_CHECKING:
    from ..config.route_settings import OutboxSettings


@dataclass(frozen=True, slots=True, eq=False)
class MessageRelay:
    """One outbox on its way out. channels, targets, people: by the names of channels and of routes."""

    dialect: str
    messages: MessageTable
    routes: tuple[Route, ...]
    channels: Mapping[str, ConfiguredChannel[Any]]
    targets: Mapping[str, InAppTarget]
    people: Mapping[str, People]
    templates: tuple[str | Path, ...] = ()

    @property
    def deliveries(self) -> Table:
        """The table of deliveries."""
        return own_tables(self.dialect).deliveries

    @property
    def mine(self) -> ColumnElement[bool]:
        """Deliveries of this outbox. Written so that no index is read for it, as what is open has one of its own, and
        so that the planner knows that these are nearly all: of an expression it believes that one row in 200 is meant,
        and then sorts all that is open for each batch."""
        return (self.deliveries.c.outbox == as_text(self.messages.name)).is_(true())

    @property
    def order(self) -> tuple[Column[Any], ...]:
        """The order of the index of what is open."""
        d = self.deliveries.c
        return (d.destination, d.priority, d.id)

    def route(self, name: str) -> Route | None:
        """The route of that name; None: it is no longer there."""
        return next((route for route in self.routes if route.name == name), None)


def open_relay(
    engine: Engine,
    routes: Sequence[Route],
    channels: Mapping[str, Any],
    outbox: OutboxSettings,
    templates: Sequence[str | Path] = (),
) -> MessageRelay:
    """The relay of this database. channels: their settings by name.  templates: folders.

    SettingsError for a table or a column that the database does not have.
    """
    messages = own_messages(engine.dialect.name)
    if outbox.table is not None:
        messages = mapped_messages(engine, outbox.table, outbox.columns)
    made = {name: channel_type(name)(settings_of(name, channels)) for name in {route.channel for route in routes}}
    targets: dict[str, InAppTarget] = {}
    people: dict[str, People] = {}
    with read_only(engine) if any(map(_looked_up, routes)) else nullcontext() as connection:
        for route in filter(_looked_up, routes):
            assert connection is not None
            if route.channel == IN_APP:
                place = made[IN_APP].settings
                targets[route.name] = in_app_target(connection, place.table, place.columns)
            if route.people:
                people[route.name] = people_of(connection, route)
    return MessageRelay(engine.dialect.name, messages, tuple(routes), made, targets, people, tuple(templates))


def _looked_up(route: Route) -> bool:
    """Whether it needs a table of the product."""
    return route.channel == IN_APP or bool(route.people)
