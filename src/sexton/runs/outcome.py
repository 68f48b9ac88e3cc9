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
    unknown      the process that was to run it does not know the job         stays due           2

A slot that is to be taken up again is so three times, like that of a process that died (`abandoned`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..db.faults import Fault, classify, driver_fault
from ..errors import (
    DONE,
    FAILED,
    HELD,
    PARTIAL,
    UNREACHABLE,
    USAGE,
    DatabaseUnreachable,
    HeldElsewhere,
    LeaseLost,
    SextonError,
    Stopped,
    TimedOut,
    UsageError,
    causes,
)
from ..slots.counts import Counts, total
from .context import Failure
from .failure import own_words

if TYPE_CHECKING:
    from ..statements.samples import Sample

EXIT_CODES = {
    "succeeded": DONE,
    "already done": DONE,
    "partial": PARTIAL,
    "failed": FAILED,
    "timed_out": FAILED,
    "cancelled": PARTIAL,
    "held": HELD,
    "unreachable": UNREACHABLE,
    "unknown": USAGE,
}

PASSING = (Fault.RETRY, Fault.LOCKED, Fault.GONE)
"""Faults that say nothing about the job: the same work may go well in a minute."""

LOST_BEFORE = "8s2b"
"""SQLAlchemy's code of the error for whoever goes on in a transaction whose connection was lost."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. state: of the run row, or "already done", "held", "unknown" when there was nothing to run.

    run_id: None when no run was made.  steps: counts by step.  error: one line, or None.  samples: of a dry run.
    failure: the exception that ended it, when nobody foresaw it.  refused: it did not even begin, as its work cannot
    run here.
    ends_with: the exit code, where another process has said it.
    """

    job: str
    state: str
    run_id: int | None = None
    as_of: datetime | None = None
    steps: dict[str, Counts] = field(default_factory=dict)
    error: str | None = None
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
        return EXIT_CODES[self.state]

    @property
    def settled(self) -> bool:
        """Whether a later slot of the job may run now; after other ends it would pass a slot still to be tried."""
        return self.state in SETTLING_STATES

    @property
    def total(self) -> Counts:
        """All steps together."""
        return total(self.steps)


SETTLING_STATES = ("succeeded", "already done", "partial", "failed", "timed_out")
"""States after which a later slot of the job may run."""


def ended_by(error: BaseException, *, overdue: bool = False, stopped: str = "") -> tuple[str, str | None]:
    """The state in which this error leaves a run, and one line for history; None: what the error itself says.

    overdue: the run's time was over when it came.  stopped: why somebody had asked the run to stop; "": nobody had.
    """
    try:
        return _ended_by(error, overdue, stopped)
    except BaseException:  # the code of others: what an error has may be computed when it is asked for
        return "failed", None


def _ended_by(error: BaseException, overdue: bool, stopped: str) -> tuple[str, str | None]:
    if isinstance(error, SextonError):
        return _purposely(error), own_words(error)
    fault = fault_behind(error)
    if stopped and (isinstance(error, KeyboardInterrupt) or fault is Fault.CANCELLED):
        return "cancelled", stopped
    if fault is Fault.CANCELLED and overdue:
        return "timed_out", None
    return ("cancelled" if fault in PASSING else "failed"), None


def _purposely(error: SextonError) -> str:
    """Of an error that we raise ourselves."""
    if isinstance(error, TimedOut):
        return "timed_out"
    if isinstance(error, LeaseLost):
        return "held"
    if isinstance(error, DatabaseUnreachable):
        return "unreachable"
    return "cancelled" if isinstance(error, Stopped | HeldElsewhere) else "failed"


def fault_behind(error: BaseException) -> Fault | None:
    """What the database said, when this error is the database's or was raised because of one; else None."""
    for one in causes(error):
        fault = classify(one) if isinstance(one, DBAPIError) else driver_fault(one)
        if isinstance(one, SQLAlchemyError) and one.code == LOST_BEFORE:
            fault = Fault.GONE
        if fault is not None:
            return fault
    return None
