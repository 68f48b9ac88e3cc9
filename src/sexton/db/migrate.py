"""Bring Sexton's own tables to this package's revision. Idempotent; two at once are safe: one waits for the other."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, text

from ..errors import SchemaOutdated
from .connect import reaching
from .tables import SCHEMA, own_name

HEAD = "0012"
"""The revision this package needs; the newest file in `migrations/versions`.

Its first digit is the format. Within one format migrations only add, so that during a deploy an older package works on
tables that a newer one has migrated (L13). A change that an older package could not bear begins the next format.
"""

_LOCK = 0x5EC70A  # any number, the same in every version: one migration at a time in a PostgreSQL database


def migrate(engine: Engine) -> bool:
    """Create or upgrade our tables; True when something changed. DatabaseUnreachable if nothing answers."""
    with reaching(engine), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        before = revision(connection)
        if before == HEAD:
            return False
        if before is not None and before > HEAD:
            _refuse_newer(before)
            return False
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        _upgrade(connection)
        return True


def _upgrade(connection: Connection) -> None:
    # Imported here: Alembic costs more start-up than everything else together, and only this command needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)


def revision(connection: Connection) -> str | None:
    """The revision the database is at; None when `sexton migrate` was never run here."""
    name, schema = own_name(connection.dialect.name, "schema_version")
    if connection.dialect.name == "postgresql":
        exists = text("SELECT to_regclass(:name) IS NOT NULL")
        there = connection.execute(exists, {"name": f"{schema}.{name}"}).scalar()
    else:
        exists = text("SELECT count(*) FROM sqlite_master WHERE name = :name")
        there = connection.execute(exists, {"name": name}).scalar()
    if not there:
        return None
    qualified = f"{schema}.{name}" if schema else name
    found: str | None = connection.execute(text(f"SELECT version_num FROM {qualified}")).scalar()
    return found


def require_schema(connection: Connection) -> None:
    """SchemaOutdated unless our tables are at this package's revision."""
    found = revision(connection)
    if found is None:
        raise SchemaOutdated("Sexton's own tables are not in this database; run: sexton migrate")
    if found < HEAD:
        raise SchemaOutdated(
            f"Sexton's own tables are at revision {found}, older than this package's {HEAD}; run: sexton migrate"
        )
    _refuse_newer(found)


def _refuse_newer(found: str) -> None:
    if found[0] > HEAD[0]:
        raise SchemaOutdated(
            f"Sexton's own tables are at revision {found}, newer than this package's {HEAD}; "
            "install a newer Sexton here"
        )
