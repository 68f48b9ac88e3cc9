"""What came of a visit, as values: how each job ended there, or why nothing could run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ..run_counts import Counts
from ..run_state import WENT_WELL, NoRun, OutcomeState, RunState, outcome_state


class Standing(StrEnum):
    """How a database stands where no run tells it."""

    WAITING = "waiting"
    """It was not asked yet."""
    BEHIND = "behind"
    """Sexton's own tables there are not at this package's revision; not failed, it is to be migrated."""
    UNCONFIRMED = "unconfirmed"
    """It is not the database that was taken into the fleet: a copy, a restored dump, one that moved."""


JobState = OutcomeState | Standing


def job_state(word: str) -> JobState:
    """The state that is written so in `fleet_jobs`. ValueError: there is none."""
    return Standing(word) if word in set(Standing) else outcome_state(word)


def all_states() -> tuple[JobState, ...]:
    """Each there is."""
    return (*RunState, *NoRun, *Standing)


class GridColumn(StrEnum):
    """Columns of the grid, in its order: what people do about them is what tells them apart."""

    DONE = "done"
    PARTLY = "partly"
    FAILED = "FAILED"
    PUT_OFF = "put off"
    UNREACHED = "unreached"
    BEHIND = "behind"
    BARRED = "barred"
    WAITING = "waiting"


_COLUMNS: dict[JobState, GridColumn] = {
    RunState.SUCCEEDED: GridColumn.DONE,
    NoRun.ALREADY_DONE: GridColumn.DONE,
    RunState.PARTIAL: GridColumn.PARTLY,
    RunState.FAILED: GridColumn.FAILED,
    RunState.TIMED_OUT: GridColumn.FAILED,
    RunState.ABANDONED: GridColumn.FAILED,
    RunState.CANCELLED: GridColumn.PUT_OFF,
    NoRun.HELD: GridColumn.PUT_OFF,
    NoRun.UNREACHABLE: GridColumn.UNREACHED,
    NoRun.UNKNOWN_JOB: GridColumn.FAILED,
    Standing.BEHIND: GridColumn.BEHIND,
    Standing.UNCONFIRMED: GridColumn.BARRED,
}


def column_of(state: JobState) -> GridColumn:
    """Where it is counted; what is open is waited for."""
    return _COLUMNS.get(state, GridColumn.WAITING)


@dataclass(frozen=True, slots=True)
class JobResult:
    """How one job ended in one database. slot: for which it ran.  attempt: of the slot; 0: nothing ran.

    error: one line, of what did not go well, or why it only counted.  run_id: number of its run row there.
    proves: False: it says nothing about a change, as it only counted (not armed), or its wave had not come.
    """

    job: str
    state: JobState
    slot: datetime | None = None
    attempt: int = 0
    error: str | None = None
    run_id: int | None = None
    counts: Counts = field(default_factory=Counts)
    proves: bool = True

    @property
    def done(self) -> bool:
        """Whether nothing is left to be done for its slot."""
        return self.state in WENT_WELL or self.state is NoRun.ALREADY_DONE


class Contact(StrEnum):
    """How far a visit came: what the caps of its server are moved by."""

    MADE = "made"
    REFUSED = "refused"
    """The server answered, and would not have it: a password, a database that is not there."""
    CROWDED = "crowded"
    """The server has no connection left (53300)."""
    NONE = "none"
    """Nothing answered."""
    NOT_TRIED = "not tried"
    """Others of its server were not reached shortly before."""


@dataclass(frozen=True, slots=True)
class VisitReport:
    """Of one database. results: a job each; of what was asked by its slot all jobs.

    next_at: when each job that was looked at is due next there; None: by hand only, or paused without end.
    """

    database: str
    server: str
    contact: Contact
    results: tuple[JobResult, ...] = ()
    next_at: dict[str, datetime | None] = field(default_factory=dict)
