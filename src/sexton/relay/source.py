"""What a relay is made of before a database is at hand: routes and settings, and its jobs. Costs a start nothing."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ..jobs.job import Job, LazyWork
from ..jobs.schedule import every
from .routes import Route, RoutePlace, routes_of

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ..config.route_settings import OutboxSettings
    from ..config.settings import Settings
    from ..jobs.pack import Pack
    from .relay import MessageRelay


DELIVER = "sexton.deliver"
"""The job that delivers."""


@dataclass(frozen=True, slots=True, eq=False)
class RelaySource:
    """routes: those in force, see `routes_of`.  channels: settings of channels by name.  folder: of the settings file.

    templates: folders of those that packs bring, "sexton.packs.storefront:templates".

    opened: the relay by engine, for looks that happen each second.
    """

    routes: Sequence[Route]
    channels: Mapping[str, Any]
    outbox: OutboxSettings
    folder: str = ""
    templates: tuple[str, ...] = ()
    opened: MutableMapping[Engine, MessageRelay] = field(default_factory=WeakKeyDictionary)

    def open(self, engine: Engine) -> MessageRelay:
        """The relay of this database. SettingsError for a table or a column that it does not have."""
        from .relay import open_relay

        return open_relay(engine, self.routes, self.channels, self.outbox, self.template_folders)

    @property
    def template_folders(self) -> tuple[str | Path, ...]:
        """Where templates lie: the product's own first, which replace those of packs."""
        own = () if self.outbox.templates is None else (Path(self.folder) / self.outbox.templates,)
        return (*own, *self.templates)

    def jobs(self) -> list[Job]:
        """`sexton.deliver`, and with more lanes `sexton.deliver_2` and so on, each in a group of its own.

        Due whenever something waits (`Job.demand`); its schedule is there so that a relay which cannot even look is
        late. None without routes.
        """
        names = [DELIVER, *(f"{DELIVER}_{lane}" for lane in range(2, self.outbox.lanes + 1))]
        return [
            Job(
                name,
                schedule=every("1h"),
                work=LazyWork("sexton.relay.job:steps", (self, lane), asks_database=True),
                demand=LazyWork("sexton.relay.job:question", (self,)),
                group=name,
                catch_up=True,
                description="deliver messages of the outbox",
                guard=None,
            )
            for lane, name in enumerate(names if self.routes else [], start=1)
        ]


def relay_source(
    settings: Settings, packs: Mapping[str, Pack], options: Mapping[str, Any], place: RoutePlace, folder: str = ""
) -> RelaySource:
    """What these settings and packs make of it. Without any route every message is left alone.

    options: of each pack.  place: where a key of the settings stands, for messages.
    SettingsError for a route that cannot work.
    """
    brought = [route for name, pack in packs.items() if pack.routes for route in pack.routes(options[name])]
    found = routes_of(brought, settings.route, settings.channel, place)
    templates = tuple(pack.templates for pack in packs.values() if pack.templates)
    return RelaySource(found, settings.channel, settings.outbox, folder, templates)
