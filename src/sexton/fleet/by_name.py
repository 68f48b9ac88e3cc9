"""One database of the fleet by its name, for commands that work in one: `sexton arm JOB --database anna`."""

from __future__ import annotations

from pathlib import Path

from ..config import Settings
from ..db.connect import open_database
from ..errors import UnknownName
from .reading import databases_of
from .sources import items


def address_of(settings: Settings, folder: Path, name: str) -> str:
    """Its URL with the password: to be connected to, and never logged or shown. folder: of the settings file.

    UnknownName where the list has none of that name; SettingsError, DatabaseUnreachable where it cannot be read.
    """
    home = open_database(settings.database, create=False)
    try:
        listed = databases_of([*items(settings.fleet, folder, home)], settings.fleet, folder)
    finally:
        home.dispose()
    if name not in listed:
        raise UnknownName("database", name, listed)
    database, _ = listed[name]
    return database.url()
