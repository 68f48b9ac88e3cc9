"""What was done since midnight UTC, added up in SQL, and what waits now.

Counters start at midnight by the database's clock, not when a process starts: every process then tells the same
figures, one that lives for a second too. They cannot go down within the day, as no run is deleted before it is a day
old. Midnight is a reset, which Prometheus knows from any process that is started anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, Select, case, func, or_, select

from ..db.run_aggregates import count_of_run, seconds_between
from ..db.tables import own_tables
from ..run_state import ENDED_BY_ITSELF, FAILURES, WENT_WELL, RunState
from ..slots.ending import COUNTED
from .call_counters import CallCounters, OutcomeCounts, add_outcomes, read_calls
from .fleet_metrics import FleetCounters, read_fleet
from .request_counters import RequestCounters, read_requests

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Upper ends of the buckets of run times, in seconds."""

MAX_COUNTED_WAITING = 10_000
"""WaitingCalls messages and rows set aside are counted up to here, so that a flood of them costs no more."""

COUNTED_HOUR = timedelta(hours=1)
STUCK_ATTEMPTS = 5
STUCK_AGE = timedelta(days=1)


@dataclass(slots=True)
class JobCounters:
    """One job since midnight. buckets: runs that took at most so long, for each of BUCKETS."""

    timed: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * len(BUCKETS))
    successes: int = 0
    failures: int = 0
    missed: int = 0
    picked: int = 0
    changed: int = 0
    told: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class CounterValues:
    """since: midnight.  queued, poison, incidents: by job, zeros left out.  waiting, stuck: messages in our outbox."""

    since: datetime
    jobs: dict[str, JobCounters]
    queued: dict[str, int]
    poison: dict[str, int]
    incidents: dict[str, int]
    waiting: int
    stuck: int
    calls: CallCounters = field(default_factory=CallCounters)
    requests: RequestCounters = field(default_factory=RequestCounters)
    fleet: FleetCounters = field(default_factory=FleetCounters)


class CounterReader:
    """Reads the tallies of some jobs, and keeps the sums of hours that are long over: they are read once a day."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(names)
        self._since = self._upto = datetime.min.replace(tzinfo=UTC)
        self._kept: dict[str, JobCounters] = {}
        self._outcomes: OutcomeCounts = {}

    def read(self, connection: Connection, now: datetime) -> CounterValues:
        """As of `now`, the database's time. When a statement runs out of time, the next call goes on from there."""
        since = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if since != self._since:
            self._since = self._upto = since
            self._kept = {name: JobCounters() for name in self._names}
            self._outcomes = {}
        while self._upto + 2 * COUNTED_HOUR <= now:  # a run that ends is on record within seconds, so an hour is plenty
            self._add_up(connection, self._kept, self._outcomes, self._upto, self._upto + COUNTED_HOUR)
            self._upto += COUNTED_HOUR
        jobs, outcomes = deepcopy(self._kept), dict(self._outcomes)
        self._add_up(connection, jobs, outcomes, self._upto, now + COUNTED_HOUR)
        outbox = connection.execute(outbox_waiting(connection.dialect.name, now)).one()
        queued, poison, incidents = (
            {row.job: row.many for row in connection.execute(asked) if row.job in jobs}
            for asked in counts_by_job(connection.dialect.name)
        )
        calls = read_calls(connection, outcomes)
        requests = read_requests(connection, since)
        waiting, stuck = int(outbox.waiting), int(outbox.stuck or 0)
        fleet = read_fleet(connection, now)
        return CounterValues(since, jobs, queued, poison, incidents, waiting, stuck, calls, requests, fleet)

    def _add_up(
        self,
        connection: Connection,
        jobs: dict[str, JobCounters],
        outcomes: OutcomeCounts,
        start: datetime,
        end: datetime,
    ) -> None:
        """Add what ended in start <= … < end, all of it or, when a statement fails, nothing. Others are left out."""
        dialect = connection.dialect.name
        ended = connection.execute(runs_between(dialect, start, end)).all()
        counted = connection.execute(rows_between(dialect, start, end)).all()
        add_outcomes(connection, outcomes, set(self._names), start, end)
        for row in counted:
            if row.job in jobs:
                for name in COUNTED:
                    setattr(jobs[row.job], name, getattr(jobs[row.job], name) + int(getattr(row, name)))
        for row in ended:
            if row.job in jobs:
                _add(jobs[row.job], row)


def _add(tally: JobCounters, row: Any) -> None:
    tally.missed += int(row.missed)
    tally.successes += row.runs if row.state in WENT_WELL else 0
    tally.failures += row.runs if row.state in FAILURES else 0
    if row.state in ENDED_BY_ITSELF:
        tally.timed += row.runs
        tally.seconds += float(row.seconds)
        tally.buckets = [many + int(getattr(row, f"upto_{place}")) for place, many in enumerate(tally.buckets)]


def runs_between(dialect: str, start: datetime, end: datetime) -> Select[Any]:
    """Runs that ended in start <= … < end, by job and state: how many, their lengths, the slots that they missed."""
    runs = own_tables(dialect).runs.c
    took = seconds_between(dialect, runs.started_at, runs.finished_at).label("took")
    each = _ended(dialect, start, end, runs.job, runs.state, runs.missed, took).c
    within = (func.sum(case((each.took <= most, 1), else_=0)).label(f"upto_{at}") for at, most in enumerate(BUCKETS))
    sums = (func.count().label("runs"), func.sum(each.took).label("seconds"), func.sum(each.missed).label("missed"))
    return select(each.job, each.state, *sums, *within).group_by(each.job, each.state)


def rows_between(dialect: str, start: datetime, end: datetime) -> Select[Any]:
    """Rows that those runs picked, changed, told about and left to others, by job."""
    runs = own_tables(dialect).runs.c
    each = _ended(dialect, start, end, runs.job, runs.counts, *(runs[name] for name in COUNTED)).c
    sums = (func.sum(count_of_run(dialect, each[name], each.counts)).label(name) for name in COUNTED)
    return select(each.job, *sums).group_by(each.job)


def _ended(dialect: str, start: datetime, end: datetime, *columns: ColumnElement[Any]) -> CTE:
    """Materialized, else SQLite walks through all of history in the order of jobs, and works out lengths many times."""
    ended = own_tables(dialect).runs.c.finished_at
    return select(*columns).where(ended >= start, ended < end).cte("ended").prefix_with("MATERIALIZED")


def outbox_waiting(dialect: str, now: datetime) -> Select[Any]:
    """Messages that wait, and those among them that are stuck; the oldest 10,000 are looked at."""
    events = own_tables(dialect).outbox_events.c
    oldest = select(events.attempt_count, events.created_at).where(events.published_at.is_(None))
    waiting = oldest.order_by(events.id).limit(MAX_COUNTED_WAITING).subquery()
    stuck = or_(waiting.c.attempt_count >= STUCK_ATTEMPTS, waiting.c.created_at < now - STUCK_AGE)
    sums: list[ColumnElement[Any]] = [func.count().label("waiting"), func.sum(case((stuck, 1), else_=0)).label("stuck")]
    return select(*sums).select_from(waiting)


def counts_by_job(dialect: str) -> tuple[Select[Any], Select[Any], Select[Any]]:
    """Runs that wait to be started, rows set aside, incidents that are open."""
    own = own_tables(dialect)
    runs, incidents = own.runs.c, own.incidents.c
    queued = (
        select(runs.job).where(runs.finished_at.is_(None), runs.state == RunState.QUEUED).limit(MAX_COUNTED_WAITING)
    )
    poison = select(own.poison.c.job).limit(MAX_COUNTED_WAITING)
    opened = select(incidents.job).where(incidents.closed_at.is_(None)).limit(MAX_COUNTED_WAITING)
    return _counted(queued), _counted(poison), _counted(opened)


def _counted(some: Select[Any]) -> Select[Any]:
    found = some.subquery()
    return select(found.c.job, func.count().label("many")).group_by(found.c.job)
