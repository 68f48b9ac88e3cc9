"""What the run table says about one job, read for the rules in `alert_rules.py`: a few short queries a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from ..db.run_aggregates import count_of_run
from ..db.tables import own_tables
from ..run_state import FAILURES, WENT_WELL, RunState
from ..slots.attempts import is_infrastructure_failure
from ..slots.history import RunRecord, history
from .lateness import ON_TIME, Lateness

LAST = 40
"""Runs of a job that are looked at: enough for a median of 20 among failures."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One job at `now`.

    recent: its newest runs that went well or badly, the newest first; those that a person or a deploy stopped say
    nothing.  running: the run in progress.  failed, ended: runs that ended in the window.
    """

    now: datetime
    recent: Sequence[RunRecord]
    failed: int = 0
    ended: int = 0
    lateness: Lateness = ON_TIME
    running: RunRecord | None = None
    cut_off: RunRecord | None = None
    """The newest run that ended, if what happened around it cut it off."""


def recent_runs(connection: Connection, job: str, after_failures: int) -> list[RunRecord]:
    """The newest runs of a job that went well or badly, the newest first; enough to see `after_failures` in a row."""
    return history(connection, job=job, states=(*FAILURES, *WENT_WELL), limit=max(LAST, after_failures))


def cut_off(connection: Connection, job: str) -> RunRecord | None:
    """The newest run of a job that ended, if what happened around it cut it off."""
    newest = history(connection, job=job, states=(*FAILURES, *WENT_WELL, RunState.CANCELLED), limit=1)
    return next((run for run in newest if is_infrastructure_failure(run.state, run.outcome_code)), None)


def ended_since(connection: Connection, since: datetime) -> dict[str, tuple[int, int]]:
    """By job: how many runs failed since then, and how many ended at all."""
    runs = own_tables(connection.dialect.name).runs
    asked = select(runs.c.job, runs.c.state, func.count()).where(
        runs.c.finished_at > since, runs.c.state.in_((*FAILURES, *WENT_WELL))
    )
    found: dict[str, tuple[int, int]] = {}
    for job, state, count in connection.execute(asked.group_by(runs.c.job, runs.c.state)):
        failed, ended = found.get(job, (0, 0))
        found[job] = (failed + (count if state in FAILURES else 0), ended + count)
    return found


def last_effect(connection: Connection, job: str, since: datetime) -> datetime | None:
    """When the newest run began that changed or told something; None when there is none since then."""
    runs = own_tables(connection.dialect.name).runs
    mine = and_(runs.c.job == job, runs.c.state.in_(WENT_WELL), runs.c.started_at > since, _had_effect(connection))
    newest = select(runs.c.started_at).where(mine).order_by(runs.c.started_at.desc()).limit(1)
    began: datetime | None = connection.execute(newest).scalar()
    return began


def days_with_effect(connection: Connection, job: str, since: datetime, until: datetime) -> tuple[int, int]:
    """Days (24 h, back from `until`) on which the job ended a run: how many had an effect, and how many in all."""
    runs = own_tables(connection.dialect.name).runs
    mine = and_(runs.c.job == job, runs.c.state.in_(WENT_WELL))
    effective = ran = 0
    while until > since:
        start = until - timedelta(days=1)
        day = select(runs.c.id).where(mine, runs.c.started_at > start, runs.c.started_at <= until).limit(1)
        if connection.execute(day).first() is not None:
            ran += 1
            effective += connection.execute(day.where(_had_effect(connection))).first() is not None
        until = start
    return effective, ran


def _had_effect(connection: Connection) -> ColumnElement[bool]:
    dialect = connection.dialect.name
    runs = own_tables(dialect).runs.c
    return or_(*(count_of_run(dialect, runs[name], runs.counts) > 0 for name in ("changed", "told")))
