"""Which databases the fleet has."""

from __future__ import annotations

from dataclasses import dataclass

from .database import FleetDatabase


@dataclass(frozen=True, slots=True)
class Inventory:
    """databases: by name.  warnings: a line each.  kept: why the old list stays; "": the list is what was read."""

    databases: tuple[FleetDatabase, ...]
    warnings: tuple[str, ...] = ()
    kept: str = ""
