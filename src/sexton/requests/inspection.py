"""What waits and what is dead, for people; only reads. Arguments are as they were kept: whoever shows them decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, or_, select

from ..db.tables import own_tables
from ..request_state import DeadReason, RequestState


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """Requests of one job. oldest: since when the first of those that could begin waits.  dead: dead letters."""

    job: str
    ready: int = 0
    delayed: int = 0
    blocked: int = 0
    submitted: int = 0
    running: int = 0
    dead: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """One request. since: of its making, or since when it may begin.  attempt: the one that comes or goes on."""

    id: int
    job: str
    state: RequestState
    since: datetime
    attempt: int
    attempts: int
    priority: int
    unique_key: str | None
    serial_key: str | None
    asked_by: str | None
    args: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A request that nobody tries any more. attempt: the last one, of `attempts`."""

    id: int
    job: str
    args: str
    args_version: int
    priority: int
    attempt: int
    attempts: int
    crashes: int
    unique_key: str | None
    serial_key: str | None
    asked_by: str | None
    created_at: datetime
    reason: DeadReason
    error: str | None
    traceback: str | None
    died_at: datetime


@dataclass(frozen=True, slots=True)
class DeadFilter:
    """Which dead letters. ids: none: all.  error: a text that is part of theirs.  since, before: when they died."""

    ids: Sequence[int] = ()
    job: str = ""
    error: str = ""
    since: datetime | None = None
    before: datetime | None = None

    def conditions(self, dialect: str) -> list[ColumnElement[bool]]:
        """For a statement on dead_requests."""
        dead = own_tables(dialect).dead_requests.c
        found: list[ColumnElement[bool]] = []
        if self.ids:
            found.append(dead.id.in_(self.ids))
        if self.job:
            found.append(dead.job == self.job)
        if self.error:
            alike = [
                column.contains(self.error, autoescape=True) for column in (dead.error, dead.reason, dead.traceback)
            ]
            found.append(or_(*alike))
        if self.since is not None:
            found.append(dead.died_at >= self.since)
        if self.before is not None:
            found.append(dead.died_at < self.before)
        return found


def waiting_jobs(connection: Connection, jobs: Sequence[str] = ()) -> list[WaitingJob]:
    """By job, those with the most that wait first. jobs: none: all."""
    own = own_tables(connection.dialect.name)
    requests, dead = own.requests.c, own.dead_requests.c
    ripe = case((requests.state == RequestState.READY, func.coalesce(requests.run_at, requests.created_at)))
    asked = select(requests.job, requests.state, func.count().label("number"), func.min(ripe).label("oldest"))
    found: dict[str, dict[str, Any]] = {}
    for row in connection.execute(asked.group_by(requests.job, requests.state)):
        of_job = found.setdefault(row.job, {})
        of_job[row.state] = row.number
        if row.state == RequestState.READY:
            of_job["oldest"] = row.oldest
    for row in connection.execute(select(dead.job, func.count().label("number")).group_by(dead.job)):
        found.setdefault(row.job, {})["dead"] = row.number
    lines = [WaitingJob(job, **states) for job, states in found.items() if not jobs or job in jobs]
    return sorted(lines, key=lambda one: (-one.ready, one.job))


def waiting_requests(connection: Connection, job: str, limit: int) -> list[WaitingRequest]:
    """Of one job, in the order of asking."""
    requests = own_tables(connection.dialect.name).requests.c
    since = func.coalesce(requests.run_at, requests.created_at, type_=requests.created_at.type).label("since")
    plain = [requests[name] for name in WaitingRequest.__dataclass_fields__ if name != "since"]
    asked = select(*plain, since).where(requests.job == job).order_by(requests.id).limit(limit)
    return [WaitingRequest(**row._mapping) for row in connection.execute(asked)]


def dead_letters(connection: Connection, wanted: DeadFilter, limit: int | None = None) -> list[DeadLetter]:
    """The newest first. limit: None: all."""
    table = own_tables(connection.dialect.name).dead_requests
    columns = [table.c[name] for name in DeadLetter.__dataclass_fields__]
    asked = select(*columns).where(*wanted.conditions(connection.dialect.name))
    rows = connection.execute(asked.order_by(table.c.died_at.desc(), table.c.id.desc()).limit(limit))
    return [DeadLetter(**row._mapping) for row in rows]
