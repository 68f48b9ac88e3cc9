"""How runs end: one table from whatever a job does to the state of its run, the same for every way to start it.

    state        because of                                                   the slot            exit code
    succeeded    every step went through                                      done                0
    partial      rows were left, or set aside                                 done                3
    failed       any error but the ones below; SystemExit of any code,        done, unless the    1, or 2 for what
                 KeyboardInterrupt and the like raised by code                job has `retry`     somebody wrote wrong
    timed_out    its deadline, or a statement that the deadline cut short     like failed         1
    cancelled    a signal; a lock, a deadlock, a session that was lost        taken up again      3
    held         another process took the job over                            theirs              75
    unreachable  the database does not answer: nothing can be recorded        taken up again      69
    unknown job  the process that was to run it does not know the job         stays due           2

How often a slot is taken up again, and how often that of a process that died (`abandoned`): see `slots.attempts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..db.faults import Fault, classify, driver_fault
from ..errors import (
    DatabaseUnreachable,
    HeldElsewhere,
    LeaseLost,
    SextonError,
    Stopped,
    StoppedByGuard,
    TimedOut,
    UsageError,
    causes,
)
from ..exit_codes import OF_STATE
from ..run_counts import Counts, total
from ..run_state import SETTLING, NoRun, OutcomeCode, OutcomeState, RunState
from ..slots.ending import Ending
from .context import Failure
from .failure import own_words

if TYPE_CHECKING:
    from ..statements.samples import Sample

PASSING = (Fault.RETRY, Fault.LOCKED, Fault.GONE)
"""Faults that say nothing about the job: the same work may go well in a minute."""

LOST_BEFORE = "8s2b"
"""SQLAlchemy's code of the error for whoever goes on in a transaction whose connection was lost."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. state: of the run row; a `NoRun` where no row tells it.

    run_id: None when no run was made.  steps: counts by step.  samples: of a dry run.
    error, note, code: see `Ending`; of a dry run the note says why a run would not do that as things stand.
    failure: the exception that ended it, when nobody foresaw it.  refused: it did not even begin, as its work cannot
    run here.
    ends_with: the exit code, where another process has said it.
    """

    job: str
    state: OutcomeState
    run_id: int | None = None
    as_of: datetime | None = None
    steps: dict[str, Counts] = field(default_factory=dict)
    error: str | None = None
    note: str | None = None
    code: OutcomeCode | None = None
    samples: Mapping[str, Sample] = field(default_factory=dict)
    failure: Failure | None = field(default=None, compare=False, repr=False)
    refused: bool = False
    ends_with: int | None = field(default=None, compare=False, repr=False)

    @property
    def exit_code(self) -> int:
        """What a command that ran just this job ends with."""
        if self.ends_with is not None:
            return self.ends_with
        if self.refused and self.failure is not None and isinstance(self.failure.error, UsageError):
            return self.failure.error.exit_code
        return OF_STATE[self.state]

    @property
    def said(self) -> str:
        """The error and the note, for people."""
        return "; ".join(filter(None, (self.error, self.note)))

    @property
    def settled(self) -> bool:
        """Whether a later slot of the job may run now; after other ends it would pass a slot still to be tried."""
        return self.state in SETTLING

    @property
    def total(self) -> Counts:
        """All steps together."""
        return total(self.steps)


def ended_by(error: BaseException, *, overdue: bool = False, stopped: str = "") -> Ending:
    """How a run ends by this error. Its `error` is None where the words of the error itself are to be taken.

    overdue: the run's time was over when it came.  stopped: why somebody had asked the run to stop; "": nobody had.
    """
    try:
        return _ended_by(error, overdue, stopped)
    except BaseException:  # the code of others: what an error has may be computed when it is asked for
        return Ending(RunState.FAILED)


def _ended_by(error: BaseException, overdue: bool, stopped: str) -> Ending:
    if isinstance(error, SextonError):
        ending = _purposely(error, own_words(error))
        # Of a job that raises it by itself: it would go on for ever, if it were the fault of somebody else.
        return replace(ending, code=None) if isinstance(error, Stopped) and not stopped else ending
    fault = fault_behind(error)
    if stopped and (isinstance(error, KeyboardInterrupt) or fault is Fault.CANCELLED):
        return Ending(RunState.CANCELLED, stopped, code=OutcomeCode.STOPPED)
    if fault is Fault.CANCELLED and overdue:
        return Ending(RunState.TIMED_OUT)
    if fault in PASSING:
        code = OutcomeCode.DATABASE_LOST if fault is Fault.GONE else OutcomeCode.LOCKED
        return Ending(RunState.CANCELLED, code=code)
    return Ending(RunState.FAILED)


_PURPOSES: tuple[tuple[type[SextonError], OutcomeState, OutcomeCode | None], ...] = (
    (TimedOut, RunState.TIMED_OUT, None),
    (LeaseLost, NoRun.HELD, None),
    (HeldElsewhere, RunState.CANCELLED, OutcomeCode.LOCKED),
    (DatabaseUnreachable, NoRun.UNREACHABLE, OutcomeCode.DATABASE_LOST),
    (Stopped, RunState.CANCELLED, OutcomeCode.STOPPED),
    (StoppedByGuard, RunState.FAILED, OutcomeCode.STOPPED_BY_GUARD),
)
"""What the errors mean that we raise ourselves; the first that fits. Any other is a failure."""


def _purposely(error: SextonError, said: str) -> Ending:
    for kind, state, code in _PURPOSES:
        if isinstance(error, kind):
            return Ending(state, said, code=code)
    return Ending(RunState.FAILED, said)


def fault_behind(error: BaseException) -> Fault | None:
    """What the database said, when this error is the database's or was raised because of one; else None."""
    for one in causes(error):
        fault = classify(one) if isinstance(one, DBAPIError) else driver_fault(one)
        if isinstance(one, SQLAlchemyError) and one.code == LOST_BEFORE:
            fault = Fault.GONE
        if fault is not None:
            return fault
    return None
