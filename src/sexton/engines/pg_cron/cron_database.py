"""The one database of a server that has pg_cron: what is scheduled there for our role, and changes to it.

By the extension's functions only, as the role of the jobs, and never with a user name: then its rows are its own, and
it needs no right that a superuser has to give again after an update (PGC-1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.exc import DBAPIError

from ...app import App
from ...db.connect import connection_errors_translated, open_database
from ...db.faults import Fault, classify, describe
from ...db.sessions import own_tables_only
from ...errors import SettingsError, UsageError
from .line_names import LINE_PREFIX
from .options import PgCronOptions

CRON_LIMITS = {"lock_timeout": "5s", "statement_timeout": "30s"}
"""Of a transaction that reads or changes lines."""

USUAL_NAME = "postgres"
"""Default of `cron.database_name`."""

_FUNCTIONS = ("schedule_in_database", "unschedule")
"""All that is used of the extension; the second also by name only."""


@dataclass(frozen=True, slots=True)
class CronLine:
    """One line. fields: five, in UTC.  database: that it connects to."""

    name: str
    fields: str
    command: str
    database: str


@dataclass(frozen=True, slots=True)
class InstalledLine:
    """One that is there. last_status, last_message, last_at: of its last start, of which pg_cron keeps a row."""

    number: int
    line: CronLine
    active: bool
    last_status: str | None = None
    last_message: str | None = None
    last_at: datetime | None = None


class CronUnusable(UsageError):
    """pg_cron is not there, or not for this role; the message says what would help."""


@contextmanager
def cron_connection(app: App, options: PgCronOptions) -> Iterator[Connection]:
    """A transaction in the database that has pg_cron. CronUnusable; DatabaseUnreachable; SettingsError for its URL."""
    engine = _open(app, options)
    try:
        with connection_errors_translated(engine), own_tables_only(engine, CRON_LIMITS) as connection:
            _require(connection, app)
            yield connection
    except DBAPIError as error:
        if classify(error) not in (Fault.DENIED, Fault.LOCKED, Fault.CANCELLED, Fault.SCHEMA):
            raise
        raise CronUnusable(f"pg_cron: {describe(error)}") from error
    finally:
        engine.dispose()


def _open(app: App, options: PgCronOptions) -> Engine:
    if not options.database:
        return open_database(make_url(app.database.url).set(database=_configured_name(app) or USUAL_NAME))
    try:
        return open_database(options.database)
    except SettingsError as error:
        raise SettingsError(f"{app.place(('engines', 'pg_cron', 'database'))}: {error}") from None


def _configured_name(app: App) -> str | None:
    """`cron.database_name`; None where the server has no pg_cron, or this role may not ask."""
    # Without the right to it: no row, and no error.
    asked = text("SELECT setting FROM pg_settings WHERE name = 'cron.database_name'")
    with connection_errors_translated(app.database), own_tables_only(app.database, CRON_LIMITS) as connection:
        found: str | None = connection.execute(asked).scalar()
    return found


_STATE = text(
    "SELECT current_database() AS database, quote_ident(current_user) AS role, r.rolsuper AS super,"
    " (SELECT extversion FROM pg_extension WHERE extname = 'pg_cron') AS version,"
    " (SELECT setting FROM pg_settings WHERE name = 'cron.database_name') AS configured,"
    " pg_postmaster_start_time() AS server FROM pg_roles r WHERE r.rolname = current_user"
)


def _require(connection: Connection, app: App) -> None:
    """CronUnusable unless pg_cron is here, on the server of the jobs, for the same role, which is no superuser."""
    here = connection.execute(_STATE).one()
    with connection_errors_translated(app.database), own_tables_only(app.database, CRON_LIMITS) as other:
        there = other.execute(_STATE).one()
    if here.super:
        raise CronUnusable(superuser_refused(here.role))
    if here.server != there.server:
        raise CronUnusable(
            f"{here.database} is a database of another server than {there.database}; name one of its own"
        )
    if here.role != there.role:
        raise CronUnusable(
            f"role {here.role} would schedule in {here.database}, and {there.role} owns the jobs in {there.database}; "
            "pg_cron runs a line as the role that made it: use one role for both"
        )
    if here.version is None:
        raise CronUnusable(_not_there(here.database, here.configured))
    _require_rights(connection, here.role, here.version)


def superuser_refused(role: str) -> str:
    """Why nothing is installed for a superuser; one line."""
    return (
        f"role {role} is a superuser: triggers and functions of tables would run with all its rights; "
        "connect as the role of the jobs, see `sexton doctor --grants`"
    )


def _not_there(database: str, configured: str | None) -> str:
    if configured and configured != database:
        return (
            f"database {database} has no pg_cron, and can have none: it belongs into {configured} "
            "(cron.database_name); name that one in [engines.pg_cron] database"
        )
    return (
        f"database {database} has no extension pg_cron; as a superuser there: CREATE EXTENSION pg_cron, which needs "
        "shared_preload_libraries = 'pg_cron' and cron.database_name; or set [engines.pg_cron] called_by = \"worker\""
    )


_RIGHTS = text(
    "SELECT p.proname AS name, format('cron.%s(%s)', p.proname, oidvectortypes(p.proargtypes)) AS called,"
    " has_function_privilege(p.oid, 'EXECUTE') AS allowed"
    " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE n.nspname = 'cron' AND p.proname = ANY (:names) AND oidvectortypes(p.proargtypes) <> 'bigint'"
)


def _require_rights(connection: Connection, role: str, version: str) -> None:
    """CronUnusable with the GRANTs that are missing."""
    missing = []
    if not connection.execute(text("SELECT has_schema_privilege('cron', 'USAGE')")).scalar():
        missing.append(f"GRANT USAGE ON SCHEMA cron TO {role};")
    rows = connection.execute(_RIGHTS, {"names": list(_FUNCTIONS)}).all()
    missing += [f"GRANT EXECUTE ON FUNCTION {row.called} TO {role};" for row in rows if not row.allowed]
    if len({row.name for row in rows}) < len(_FUNCTIONS):
        raise CronUnusable(f"pg_cron {version} is here, and 1.4 or newer is needed: it has schedule_in_database")
    if missing:
        database = connection.engine.url.database
        raise CronUnusable(f"role {role} may not schedule; as a superuser, in database {database}: {' '.join(missing)}")


_LINES = text(
    "SELECT j.jobid, j.jobname, j.schedule, j.command, j.database, j.active, d.status, d.return_message, d.start_time"
    " FROM cron.job j LEFT JOIN LATERAL (SELECT status, return_message, coalesce(start_time, end_time) AS start_time"
    "  FROM cron.job_run_details d WHERE d.jobid = j.jobid ORDER BY d.runid DESC LIMIT 1) d ON true"
    " WHERE j.username = current_user AND (j.jobname LIKE :prefix OR j.command LIKE 'CALL sexton.%') ORDER BY j.jobid"
)


def lines(connection: Connection) -> list[InstalledLine]:
    """Lines of our role that are named like ours, or call our procedures, of whatever database."""
    found = connection.execute(_LINES, {"prefix": f"{LINE_PREFIX}%"}).all()
    return [
        InstalledLine(
            row.jobid,
            CronLine(row.jobname or "", row.schedule, row.command, row.database),
            row.active,
            row.status,
            row.return_message,
            row.start_time,
        )
        for row in found
    ]


def put(connection: Connection, wanted: CronLine, there: Mapping[str, InstalledLine]) -> bool:
    """Schedule it, unless it is there just so and active; whether anything was done.

    One that is disabled, or of another database, is removed first: 1.4 keeps both as they were, without a word.
    """
    before = there.get(wanted.name)
    if before is not None and before.line == wanted and before.active:
        return False
    if before is not None and (before.line.database != wanted.database or not before.active):
        remove(connection, before)
    made = text("SELECT cron.schedule_in_database(:name, :fields, :command, :database, active => true)")
    values = {"name": wanted.name, "fields": wanted.fields, "command": wanted.command, "database": wanted.database}
    connection.execute(made, values)
    return True


def remove(connection: Connection, line: InstalledLine) -> None:
    """Take it out; what pg_cron has noted about its starts stays."""
    if line.line.name:
        connection.execute(text("SELECT cron.unschedule(CAST(:name AS name))"), {"name": line.line.name})
    else:
        connection.execute(text("SELECT cron.unschedule(CAST(:number AS bigint))"), {"number": line.number})
