"""What the run table says about one job, read for the rules in `alert_rules.py`: a few short queries a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, and_, cast, func, or_, select

from ..db.tables import own_tables
from ..slots.history import Past, history
from .lateness import ON_TIME, Lateness

BAD = ("failed", "timed_out", "abandoned")
"""How a run ends that counts as a failure."""

GOOD = ("succeeded", "partial")
LAST = 40
"""Runs of a job that are looked at: enough for a median of 20 among failures."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One job at `now`.

    recent: its newest runs that went well or badly, the newest first; those that a person or a deploy stopped say
    nothing.  running: the run in progress.  failed, ended: runs that ended in the window.
    """

    now: datetime
    recent: Sequence[Past]
    failed: int = 0
    ended: int = 0
    lateness: Lateness = ON_TIME
    running: Past | None = None


def recent_runs(connection: Connection, job: str, after_failures: int) -> list[Past]:
    """The newest runs of a job that went well or badly, the newest first; enough to see `after_failures` in a row."""
    return history(connection, job=job, states=(*BAD, *GOOD), limit=max(LAST, after_failures))


def ended_since(connection: Connection, since: datetime) -> dict[str, tuple[int, int]]:
    """By job: how many runs failed since then, and how many ended at all."""
    runs = own_tables(connection.dialect.name).runs
    asked = select(runs.c.job, runs.c.state, func.count()).where(
        runs.c.finished_at > since, runs.c.state.in_((*BAD, *GOOD))
    )
    found: dict[str, tuple[int, int]] = {}
    for job, state, count in connection.execute(asked.group_by(runs.c.job, runs.c.state)):
        failed, ended = found.get(job, (0, 0))
        found[job] = (failed + (count if state in BAD else 0), ended + count)
    return found


def last_effect(connection: Connection, job: str, since: datetime) -> datetime | None:
    """When the newest run began that changed or told something; None when there is none since then."""
    runs = own_tables(connection.dialect.name).runs
    mine = and_(runs.c.job == job, runs.c.state.in_(GOOD), runs.c.started_at > since, _had_effect(runs.c.counts))
    newest = select(runs.c.started_at).where(mine).order_by(runs.c.started_at.desc()).limit(1)
    began: datetime | None = connection.execute(newest).scalar()
    return began


def days_with_effect(connection: Connection, job: str, since: datetime, until: datetime) -> tuple[int, int]:
    """Days (24 h, back from `until`) on which the job ended a run: how many had an effect, and how many in all."""
    runs = own_tables(connection.dialect.name).runs
    mine = and_(runs.c.job == job, runs.c.state.in_(GOOD))
    effective = ran = 0
    while until > since:
        start = until - timedelta(days=1)
        day = select(runs.c.id).where(mine, runs.c.started_at > start, runs.c.started_at <= until).limit(1)
        if connection.execute(day).first() is not None:
            ran += 1
            effective += connection.execute(day.where(_had_effect(runs.c.counts))).first() is not None
        until = start
    return effective, ran


def _had_effect(counts: ColumnElement[Any]) -> ColumnElement[bool]:
    """Counts are kept as JSON text, written by us: a step that changed or told something has a digit but 0 there."""
    text = cast(counts, Text)
    return or_(*(text.like(f'%"{name}": {digit}%') for name in ("changed", "told") for digit in range(1, 10)))
