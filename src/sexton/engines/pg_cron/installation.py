"""Install and remove: one transaction in the database of the jobs, then pg_cron's lines. Either may be done again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ...app import App
from ...db.connect import connection_errors_translated
from ...db.faults import Fault, classify, describe
from ...db.identifiers import quoted
from ...db.migrate import require_schema
from ...db.render import for_driver
from ...db.server_clock import ask_now
from ...db.sessions import own_tables_only
from ...errors import UsageError
from ...guard.arming import adopt
from ...jobs.job import Job
from ...slots.schedule_overrides import observe, overrides
from ...slots.upcoming_slots import fill, forget
from ...slots.window_starts import keep_windows, write_windows
from .cron_database import CRON_LIMITS, InstalledLine, cron_connection, lines, put, remove, superuser_refused
from .installed import InstalledProcedure, call_limit, drift_of, only_reads, procedures
from .line_names import HISTORY_NAME
from .options import PgCronOptions
from .wanted import Wanted, chosen_jobs, database_name, history_line, require_postgresql, wanted

_ALONE = 0x5EC70B  # any number: one installation at a time in a database


@dataclass(slots=True)
class Installation:
    """What was done. procedures, lines: names of those made or changed.

    slots: rows of `slots` and `windows` written or deleted.
    removed: names of procedures and lines that are gone.  limit: `statement_timeout` that was set; "": as it was.
    """

    procedures: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    slots: int = 0
    limit: str = ""

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return bool(self.procedures or self.lines or self.removed or self.slots or self.limit)


def install(app: App, options: PgCronOptions, *, role_timeout: bool = True) -> tuple[Wanted, Installation]:
    """Make procedures, slots and lines as the settings want them, and remove what they do not want any more.

    role_timeout: set `statement_timeout` of our role in this database to the longest timeout and 30 s.
    UsageError, and nothing is done, where this role may not, or pg_cron is not there; see also `wanted`.
    """
    chosen_jobs(app)
    require_role(app)
    if options.called_by == "cron":
        with cron_connection(app, options):  # refuses, before anything is made
            pass
    found, done = wanted(app, options), Installation()
    with installing(app) as connection:
        _make(connection, found, done, role_timeout=role_timeout)
    if options.called_by == "cron":
        _schedule(app, options, found, done)
    with installing(app) as connection:
        names = {procedure.name for procedure in found.procedures}
        old = [one for name, one in procedures(connection).items() if name not in names]
        _drop(connection, old, done)
        done.slots += keep_windows(connection, found.windows)
    return found, done


def uninstall(app: App, options: PgCronOptions) -> Installation:
    """Take lines out, then procedures, whatever the settings say by now; rows of runs stay. UsageError as `install`."""
    require_postgresql(app)
    require_role(app)
    done = Installation()
    if options.called_by == "cron":
        with cron_connection(app, options) as cron:
            there = lines(cron)
            for line in of_database(there, database_name(app)):
                _take_out(cron, line, done)
            rest = [line for line in there if line.line.name not in done.removed]
            if all(line.line.name == HISTORY_NAME for line in rest):
                for line in rest:
                    _take_out(cron, line, done)
    with installing(app) as connection:
        old = procedures(connection)
        names = {one.job for one in old.values()}
        _drop(connection, [*old.values()], done)
        done.slots += keep_windows(connection, ())
        longest = Wanted(database_name(app), [job for job in app.registry if job.name in names]).call_limit
        if call_limit(connection) == f"{int(longest.total_seconds())}s":
            execute(connection, f"ALTER ROLE CURRENT_USER IN DATABASE {_here(connection)} RESET statement_timeout")
    return done


def of_database(there: list[InstalledLine], database: str) -> Iterator[InstalledLine]:
    """Lines that connect to this database, or are named as if they did."""
    for line in there:
        if line.line.name != HISTORY_NAME and (
            line.line.database == database or line.line.name.partition("@")[2] == database  # no job has an @
        ):
            yield line


def _make(connection: Connection, found: Wanted, done: Installation, *, role_timeout: bool) -> None:
    there = procedures(connection)
    _show_runs(connection)
    for procedure in found.procedures:
        if drift_of(procedure, there):
            execute(connection, procedure.create)
            done.procedures.append(procedure.name)
    for name, plans in found.adopted.items():
        adopt(connection, name, plans)  # as a run by Python does
    done.slots += fill_slots(connection, found.jobs)
    done.slots += write_windows(connection, found.windows, ask_now(connection))
    limit = f"{int(found.call_limit.total_seconds())}s"
    if role_timeout and found.jobs and call_limit(connection) != limit:
        here = _here(connection)
        execute(connection, f"ALTER ROLE CURRENT_USER IN DATABASE {here} SET statement_timeout = '{limit}'")
        done.limit = limit


def fill_slots(connection: Connection, jobs: Iterable[Job]) -> int:
    """Note the schedules of these jobs as seen, and write their slots ahead; how many rows were changed."""
    due, now = [job for job in jobs if job.schedule is not None and job.enabled], ask_now(connection)
    observe(connection, due, overrides(connection, due), now)
    return sum(fill(connection, job, now) for job in due)


def _schedule(app: App, options: PgCronOptions, found: Wanted, done: Installation) -> None:
    with cron_connection(app, options) as cron:
        there = lines(cron)
        by_name = {line.line.name: line for line in there}
        role, here = cron.execute(text("SELECT current_user, current_database()")).one()
        for line in [*found.lines, history_line(role, here)]:
            if put(cron, line, by_name):
                done.lines.append(line.name)
        kept = {line.name for line in found.lines}
        for old in of_database(there, found.database):
            if old.line.name not in kept:
                _take_out(cron, old, done)


def _take_out(cron: Connection, line: InstalledLine, done: Installation) -> None:
    remove(cron, line)
    done.removed.append(line.line.name)


def _show_runs(connection: Connection) -> None:
    """PGC-2: under the name of the ticket, where a schema `app` is there and nothing in it is called so."""
    wanted = text(
        "SELECT to_regclass('app.job_runs') IS NULL AND has_schema_privilege(oid, 'CREATE')"
        " FROM pg_namespace WHERE nspname = 'app'"
    )
    if connection.execute(wanted).scalar():
        connection.execute(text("CREATE VIEW app.job_runs AS SELECT * FROM sexton.job_runs"))


def _drop(connection: Connection, old: list[InstalledProcedure], done: Installation) -> None:
    for one in old:
        execute(connection, f"DROP PROCEDURE IF EXISTS sexton.{quoted(connection.dialect, one.name)}(timestamptz)")
        done.removed.append(one.name)
    if old:
        done.slots += forget(connection, [one.job for one in old])


def execute(connection: Connection, statements: str) -> None:
    """Text of SQL as it is, whatever percent signs it holds."""
    connection.exec_driver_sql(for_driver(statements, connection.dialect))


def _here(connection: Connection) -> str:
    return quoted(connection.dialect, str(connection.execute(text("SELECT current_database()")).scalar_one()))


@contextmanager
def installing(app: App) -> Iterator[Connection]:
    """One in the database of the jobs, alone; what is refused there is one clear line."""
    try:
        with connection_errors_translated(app.database), own_tables_only(app.database, CRON_LIMITS) as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ALONE})
            require_schema(connection)
            yield connection
    except DBAPIError as error:
        if classify(error) not in (Fault.DENIED, Fault.LOCKED, Fault.CANCELLED):
            raise
        raise UsageError(f"nothing was installed in {database_name(app)}: {describe(error)}") from error


def require_role(app: App) -> None:
    """UsageError for a superuser, and for one whose sessions only read here: pg_cron's would, too."""
    asked = text("SELECT quote_ident(rolname) AS role, rolsuper FROM pg_roles WHERE rolname = current_user")
    with connection_errors_translated(app.database), own_tables_only(app.database, CRON_LIMITS) as connection:
        require_schema(connection)
        here = connection.execute(asked).one()
        reads = only_reads(connection)
    if here.rolsuper:
        raise UsageError(superuser_refused(here.role))
    if reads:
        raise UsageError(
            f"sessions of role {here.role} only read in {database_name(app)}, so no job could run there: "
            "default_transaction_read_only is on, for the role, the database or the server"
        )
