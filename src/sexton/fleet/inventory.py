"""Which databases the fleet has: the list that the settings name, unless it looks as if its source were broken.

An empty list, or one from which a tenth is gone at once, is not believed: the old one stays, which the home database
keeps, and an incident is opened. One database may always go, and those that were marked as leaving (B.1). That an empty
list is meant so is said once, and holds until a database is known again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine

from ..config.fingerprint import AUTO
from ..config.fleet_settings import FleetSettings
from ..db.connect import connection_errors_translated, read_only
from ..db.database_identity import identity
from ..db.migrate import require_schema
from ..db.server_clock import ask_now
from ..db.sessions import own_tables_only
from ..telemetry.fleet_incidents import list_believed, list_kept
from .database import DatabaseState, FleetDatabase
from .known_databases import KnownDatabase, is_meant_empty, known, known_databases, mean_empty, remember
from .reading import databases_of, secret_of
from .sources import items

GONE_SHARE = 10
"""A list is not believed when more than one database, and one in so many, is gone from it."""

NAMES_TOLD = 3
"""Names that stand in a message for all that it is about."""

ListedDatabases = Mapping[str, tuple[FleetDatabase, str | None]]
"""Databases by name, each with the reference to its password that was given for it alone."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """databases: by name.  warnings: a line each.  kept: why the old list stays; "": the list is what was read."""

    databases: tuple[FleetDatabase, ...]
    warnings: tuple[str, ...] = ()
    kept: str = ""


def read_inventory(
    home: Engine,
    settings: FleetSettings,
    folder: Path,
    *,
    channels: Sequence[str] = (),
    allow_empty: bool = False,
    allow_gone: bool = False,
) -> Inventory:
    """Read the list, and keep it in the home database. folder: of the settings file.  channels: of alerts.

    allow_empty, allow_gone: believe a list that is empty, or from which many are gone.
    SettingsError, a line for each fault, when the list cannot be right; then nothing has changed.
    DatabaseUnreachable, SchemaOutdated: of the home database.
    """
    listed = databases_of([*items(settings, folder, home)], settings, folder)
    with connection_errors_translated(home), own_tables_only(home) as connection:
        require_schema(connection)
        before, now = known_databases(connection), ask_now(connection)
        if allow_empty and not listed:
            mean_empty(connection, now)
        may_be_empty = allow_empty or (not before and is_meant_empty(connection))
        why = _why_not_believed(before, listed, may_be_empty, allow_gone)
        if why:
            list_kept(connection, why, channels, now)
            return _old(before, listed, why, settings, folder)
        remember(connection, before, [known(*one) for one in listed.values()], now)
        list_believed(connection, channels, now)
    return Inventory(tuple(database for _, (database, _) in sorted(listed.items())))


def known_inventory(home: Engine, settings: FleetSettings, folder: Path, why: str) -> Inventory:
    """What the home database knows, for when the list cannot be read. why: that is, for `kept`."""
    with read_only(home) as connection:
        require_schema(connection)
        return _old(known_databases(connection), {}, why, settings, folder)


def installation_of(connection: Connection, written: str) -> str:
    """Whose fleet this is: the setting `installation`, or, where that is "auto", the id of the home database.

    connection: to that. A copy of the home database has its id; where those are made, the setting tells them apart.
    """
    return identity(connection) if written == AUTO else written


def some_names(names: Sequence[str]) -> str:
    """The first of these names, for a message."""
    return ", ".join(names[:NAMES_TOLD]) + (", …" if len(names) > NAMES_TOLD else "")


def _why_not_believed(
    before: Mapping[str, KnownDatabase], listed: ListedDatabases, may_be_empty: bool, allow_gone: bool
) -> str:
    if not listed:
        if may_be_empty:
            return ""
        return f"the list is empty, and {_number(len(before))}; if it is meant so: sexton fleet list --allow-empty"
    gone = [one.name for one in before.values() if one.name not in listed and one.state is not DatabaseState.LEAVING]
    if allow_gone or len(gone) < 2 or len(gone) * GONE_SHARE < len(before):
        return ""
    return (
        f"{len(gone):,} of {len(before):,} databases are gone from the list at once ({some_names(gone)}); "
        "if it is meant so: sexton fleet list --allow-gone"
    )


def _number(known_before: int) -> str:
    return f"{known_before:,} databases were known" if known_before != 1 else "one database was known"


def _old(
    before: Mapping[str, KnownDatabase], listed: ListedDatabases, why: str, settings: FleetSettings, folder: Path
) -> Inventory:
    """The databases as they were known; what is kept of a command is not enough to run it."""
    found, warnings = list[FleetDatabase](), list[str]()
    for one in before.values():
        if one.secret is not None and one.secret.startswith("command:"):
            if one.name not in listed:
                warnings.append(f"{one.name}: the command that has its password is no longer in the list")
                continue
            secret = listed[one.name][0].secret
        else:
            secret = None if one.address.startswith("sqlite") else secret_of(one.secret, one.name, settings, folder)
        found.append(FleetDatabase(one.name, one.address, secret, one.server, one.labels, one.state))
    return Inventory(tuple(found), tuple(warnings), why)
