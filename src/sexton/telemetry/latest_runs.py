"""The last run of each job, its last success and the failures since: looks into one index, however long history is.

Only a job that has failed for very long costs more: its failures are passed over to find the success before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal, select

from ..db.for_each import for_each
from ..db.tables import own_tables
from ..run_counts import steps_from_json, total
from ..run_state import FAILURES, NEVER_STARTED, WENT_WELL, RunState

MAX_COUNTED_FAILURES = 1_000


@dataclass(frozen=True, slots=True)
class LatestRun:
    """The newest run that was started, and what came before it. See `JobHealth`."""

    started_at: datetime | None = None
    succeeded_at: datetime | None = None
    state: RunState | None = None
    seconds: float | None = None
    failures: int = 0
    rows: int = 0


def latest_runs(connection: Connection, names: Sequence[str]) -> dict[str, LatestRun]:
    """The latest runs of every job in `names`."""
    dialect = connection.dialect.name
    last = {row.job: row for row in for_each(connection, names, lambda name: _last(dialect, name))}
    good = {row.job: row for row in for_each(connection, names, lambda name: _last(dialect, name, WENT_WELL))}
    failing = [name for name in names if name in last and (name not in good or last[name].id != good[name].id)]
    failed = {
        row.job: row.failures
        for row in for_each(connection, failing, lambda name: _failures(dialect, name, good.get(name)))
    }
    return {name: _typed(last.get(name), good.get(name), failed.get(name, 0)) for name in names}


def _last(dialect: str, name: str, states: Sequence[RunState] = ()) -> Select[Any]:
    runs = own_tables(dialect).runs.c
    columns = (runs.id, runs.job, runs.state, runs.started_at, runs.finished_at, runs.counts)
    asked = select(*columns).where(runs.job == name)
    asked = asked.where(runs.state.in_(states) if states else runs.state.not_in(NEVER_STARTED))
    return select(asked.order_by(runs.started_at.desc(), runs.id.desc()).limit(1).subquery())


def _failures(dialect: str, name: str, since: Row[Any] | None) -> Select[Any]:
    runs = own_tables(dialect).runs.c
    asked = select(runs.id).where(runs.job == name, runs.state.in_(FAILURES))
    if since is not None:
        asked = asked.where(runs.started_at > since.started_at)
    some = asked.order_by(runs.started_at.desc()).limit(MAX_COUNTED_FAILURES).subquery()
    columns: tuple[ColumnElement[Any], ...] = (literal(name).label("job"), func.count().label("failures"))
    return select(*columns).select_from(some)


def _typed(last: Row[Any] | None, good: Row[Any] | None, failures: int) -> LatestRun:
    if last is None:
        return LatestRun()
    return LatestRun(
        started_at=last.started_at,
        succeeded_at=good.finished_at if good is not None else None,
        state=last.state,
        seconds=(last.finished_at - last.started_at).total_seconds() if last.finished_at else None,
        failures=failures,
        rows=total(steps_from_json(last.counts)).changed,
    )
