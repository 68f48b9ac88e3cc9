"""What a relay is made of before a database is at hand: routes and settings. Costs a start nothing."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ..config.route_settings import OutboxSettings
    from .relay import Relay
    from .routes import Route


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
    opened: MutableMapping[Engine, Relay] = field(default_factory=WeakKeyDictionary)

    def open(self, engine: Engine) -> Relay:
        """The relay of this database. SettingsError for a table or a column that it does not have."""
        from .relay import open_relay

        return open_relay(engine, self.routes, self.channels, self.outbox, Path(self.folder), self.templates)
