"""What waits of jobs on demand, what is dead, and what ended since midnight; each flood is counted up to a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from ..db.tables import own_tables
from ..request_state import RequestState
from ..run_state import RunState

MAX_COUNTED_REQUESTS = 10_000
"""Requests that are counted at most, of all jobs."""

SUCCEEDED, FAILED, DEAD = str(RunState.SUCCEEDED), str(RunState.FAILED), "dead"
"""What attempts came to; one that made its request a dead letter is among those that failed, too."""


@dataclass(frozen=True, slots=True)
class RequestCounters:
    """states: (job, state) to number.  oldest: by job, since when the first of those that could begin waits.

    dead: dead letters by job.  ended: (job, outcome) to number, since midnight.
    """

    states: Mapping[tuple[str, str], int] = field(default_factory=dict)
    oldest: Mapping[str, datetime] = field(default_factory=dict)
    dead: Mapping[str, int] = field(default_factory=dict)
    ended: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def jobs(self) -> set[str]:
        """Those of which there is something to tell."""
        return {*self.dead, *(job for job, _ in (*self.states, *self.ended))}

    def count(self, job: str, *states: RequestState) -> int:
        """Requests of this job in these states."""
        return sum(self.states.get((job, state), 0) for state in states)


def read_requests(connection: Connection, since: datetime) -> RequestCounters:
    """As it is now; what ended from `since`."""
    dialect = connection.dialect.name
    states: dict[tuple[str, str], int] = {}
    oldest: dict[str, datetime] = {}
    for row in connection.execute(counted_requests(dialect)):
        states[row.job, row.state] = row.number
        if row.state == RequestState.READY:
            oldest[row.job] = row.oldest
    dead = {row.job: row.number for row in connection.execute(counted_dead(dialect))}
    ended: dict[tuple[str, str], int] = {}
    for row in connection.execute(ended_requests(dialect, since)):
        for outcome, number in zip((SUCCEEDED, FAILED, DEAD), row[1:], strict=True):
            ended[row.job, outcome] = int(number)
    return RequestCounters(states, oldest, dead, ended)


def counted_requests(dialect: str) -> Select[Any]:
    """By job and state, the oldest requests: how many, and since when the first waits."""
    requests = own_tables(dialect).requests.c
    since = func.coalesce(requests.run_at, requests.created_at, type_=requests.created_at.type).label("since")
    some = select(requests.job, requests.state, since).order_by(requests.id).limit(MAX_COUNTED_REQUESTS).subquery()
    oldest = func.min(some.c.since, type_=requests.created_at.type).label("oldest")
    return select(some.c.job, some.c.state, func.count().label("number"), oldest).group_by(some.c.job, some.c.state)


def counted_dead(dialect: str) -> Select[Any]:
    """Dead letters by job; the newest."""
    dead = own_tables(dialect).dead_requests.c
    some = select(dead.job).order_by(dead.died_at.desc()).limit(MAX_COUNTED_REQUESTS).subquery()
    return select(some.c.job, func.count().label("number")).group_by(some.c.job)


def ended_requests(dialect: str, since: datetime) -> Select[Any]:
    """By job: attempts that succeeded, that failed, requests that died."""
    counts = own_tables(dialect).request_counts.c
    sums = (func.coalesce(func.sum(column), 0) for column in (counts.succeeded, counts.failed, counts.died))
    job = (counts.job + "").label("job")  # grouped by what no index orders, so that the minute is looked up
    return select(job, *sums).where(counts.minute >= since).group_by(job)
