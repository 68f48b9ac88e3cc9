"""Runs that an engine is to carry: a row in state `queued`, with its slot, before anything is handed to anybody.

    due ──queue_due──> queued ──mark_submitted──> submitted ──claimed by whoever brings its number──> running
                         ^                            │
                         └── hand_back, or unclaimed for 60 s, 2 min, ... 1 h: it is submitted again

The row takes its slot, so however often and wherever its number is brought, it runs once. What an engine loses is
submitted again by this sweep; nothing else is relied on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, case, exists, func, or_, select, update

from ..db.server_clock import ask_now, database_now
from ..db.tables import DATABASE, own_tables
from ..db.upsert import upsert
from ..jobs.job import Job
from ..run_state import NOT_ENDED, RunState
from .claim import AlreadyDone, next_attempt
from .due_run import DueRun
from .queue import queued_row

FIRST_SWEEP, LONGEST_SWEEP = timedelta(minutes=1), timedelta(hours=1)
"""After so long a number that nobody claimed is submitted again; doubled each time."""

STALLED = timedelta(minutes=5)
"""An engine of which nothing was begun for so long, while something waits, does not move."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run row that is queued or running. engine: to which it was handed last; None: to none.

    submitted_at: when; None: it is to be handed on.
    """

    id: int
    job: str
    slot: datetime | None
    missed: int
    local_slot: str | None
    state: RunState
    engine: str | None
    submitted_at: datetime | None
    submissions: int
    started_at: datetime

    @property
    def due(self) -> DueRun:
        """As a run to start."""
        return DueRun(self.job, self.slot, missed=self.missed, queued=self.id, local_slot=self.local_slot)

    def is_to_be_submitted(self, engine: str, now: datetime) -> bool:
        """Whether it is to be handed to this engine now: for the first time there, or once more."""
        if self.state != RunState.QUEUED:
            return False
        if self.engine != engine or self.submitted_at is None:
            return True
        return self.submitted_at + sweep_after(self.submissions) <= now

    def is_again(self, engine: str) -> bool:
        """Whether handing it to this engine is a repetition, as its number came to nothing."""
        return self.engine == engine and self.submitted_at is not None

    def was_tried_again(self, engine: str, now: datetime) -> bool:
        """Whether it was handed on once more within the last minute, and nobody has begun it."""
        lately = self.submitted_at is not None and now - self.submitted_at < FIRST_SWEEP
        return lately and self.engine == engine and self.submissions > 1 and self.state == RunState.QUEUED


def sweep_after(submissions: int) -> timedelta:
    """How long after its last submission, the so many-th, a number is submitted again."""
    return min(FIRST_SWEEP * 2.0 ** min(max(submissions - 1, 0), 20), LONGEST_SWEEP)


def open_runs(connection: Connection, number: int | None = None) -> list[OpenRun]:
    """All that are queued or running, oldest first; from the index of open runs. number: this one alone."""
    runs = own_tables(connection.dialect.name).runs.c
    names = ("id", "job", "slot", "missed", "local_slot", "state", "engine", "submitted_at")
    columns = [*(runs[name] for name in names), func.coalesce(runs.submissions, 0), runs.started_at]
    asked = select(*columns).where(runs.finished_at.is_(None), runs.state.in_(NOT_ENDED), runs.database == DATABASE)
    if number is not None:
        asked = asked.where(runs.id == number)
    return [OpenRun(*row) for row in connection.execute(asked.order_by(runs.id))]


def queue_due(connection: Connection, due: DueRun, engine: str) -> int | None:
    """Write the row of a run that this engine is to carry: its number. None: the slot is taken, or one waits already.

    due: without a slot it is one for which something waits.
    """
    try:
        attempt, failures = next_attempt(connection, due)
    except AlreadyDone:
        return None
    runs = own_tables(connection.dialect.name).runs
    row = queued_row(due.job, ask_now(connection), attempt, failures)
    row |= {"slot": due.slot, "missed": due.missed, "local_slot": due.local_slot, "engine": engine, "submissions": 0}
    new = upsert(connection.dialect.name, runs).values(row).on_conflict_do_nothing().returning(runs.c.id)
    return connection.execute(new).scalar()


def mark_submitted(connection: Connection, numbers: Collection[int], engine: str) -> set[int]:
    """Put on record that these are handed to the engine now; those of them that still wait."""
    runs = own_tables(connection.dialect.name).runs
    waits = (runs.c.id.in_(numbers), runs.c.state == RunState.QUEUED)
    times = case((runs.c.engine == engine, func.coalesce(runs.c.submissions, 0) + 1), else_=1)
    values = {"submitted_at": database_now(connection.dialect.name), "engine": engine, "submissions": times}
    marked = update(runs).where(*waits).values(values).returning(runs.c.id)
    return set(connection.execute(marked).scalars())


def hand_back(connection: Connection, numbers: Collection[int]) -> None:
    """These were not taken after all, or could not be begun: they are submitted again by the next look that may."""
    runs = own_tables(connection.dialect.name).runs
    waits = (runs.c.id.in_(numbers), runs.c.state == RunState.QUEUED)
    connection.execute(update(runs).where(*waits).values(submitted_at=None))


def is_lapsed(job: Job, slot: datetime | None, now: datetime) -> bool:
    """Whether a slot that waits is too late by the misfire rule of its job."""
    return slot is not None and now - slot > job.misfire.lateness


def give_up(connection: Connection, job: Job, run: OpenRun, now: datetime) -> None:
    """Close a queued run whose slot is too late, as skipped."""
    runs = own_tables(connection.dialect.name).runs
    assert run.slot is not None
    values = {"state": RunState.SKIPPED, "finished_at": now, "error": late_words(job, run.slot, now)}
    connection.execute(update(runs).where(runs.c.id == run.id, runs.c.state == RunState.QUEUED).values(values))


def late_words(job: Job, slot: datetime, now: datetime) -> str:
    """Why a slot was given up that came too late."""
    return f"given up: {timedelta(seconds=int((now - slot).total_seconds()))} late, more than {job.misfire.lateness}"


def moves(connection: Connection, engine: str, now: datetime) -> bool:
    """Whether a run of this engine was begun, or came to its end, within the last five minutes."""
    runs = own_tables(connection.dialect.name).runs.c
    since = now - STALLED
    ended = exists(select(runs.id).where(runs.engine == engine, runs.finished_at > since))
    open_ = (runs.finished_at.is_(None), runs.state == RunState.RUNNING)
    begun = exists(select(runs.id).where(*open_, runs.engine == engine, runs.started_at > since))
    return bool(connection.execute(select(or_(ended, begun))).scalar())


def carried_by(connection: Connection, number: int) -> str:
    """The engine to which a run was handed, whatever became of it; "" for none, or for a run that is not on record."""
    runs = own_tables(connection.dialect.name).runs.c
    return connection.execute(select(runs.engine).where(runs.id == number)).scalar() or ""
