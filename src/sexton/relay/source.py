"""What a relay is made of before a database is at hand: routes and settings. Costs a start nothing."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
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

    opened: the relay by engine, for looks that happen each second.
    """

    routes: Sequence[Route]
    channels: Mapping[str, Any]
    outbox: OutboxSettings
    folder: str = ""
    opened: MutableMapping[Engine, Relay] = field(default_factory=WeakKeyDictionary)
