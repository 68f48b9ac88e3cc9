"""Reading the run table: what ran, how it ended, what it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from ..db.tables import own_tables
from ..run_counts import Counts, steps_from_json, total
from ..run_state import OutcomeCode, RunState
from .rows_before_1013 import read_as_now


class Traceback(NamedTuple):
    """Of a run that failed. place: "file:line in function" of the product's code; None when none had part in it."""

    place: str | None
    text: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run row, typed; one of before revision 1013 as it would be written now.

    error, note, outcome_code: see `Ending`.  infrastructure_failures: earlier attempts at its slot that were cut off by
    no fault of the job.  request: of a job on demand, its number.
    """

    id: int
    job: str
    database: str
    slot: datetime | None
    attempt: int
    state: RunState
    worker: str
    as_of: datetime
    started_at: datetime
    finished_at: datetime | None
    batches: int
    steps: dict[str, Counts]
    error: str | None
    note: str | None
    outcome_code: OutcomeCode | None
    definition: str
    missed: int
    asked_by: str | None = None
    infrastructure_failures: int = 0
    request: int | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took by the database's clock; None while it runs."""
        return None if self.finished_at is None else (self.finished_at - self.started_at).total_seconds()

    @property
    def total(self) -> Counts:
        """All steps together."""
        return total(self.steps)


def history(
    connection: Connection, *, job: str | None = None, states: Sequence[RunState] = (), limit: int = 20
) -> list[RunRecord]:
    """The newest runs first; of one job, in some states."""
    runs = own_tables(connection.dialect.name).runs
    asked = select(runs).order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(limit)
    if job is not None:
        asked = asked.where(runs.c.job == job)
    if states:
        asked = asked.where(runs.c.state.in_(states))
    return _typed(connection.execute(asked).all())


def running(connection: Connection) -> dict[str, RunRecord]:
    """The run in progress of each job that has one, from the index of open runs; of two the later."""
    runs = own_tables(connection.dialect.name).runs
    asked = select(runs).where(runs.c.finished_at.is_(None), runs.c.state == RunState.RUNNING)
    return {run.job: run for run in _typed(connection.execute(asked.order_by(runs.c.started_at, runs.c.id)).all())}


def one(connection: Connection, run_id: int) -> RunRecord | None:
    """The run with this number; None when there is none (any more)."""
    if not 0 < run_id < 2**63:
        return None  # more than the column can hold
    runs = own_tables(connection.dialect.name).runs
    found = _typed(connection.execute(select(runs).where(runs.c.id == run_id)).all())
    return found[0] if found else None


def kept_traceback(connection: Connection, run_id: int) -> Traceback | None:
    """The traceback of a run whose function failed; None when there is none (any more)."""
    table = own_tables(connection.dialect.name).tracebacks
    row = connection.execute(select(table.c.place, table.c.text).where(table.c.run_id == run_id)).first()
    return None if row is None else Traceback(*row)


def set_aside(connection: Connection, job: str | None = None) -> list[dict[str, Any]]:
    """Rows that are set aside, oldest first."""
    poison = own_tables(connection.dialect.name).poison
    asked = select(poison).order_by(poison.c.first_seen_at, poison.c.subject)
    if job is not None:
        asked = asked.where(poison.c.job == job)
    return [dict(row) for row in connection.execute(asked).mappings()]


def _typed(rows: Sequence[Row[Any]]) -> list[RunRecord]:
    past = []
    for row in rows:
        fields = {name: getattr(row, name) for name in RunRecord.__dataclass_fields__ if name != "steps"}
        fields["infrastructure_failures"] = row.infrastructure_failures or 0
        if row.changed is None and row.outcome_code is None:  # somebody may have closed it since
            fields |= read_as_now(row.state, row.error).columns()
        past.append(RunRecord(**fields, steps=steps_from_json(row.counts)))
    return past


def notices(connection: Connection) -> tuple[dict[str, int], list[tuple[str, str | None, Any]]]:
    """Messages that runs wrote into our outbox: how many by event, and the first of each: event, recipient, payload."""
    own = own_tables(connection.dialect.name)
    events, effects = own.outbox_events, own.effects
    ours = select(events).where(events.c.key.in_(select(effects.c.key))).order_by(events.c.id)
    counts: dict[str, int] = {}
    samples: list[tuple[str, str | None, Any]] = []
    for row in connection.execute(ours):
        if row.event_type not in counts:
            samples.append((row.event_type, row.recipient, row.payload))
        counts[row.event_type] = counts.get(row.event_type, 0) + 1
    return counts, samples
