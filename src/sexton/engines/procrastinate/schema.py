"""The schema of Procrastinate's tables, when it is Sexton's own: made, and brought to the version that is installed.

Procrastinate keeps no record of what was applied; its own `schema --apply` takes an empty database only. So each of its
SQL files is noted beside its tables, in `sexton_applied`, in the transaction that applies it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ...db.connect import connection_errors_translated
from ...db.faults import Fault, classify
from ...db.migrate import MIGRATION_LOCK_SECONDS
from ...db.sessions import own_tables_only
from ...errors import HeldElsewhere, SchemaOutdated, SchemaUntrusted, SettingsError
from .messages import strangers

_LOCK = 0x5EC70B  # any number, the same in every version: one at a time in a database

MISSING_LIBRARY = "engines.procrastinate: its library is not installed; run: pip install 'sexton[procrastinate]'"


def bring_up_to_date(engine: Engine, schema: str) -> list[str]:
    """Make the schema, or apply the files that are new since; their names, in order. Two at once are safe.

    A new schema is made as a whole, and all files count as applied. Each later file is one transaction, so that whoever
    waits for its locks waits for one file only.
    SettingsError where the library is missing, or where the tables were made by somebody else; SchemaOutdated where
    this role may not make the schema; SchemaUntrusted where others may create in it, and nothing is done.
    HeldElsewhere while others keep a table locked: what was applied stays, the rest is for the next time.
    """
    known = _files()
    with _applying(engine, schema) as connection:
        made = _make(connection, schema, known)
    if made:
        return made
    done = []
    for name, file in known.items():
        with _applying(engine, schema) as connection:
            if name not in _applied(connection, schema):
                _execute(connection, file.read_text(encoding="utf-8"))
                _note(connection, schema, [name])
                done.append(name)
    return done


def unapplied(connection: Connection, schema: str) -> list[str]:
    """Files of the installed library that were not applied; none where the library, or our record, is not here."""
    try:
        known = _files()
    except SettingsError:
        return []
    if not _is_there(connection, schema, "sexton_applied"):
        return []
    return [name for name in known if name not in _applied(connection, schema)]


def _library() -> Traversable:
    try:
        return files("procrastinate.sql")
    except ModuleNotFoundError:
        raise SettingsError(MISSING_LIBRARY) from None


def _files() -> dict[str, Traversable]:
    """Those that change an earlier schema, before and after an update of workers, in order of version and number."""
    found = {file.name: file for file in (_library() / "migrations").iterdir() if file.name.endswith(".sql")}
    return dict(sorted(found.items()))


@contextmanager
def _applying(engine: Engine, schema: str) -> Iterator[Connection]:
    try:
        with connection_errors_translated(engine), own_tables_only(engine) as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            _refuse_strangers(connection, schema)
            connection.execute(text(f"SET LOCAL lock_timeout = '{MIGRATION_LOCK_SECONDS}'"))
            connection.execute(text(f'SET LOCAL search_path = "{schema}", pg_temp'))
            yield connection
    except DBAPIError as error:
        if classify(error) is not Fault.LOCKED:
            raise
        why = "others hold its tables locked; run sexton engines migrate again"
        raise HeldElsewhere(f"procrastinate: {why}") from error


def _refuse_strangers(connection: Connection, schema: str) -> None:
    if why := strangers(connection, schema):
        raise SchemaUntrusted(f"procrastinate: nothing was made: {why}")


def _make(connection: Connection, schema: str, known: dict[str, Traversable]) -> list[str]:
    """The names of all files when there was nothing."""
    if _is_there(connection, schema, "procrastinate_jobs"):
        if not _is_there(connection, schema, "sexton_applied"):
            raise SettingsError(
                f"engines.procrastinate: schema {schema} holds tables of Procrastinate that Sexton did not make; name "
                "another schema, or set app to the product's own, which migrates them"
            )
        return []
    _make_schema(connection, schema)
    _execute(connection, (_library() / "schema.sql").read_text(encoding="utf-8"))
    connection.execute(
        text(
            f'CREATE TABLE "{schema}".sexton_applied (name text PRIMARY KEY, applied_at timestamptz NOT NULL'
            " DEFAULT now())"
        )
    )
    _note(connection, schema, list(known))
    return list(known)


def _make_schema(connection: Connection, schema: str) -> None:
    may = text(
        "SELECT to_regnamespace(:name) IS NOT NULL AS there, quote_ident(current_user) AS role,"
        " quote_ident(current_database()) AS database, has_database_privilege(current_database(), 'CREATE') AS may"
    )
    found = connection.execute(may, {"name": f'"{schema}"'}).one()
    if found.there:
        return
    if not found.may:
        raise SchemaOutdated(
            f"role {found.role} may not make schema {schema}; GRANT CREATE ON DATABASE {found.database} TO {found.role}"
        )
    connection.execute(text(f'CREATE SCHEMA "{schema}"'))
    _refuse_strangers(connection, schema)  # default privileges may let others in


def _is_there(connection: Connection, schema: str, table: str) -> bool:
    asked = text("SELECT to_regclass(:name) IS NOT NULL")
    return bool(connection.execute(asked, {"name": f'"{schema}".{table}'}).scalar())


def _applied(connection: Connection, schema: str) -> set[str]:
    return set(connection.execute(text(f'SELECT name FROM "{schema}".sexton_applied')).scalars())


def _note(connection: Connection, schema: str, names: list[str]) -> None:
    noted = text(f'INSERT INTO "{schema}".sexton_applied (name) SELECT unnest(CAST(:names AS text[]))')
    connection.execute(noted, {"names": names})


def _execute(connection: Connection, sql: str) -> None:
    """Several statements at once, as they are: without parameters the driver reads no % in them."""
    driver: Any = connection.connection.driver_connection
    driver.execute(sql)
