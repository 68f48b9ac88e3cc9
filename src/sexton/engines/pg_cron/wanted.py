"""What the settings want inside PostgreSQL: the procedures, their lines, and which jobs are left to a worker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection

from ...app import App
from ...db.server_clock import ask_now
from ...errors import UsageError
from ...guard.arming import armed_by_earlier, unarmed
from ...jobs.duration import parse_duration
from ...jobs.job import IN_DATABASE, Job
from ...policies.contract import Plan
from ...runs.runner import ready
from ...slots.schedule_overrides import in_force, overrides
from ...slots.window_starts import NeededWindows
from .catch_up import catch_up_of
from .cron_database import CronLine
from .cron_lines import delay_of, fire_fields
from .line_names import HISTORY_NAME, catch_up_name, line_name
from .not_compilable import NotCompilable
from .options import PgCronOptions
from .procedure import Procedure, procedure_of, refuse
from .rollup_settings import windows_needed

CALL_MARGIN = timedelta(seconds=30)
"""By how much the server's limit on a call is longer than the longest run may take: our own end of it comes first."""

HISTORY_KEPT = "14 days"
"""For how long pg_cron's rows about our lines stay; it deletes none itself, and each takes 157 bytes (measured)."""

_HISTORY = (
    "DELETE FROM cron.job_run_details WHERE username = current_user AND command LIKE 'CALL sexton.%' "
    f"AND coalesce(end_time, start_time) < now() - interval '{HISTORY_KEPT}'"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to stand in one database, and the lines for it.

    jobs: those with a procedure, on the schedule that is in force.  left: jobs that a worker runs, with the reason.
    wrong: jobs that could not run anywhere as they are, with the reason.  adopted: policies of a job that an earlier
    version armed, which stay armed.  windows: that roll-ups go by and that have to be written down, by schedule and
    zone.
    """

    database: str
    jobs: list[Job] = field(default_factory=list)
    procedures: list[Procedure] = field(default_factory=list)
    lines: list[CronLine] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    windows: dict[str, NeededWindows] = field(default_factory=dict)
    adopted: dict[str, list[Plan]] = field(default_factory=dict)

    @property
    def call_limit(self) -> timedelta:
        """How long the server lets one call take: the longest timeout, and half a minute."""
        return max((job.time_limit for job in self.jobs), default=timedelta()) + CALL_MARGIN

    def line_of(self, job: Job) -> CronLine | None:
        """The job's line; None for one that is due by itself never."""
        name = line_name(job.name, self.database)
        return next((line for line in self.lines if line.name == name), None)


def require_postgresql(app: App) -> None:
    """UsageError where the database is another."""
    if app.dialect != "postgresql":
        raise UsageError('engine "pg_cron" needs PostgreSQL, and the database is SQLite; take engine = "worker"')


def chosen_jobs(app: App) -> list[Job]:
    """The jobs that the settings give to PostgreSQL. UsageError where there is none, or the database is another."""
    require_postgresql(app)
    chosen = [job for job in app.registry if job.engine == IN_DATABASE]
    if not chosen:
        raise UsageError(
            'no job is to run inside PostgreSQL; set engine = "pg_cron", or engine in [job."NAME"] for single ones'
        )
    return chosen


def wanted(app: App, options: PgCronOptions, only: str | None = None) -> Wanted:
    """Compile the jobs for the database at hand. See `chosen_jobs`; DatabaseUnreachable, SchemaOutdated.

    only: of this job, without what all of them share; None, the default: of all.
    """
    jobs = [job for job in chosen_jobs(app) if only in (None, job.name)]
    found = Wanted(database_name(app))
    with app.database.begin() as connection:
        known, now = overrides(connection, jobs), ask_now(connection)
        for job in jobs:
            _compile(app, connection, in_force(job, known.get(job.name)), found, now)
    if found.procedures and only is None:
        found.procedures.append(catch_up_of(found.procedures))
    if options.called_by == "cron":
        found.lines.extend(_lines(found, options, now))
    return found


def database_name(app: App) -> str:
    """Of the jobs' database, as pg_cron connects to it."""
    return app.database.url.database or app.database.url.username or ""


def _compile(app: App, connection: Connection, job: Job, found: Wanted, now: datetime) -> None:
    try:
        plans = ready(app.database, job, writing=False)
        refuse(job, plans)
        procedure = procedure_of(connection, job, plans, app.limits(), settings_definition=app.definition)
        windows = windows_needed(connection, job, plans, now)
    except NotCompilable as error:
        found.left[job.name] = str(error).removeprefix(job.name).lstrip(":, ")
    except UsageError as error:
        found.wrong[job.name] = str(error).removeprefix(job.name).lstrip(":, ")
    else:
        found.jobs.append(job)
        found.procedures.append(procedure)
        for definition, needed in windows.items():
            found.windows[definition] = needed.joined(found.windows.get(definition))
        earlier = armed_by_earlier(connection, job.name, plans)
        if earlier and unarmed(connection, job.name, plans) is None:
            found.adopted[job.name] = earlier


def _lines(found: Wanted, options: PgCronOptions, now: datetime) -> Iterator[CronLine]:
    """Of each job that is due by itself, of all of them once an hour, and of pg_cron's own rows once a day."""
    spread = parse_duration(options.spread)
    for job, procedure in zip(found.jobs, found.procedures, strict=False):
        if job.schedule is not None and job.enabled:
            delay = delay_of(job.schedule, job.misfire, found.database, spread, now)
            fields = fire_fields(job.schedule, now, delay)
            yield CronLine(line_name(job.name, found.database), fields, procedure.call, found.database)
    for shared in found.procedures[len(found.jobs) :]:
        minute = _minute(found.database)
        yield CronLine(catch_up_name(found.database), f"{minute} * * * *", shared.call, found.database)


def history_line(role: str, database: str) -> CronLine:
    """The line that deletes pg_cron's rows about lines of this role. database: the one that has pg_cron."""
    return CronLine(HISTORY_NAME, f"{_minute(role)} 4 * * *", _HISTORY, database)


def _minute(name: str) -> int:
    """One of the 60, so that not all begin at once."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big") % 60
