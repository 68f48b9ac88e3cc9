"""One database of the list, from what its source tells of it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..config.fleet_entries import FleetEntry, entries
from ..config.fleet_settings import FleetSettings
from ..config.secret_references import SecretKind, SecretReference, secret_reference
from ..db.address import PORT
from ..errors import SettingsError
from .database import DatabaseState, FleetDatabase

_PATHS = (SecretKind.FILE, SecretKind.PASSWORD_FILE)


def databases_of(
    items: list[tuple[str, object]], settings: FleetSettings, folder: Path
) -> dict[str, tuple[FleetDatabase, str | None]]:
    """By name, each with the reference to its password as it was given for it alone; None: by `[fleet] secret`.

    folder: of the settings file, for names of files. SettingsError, a line for each that cannot be right.
    """
    found: dict[str, tuple[FleetDatabase, str | None]] = {}
    for place, entry in entries(items):
        target = _target(place, entry)
        if settings.source() == "query" and (entry.secret or "").startswith(SecretKind.COMMAND):
            raise SettingsError(f"{place}.secret: a query names no program to run; [fleet] secret may name one for all")
        database = FleetDatabase(
            entry.name,
            target.render_as_string(hide_password=False),
            None if target.get_backend_name() == "sqlite" else secret_of(entry.secret, entry.name, settings, folder),
            entry.server or _server(target),
            dict(entry.labels),
            DatabaseState(entry.state),
        )
        found[entry.name] = database, entry.secret
    return found


def secret_of(own: str | None, name: str, settings: FleetSettings, folder: Path) -> SecretReference | None:
    """Its own reference, or that for all with its name put in; names of files from the folder of the settings."""
    if own is None and settings.secret is None:
        return None
    reference = secret_reference(own or str(settings.secret))
    target = reference.target if own else tuple(word.replace("{name}", name) for word in reference.target)
    if reference.kind in _PATHS:
        target = tuple(str((folder / path).absolute()) for path in target)
    return SecretReference(reference.kind, target)


def _target(place: str, entry: FleetEntry) -> URL:
    if entry.url is None:
        return URL.create(
            "postgresql+psycopg", username=entry.user, host=entry.host, port=entry.port, database=entry.database
        )
    try:
        target = make_url(entry.url)
    except (ArgumentError, ValueError):
        target = None
    if target is None or "@" in (target.host or ""):
        raise SettingsError(f"{place}.url: not a URL; write for instance postgresql://jobs@db1/{entry.name}")
    return target


def _server(target: URL) -> str:
    if target.get_backend_name() == "sqlite":
        return "sqlite"
    host = target.query.get("host") or target.host or "localhost"
    hosts = host if isinstance(host, str) else ",".join(host)
    return hosts if ":" in hosts else f"{hosts}:{target.query.get('port') or target.port or PORT}"
