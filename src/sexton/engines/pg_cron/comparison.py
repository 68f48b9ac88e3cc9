"""What stands in a database and in pg_cron, beside what the settings want there: `sexton pg-cron status` and `diff`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import unified_diff

from sqlalchemy import text

from ...app import App
from ...db.connect import read_only
from ...db.migrate import require_schema
from ...db.server_clock import ask_now
from ...jobs.duration import parse_duration
from ...jobs.job import Job
from ...slots.due import newest_attempts
from ...slots.upcoming_slots import LOW, as_interval, astray, written_until
from ...slots.window_starts import windows_astray
from .catch_up import CATCH_UP
from .cron_database import CronLine, InstalledLine, cron_connection, lines
from .installation import of_database
from .installed import InstalledProcedure, call_limit, drift_of, only_reads, procedures
from .line_names import HISTORY_NAME
from .options import PgCronOptions
from .wanted import Wanted, history_line, wanted

ALL_JOBS = "all jobs"
"""What stands in the place of a job's name for what all of them share."""


@dataclass(frozen=True, slots=True)
class InstalledJob:
    """One job inside PostgreSQL. fields: of its line, in UTC; "": it has none.  slots_until: None: it needs none.

    last_start, last_status, last_message: of its line, by pg_cron.  last_run, last_state: by history, whoever ran it.
    drift: what differs from the settings, a sentence each.
    """

    job: str
    fields: str
    slots_until: datetime | None
    last_start: datetime | None = None
    last_status: str | None = None
    last_message: str | None = None
    last_run: datetime | None = None
    last_state: str | None = None
    drift: tuple[str, ...] = ()


@dataclass(slots=True)
class Comparison:
    """All of one database. left: jobs that a worker runs, with the reason.  wrong: those that nobody could run."""

    database: str
    jobs: list[InstalledJob] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.wrong and not any(job.drift for job in self.jobs)


@dataclass(frozen=True, slots=True)
class _There:
    """What was found."""

    procedures: Mapping[str, InstalledProcedure]
    lines: Sequence[InstalledLine]
    until: Mapping[str, datetime]
    astray: Mapping[str, int]
    windows: Sequence[str]
    now: datetime
    limit: str | None
    only_reads: bool


def compare(app: App, options: PgCronOptions) -> Comparison:
    """Look at both, and change nothing. UsageError as for `installation.install`; DatabaseUnreachable."""
    want = wanted(app, options)
    found = Comparison(want.database, left=want.left, wrong=want.wrong)
    there, shared = _look(app, options, want)
    with read_only(app.database) as connection:
        newest = newest_attempts(connection, [job.name for job in want.jobs], there.now)
    for job, procedure in zip(want.jobs, want.procedures, strict=False):
        line = want.line_of(job)
        installed = _line_for(line, there.lines)
        run = newest.get(job.name)
        found.jobs.append(
            InstalledJob(
                job.name,
                installed.line.fields if installed else "",
                there.until.get(job.name),
                *((installed.last_at, installed.last_status, installed.last_message) if installed else (None,) * 3),
                None if run is None else run.finished_at,
                None if run is None else run.state,
                (*drift_of(procedure, there.procedures), *_line_drift(line, installed), *_slot_drift(job, there)),
            )
        )
    found.jobs += _others(want, there, shared)
    return found


def _look(app: App, options: PgCronOptions, want: Wanted) -> tuple[_There, list[CronLine]]:
    """What is there, and the lines that do not belong to one job."""
    there: list[InstalledLine] = []
    shared = [line for line in want.lines if CATCH_UP in line.name]
    if options.called_by == "cron":
        with cron_connection(app, options) as cron:
            there = lines(cron)
            role, here = cron.execute(text("SELECT current_user, current_database()")).one()
        shared.append(history_line(role, here))
    with read_only(app.database) as connection:
        require_schema(connection)
        until = written_until(connection, [job.name for job in want.jobs])
        now = ask_now(connection)
        wrong = {job.name: astray(connection, job, now) for job in want.jobs if job.name in until}
        windows = [*windows_astray(connection, want.windows, now)]
        limit, reads = call_limit(connection), only_reads(connection)
        return _There(procedures(connection), there, until, wrong, windows, now, limit, reads), shared


def _line_for(line: CronLine | None, there: Sequence[InstalledLine]) -> InstalledLine | None:
    """The one of that name, or one that does the same under another."""
    if line is None:
        return None
    named = (one for one in there if one.line.name == line.name)
    same = (one for one in there if (one.line.command, one.line.database) == (line.command, line.database))
    return next(named, None) or next(same, None)


def _line_drift(line: CronLine | None, found: InstalledLine | None) -> Iterator[str]:
    if line is None:
        return
    if found is None:
        yield "pg_cron has no line for it"
        return
    if found.line.name != line.name:
        yield f"its line is named {found.line.name or '(nothing)'}, and should be {line.name}"
    if found.line.database != line.database:
        yield f"its line is of database {found.line.database}, and should be of {line.database}"
    if found.line.fields != line.fields:
        yield f"its line is {found.line.fields}, and should be {line.fields}"
    if found.line.command != line.command:
        yield f"its line does {found.line.command}, and should do {line.command}"
    if not found.active:
        yield "its line is disabled"


def _slot_drift(job: Job, there: _There) -> Iterator[str]:
    if job.schedule is None or not job.enabled or as_interval(job.schedule, there.now) is not None:
        return
    until = there.until.get(job.name)
    if until is None or until <= there.now:
        yield "no slots are left, so it fails"
    elif until - there.now < LOW:
        yield f"slots are written until {until:%Y-%m-%d} only"
    if there.astray.get(job.name):
        yield f"{there.astray[job.name]:,} of its slots are not those of its schedule and zone"


def _others(want: Wanted, there: _There, shared: Sequence[CronLine]) -> Iterator[InstalledJob]:
    """What all jobs share, and what no job of the settings has."""
    drift = [*there.windows]
    if want.procedures:
        drift += drift_of(want.procedures[-1], there.procedures)
    for line in shared:
        drift += _line_drift(line, _line_for(line, there.lines))
    if there.limit is not None and parse_duration(there.limit.replace("min", "m")) < want.call_limit:
        drift.append(f"statement_timeout of the role is {there.limit} here, and would end runs within their time")
    if there.only_reads:
        drift.append("default_transaction_read_only is on here, so that no job can run")
    if want.procedures:
        yield InstalledJob(ALL_JOBS, next((line.fields for line in shared), ""), None, drift=tuple(drift))
    names = {procedure.name for procedure in want.procedures}
    for name, one in there.procedures.items():
        if name not in names:
            yield InstalledJob(one.job, "", None, drift=("no job of the settings has this procedure any more",))
    meant = {line.name for line in (*want.lines, *shared)}
    commands = {line.command for line in want.lines}
    for old in of_database([*there.lines], want.database):
        if old.line.name not in meant and old.line.command not in commands and old.line.name != HISTORY_NAME:
            text_of = f"no job of the settings has line {old.line.name or old.number} any more"
            yield InstalledJob(old.line.command, old.line.fields, None, drift=(text_of,))


def differences(app: App, options: PgCronOptions) -> Iterator[str]:
    """Lines of a unified diff: procedures as they are installed, and as the settings want them."""
    want = wanted(app, options)
    with read_only(app.database) as connection:
        require_schema(connection)
        there = procedures(connection)
    for procedure in want.procedures:
        installed = there.pop(procedure.name, None)
        yield from _difference(procedure.name, installed.body if installed else "", procedure.body)
    for name, old in there.items():
        yield from _difference(name, old.body, "")


def _difference(name: str, before: str, after: str) -> Iterator[str]:
    yield from unified_diff(
        before.splitlines(), after.splitlines(), f"installed/{name}", f"wanted/{name}", lineterm="", n=2
    )
