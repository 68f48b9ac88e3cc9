"""Runs that end before they begin: put on record all the same, where there is something to put on record."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ..errors import HeldElsewhere
from ..slots.claim import AlreadyDone, claim, finish
from ..slots.due_run import DueRun
from ..slots.history import REFUSED
from .context import Failure
from .failure import error_message
from .outcome import PASSING, Outcome, ended_by, fault_behind


def record_unstartable(
    database: Engine, due: DueRun, error: BaseException, *, lease_seconds: float, definition: str = "", state: str = ""
) -> Outcome:
    """Put a run on record that could not begin: its table is missing, its work cannot be loaded, or ends the process.

    lease_seconds, definition: see `claim`.
    state: in which it ends; by default the one that the error stands for.
    """
    found, reason = ended_by(error)
    said = reason or f"{due.job}: {error_message(error)}"
    # A look beforehand can break its own connection; if the database answers now, the slot is tried again.
    state = state or ("cancelled" if found == "unreachable" else found)
    try:
        claimed = claim(database, due, lease_seconds=lease_seconds, definition=definition)
        finish(database, claimed, state, None, f"{REFUSED}{said}" if state == "failed" else said)
    except (AlreadyDone, HeldElsewhere) as none:
        return not_ours(due.job, none)
    except DBAPIError as unwritten:
        if fault_behind(unwritten) in PASSING:
            raise
        # The right to write our own tables may be what is missing: then it is said, and nowhere on record.
        return Outcome(due.job, state, error=said, failure=Failure(error), refused=True)
    return Outcome(due.job, state, claimed.run_id, claimed.as_of, error=said, failure=Failure(error), refused=True)


def not_ours(job: str, why: AlreadyDone | HeldElsewhere) -> Outcome:
    """How a run ends that somebody else has, or has had."""
    return Outcome(job, "already done" if isinstance(why, AlreadyDone) else "held", error=str(why))
