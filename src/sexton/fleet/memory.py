"""What the home database knows of the fleet: `fleet_jobs`, a row a job and database, written as visits report.

It is a memory, and no judge: whether a slot is done is decided in the database itself, when it is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, case, func, or_, select

from ..db.server_clock import ask_now
from ..db.tables import own_tables
from ..db.upsert import upsert
from ..jobs.job import Job
from ..run_state import RETRIED_IF_ASKED, NoRun
from .results import GridColumn, JobResult, JobState, Standing, VisitReport, all_states, column_of, job_state
from .spreading import delayed

RETRY_REST = timedelta(minutes=1)
"""After what was not reached, put off, or is to be tried again, the next visit is not before."""

BARRED_REST = timedelta(minutes=5)
"""The same where somebody has to do something first: migrate, or adopt."""


WORST = 20
"""Databases that are named as the worst."""

NOTHING_RAN = (NoRun.UNREACHABLE, NoRun.HELD, Standing.BEHIND, Standing.UNCONFIRMED)
"""What stood in the way; a visit that finds nothing due there says that it does so no longer."""

WELL_OFF = (GridColumn.DONE, GridColumn.PARTLY, GridColumn.WAITING)


@dataclass(frozen=True, slots=True)
class FleetJob:
    """One row: how a job stands in one database. See the comments of the table."""

    database: str
    job: str
    next_at: datetime | None
    slot: datetime | None
    state: JobState
    attempt: int
    error: str | None
    definition: str


def write_reports(
    connection: Connection, reports: Iterable[VisitReport], jobs: Mapping[str, Job], definitions: Mapping[str, str]
) -> None:
    """Put on record what visits came to, all in two statements. definitions: fingerprint of each job."""
    now = ask_now(connection)
    ended: list[dict[str, Any]] = []
    planned: list[dict[str, Any]] = []
    for report in reports:
        told = {result.job for result in report.results}
        ended += (_row(report, result, jobs, definitions, now) for result in report.results)
        planned += (
            {"database": report.database, "job": name, "next_at": _delayed(jobs[name], report, at), "visited_at": now}
            for name, at in report.next_at.items()
            if name not in told
        )
    _write(connection, ended, ("next_at", "state", "attempt", "error", "definition", "visited_at"), keeps_slot=True)
    unknown = {"state": Standing.WAITING, "attempt": 0, "definition": "", "slot": None, "error": None}
    _write(connection, [unknown | row for row in planned], ("next_at", "visited_at"), reached=True)


def _write(
    connection: Connection,
    rows: list[dict[str, Any]],
    changed: tuple[str, ...],
    *,
    keeps_slot: bool = False,
    reached: bool = False,
) -> None:
    """keeps_slot: what came to no slot leaves the one that is there.  reached: what stood in the way is over."""
    if not rows:
        return
    dialect = connection.dialect.name
    table = own_tables(dialect).fleet_jobs
    made = upsert(dialect, table)
    values: dict[str, Any] = {name: made.excluded[name] for name in changed}
    if keeps_slot:
        values["slot"] = func.coalesce(made.excluded.slot, table.c.slot)
    if reached:
        stood = or_(*(table.c.state == state for state in NOTHING_RAN))  # IN goes with one row only
        values["state"] = case((stood, made.excluded.state), else_=table.c.state)
        values["error"] = case((stood, made.excluded.error), else_=table.c.error)
    connection.execute(made.on_conflict_do_update(index_elements=["database", "job"], set_=values), rows)


def _row(
    report: VisitReport, result: JobResult, jobs: Mapping[str, Job], definitions: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    return {
        "database": report.database,
        "job": result.job,
        "next_at": _next_at(report, result, jobs[result.job], now),
        "slot": result.slot,
        "state": result.state,
        "attempt": result.attempt,
        "error": result.error,
        "definition": definitions.get(result.job, "") if result.proves else "",
        "visited_at": now,
    }


def _next_at(report: VisitReport, result: JobResult, job: Job, now: datetime) -> datetime | None:
    """By its schedule, or sooner where it is to be tried again. A job without a schedule is not tried again."""
    column = column_of(result.state)
    if job.schedule is None and job.demand is None:
        return None
    planned = report.next_at.get(result.job) or job_next(job, now)
    if column in (GridColumn.BEHIND, GridColumn.BARRED):
        return min(planned, now + BARRED_REST)
    again = column in (GridColumn.UNREACHED, GridColumn.PUT_OFF)
    if again or (result.state in RETRIED_IF_ASKED and job.retry is not None):
        return min(planned, now + RETRY_REST)
    return _delayed(job, report, planned)


def _delayed(job: Job, report: VisitReport, at: datetime | None) -> datetime | None:
    return at if at is None or job.demand is not None else delayed(job, report.database, at)


def job_next(job: Job, now: datetime) -> datetime:
    """The next slot by the job's own schedule; soon, where it has none."""
    return job.schedule.next(now) if job.schedule is not None else now + RETRY_REST


def read_jobs(connection: Connection, job: str | None = None) -> Iterator[FleetJob]:
    """Rows by database, of one job or of all."""
    table = own_tables(connection.dialect.name).fleet_jobs
    columns = [table.c[name] for name in FleetJob.__dataclass_fields__]
    asked = select(*columns).order_by(table.c.database, table.c.job)
    if job is not None:
        asked = asked.where(table.c.job == job)
    for row in connection.execute(asked):
        yield FleetJob(**row._asdict() | {"state": job_state(row.state)})


def due_jobs(connection: Connection, now: datetime) -> dict[str, set[str]]:
    """Jobs that are due by database, from the index of `next_at`."""
    table = own_tables(connection.dialect.name).fleet_jobs
    due: dict[str, set[str]] = {}
    for database, job in connection.execute(select(table.c.database, table.c.job).where(table.c.next_at <= now)):
        due.setdefault(database, set()).add(job)
    return due


def planned_names(connection: Connection, jobs: Sequence[str]) -> set[str]:
    """Databases in which each of these jobs has been looked at; a job that is new makes all be looked at."""
    table = own_tables(connection.dialect.name).fleet_jobs
    asked = select(table.c.database).where(table.c.job.in_(jobs)).group_by(table.c.database)
    return set(connection.execute(asked.having(func.count() >= len(jobs))).scalars())


def worst_databases(connection: Connection, names: Iterable[str]) -> list[dict[str, Any]]:
    """Of these the ones in which most jobs do not stand well, the worst first."""
    table = own_tables(connection.dialect.name).fleet_jobs
    counted = func.count().label("jobs")
    bad = table.c.state.not_in([state for state in all_states() if column_of(state) in WELL_OFF])
    asked = select(table.c.database, counted, func.min(table.c.error).label("error")).where(bad)
    ordered = connection.execute(asked.group_by(table.c.database).order_by(counted.desc(), table.c.database))
    known = set(names)
    return [*islice((dict(row) for row in ordered.mappings() if row["database"] in known), WORST)]
