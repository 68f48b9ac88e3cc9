"""Bring Sexton's own tables to this package's revision. Idempotent; two at once are safe: one waits for the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ..errors import HeldElsewhere, SchemaOutdated, SchemaUntrusted
from .connect import connection_errors_translated
from .faults import Fault, classify
from .sessions import own_tables_only
from .tables import SCHEMA, own_name
from .untrusted_objects import require_own_objects, strangers_at_home

HEAD_REVISION = "1018"
"""The revision this package needs; the newest file in `migrations/versions`.

Its first digit is the format. Within one format migrations only add, so that during a deploy an older package works on
tables that a newer one has migrated (L13). A change that an older package could not bear begins the next format.
"""

MIGRATION_LOCK_SECONDS = "3s"
"""How long a migration waits for a table that others use; whoever comes after it waits as long (PostgreSQL)."""

MAX_TRIES = 10
PAUSE = 2.0
"""Seconds between two tries, for those who waited behind it."""

_LOCK = 0x5EC70A  # any number, the same in every version: one migration at a time in a PostgreSQL database

_alembic = threading.Lock()
"""Alembic keeps the connection of a migration in its module: a second thread would change the first one's database."""


@dataclass(frozen=True, slots=True)
class MigrationPatience:
    """lock: how long it waits for a table that others use; None: `MIGRATION_LOCK_SECONDS`.  tries: then it gives up.

    limits: settings of PostgreSQL for its transaction, which else waits without end for another migration.
    """

    lock: str | None = None
    tries: int = MAX_TRIES
    limits: Mapping[str, str] = field(default_factory=dict)


def migrate(engine: Engine, patience: MigrationPatience | None = None) -> bool:
    """Create or upgrade our tables; True when something changed.

    SchemaUntrusted, and nothing is made, where the schema is somebody else's, or others may create in it (SEC-15).
    DatabaseUnreachable if nothing answers; HeldElsewhere, and nothing is changed, while others keep our tables locked.
    """
    patience = patience or MigrationPatience()
    for tries in count(1):
        try:
            with _alembic:
                return _migrate(engine, patience)
        except DBAPIError as error:
            if classify(error) is not Fault.LOCKED:
                raise
            if tries == patience.tries:
                why = "a transaction holds them: a backup, a long query; run sexton migrate again"
                raise HeldElsewhere(f"Sexton's own tables are locked by others, nothing was changed; {why}") from error
        time.sleep(PAUSE)
    return False  # not reached: the last try returns or raises


def _migrate(engine: Engine, patience: MigrationPatience) -> bool:
    with connection_errors_translated(engine), own_tables_only(engine, patience.limits) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            _refuse_strangers(connection)
        before = revision(connection)
        if before == HEAD_REVISION:
            return False
        if before is not None and before > HEAD_REVISION:
            _refuse_newer(before)
            return False
        if engine.dialect.name == "postgresql":
            _make_schema(connection)
            _refuse_strangers(connection)  # default privileges may let others in
            connection.execute(text(f"SET LOCAL lock_timeout = '{patience.lock or MIGRATION_LOCK_SECONDS}'"))
        _upgrade(connection)
        return True


def _refuse_strangers(connection: Connection) -> None:
    for stranger in strangers_at_home(connection):
        raise SchemaUntrusted(f"nothing was made: {stranger}")


_RIGHTS = text(
    "SELECT quote_ident(current_user) AS role, quote_ident(current_database()) AS database, n.oid IS NOT NULL AS there,"
    " has_database_privilege(current_database(), 'CREATE') AS may_make,"
    " has_schema_privilege(n.oid, 'CREATE') AS may_add,"
    " (SELECT min(quote_ident(r.rolname)) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
    "  WHERE c.relnamespace = n.oid AND c.relkind = 'r' AND NOT pg_has_role(r.oid, 'USAGE')) AS owner"
    f" FROM (SELECT 1) one LEFT JOIN pg_namespace n ON n.nspname = '{SCHEMA}'"
)


def _make_schema(connection: Connection) -> None:
    """Where it is not there. SchemaOutdated when this role may not, or may not change what is there."""
    rights = connection.execute(_RIGHTS).one()
    if rights.owner is not None:
        raise SchemaOutdated(
            f"role {rights.role} may not change Sexton's own tables; migrate as {rights.owner}, their owner"
        )
    if not rights.there:
        if not rights.may_make:
            raise SchemaOutdated(
                f"role {rights.role} may not make schema {SCHEMA}; "
                f"GRANT CREATE ON DATABASE {rights.database} TO {rights.role}, or migrate as the owner of the database"
            )
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    elif not rights.may_add:
        raise SchemaOutdated(
            f"role {rights.role} may not make tables in schema {SCHEMA}; "
            f"GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO {rights.role}, or migrate as its owner"
        )


def _upgrade(connection: Connection) -> None:
    # Imported here: Alembic costs more start-up than everything else together, and only this command needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD_REVISION)


def revision(connection: Connection) -> str | None:
    """The revision the database is at; None when `sexton migrate` was never run here.

    SchemaUntrusted where the schema or a table in it is somebody else's: reading that may run their code.
    """
    if connection.dialect.name == "postgresql":
        require_own_objects(connection)
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
    """SchemaOutdated unless our tables are at this package's revision, SchemaUntrusted unless they are ours."""
    found = revision(connection)
    if found is None:
        raise SchemaOutdated("Sexton's own tables are not in this database; run: sexton migrate")
    if found < HEAD_REVISION:
        raise SchemaOutdated(
            f"Sexton's own tables are at revision {found}, older than this package's {HEAD_REVISION}; "
            "run: sexton migrate"
        )
    _refuse_newer(found)


def _refuse_newer(found: str) -> None:
    if found[0] > HEAD_REVISION[0]:
        raise SchemaOutdated(
            f"Sexton's own tables are at revision {found}, newer than this package's {HEAD_REVISION}; "
            "install a newer Sexton here"
        )
