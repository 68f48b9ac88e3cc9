"""Runs that end before they begin: put on record all the same, where there is something to put on record."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ..errors import HeldElsewhere
from ..run_state import NoRun, OutcomeCode, RunState
from ..slots.claim import AlreadyDone, claim, finish
from ..slots.due_run import DueRun
from ..slots.ending import Ending
from .context import Failure
from .failure import error_message
from .outcome import PASSING, Outcome, ended_by, fault_behind


def record_unstartable(
    database: Engine,
    due: DueRun,
    error: BaseException,
    *,
    lease_seconds: float,
    definition: str = "",
    ending: Ending | None = None,
) -> Outcome:
    """Put a run on record that could not begin: its table is missing, its work cannot be loaded, or ends the process.

    lease_seconds, definition: see `claim`.
    ending: state and code in which it ends; by default those that the error stands for.
    """
    found = ended_by(error)
    said = found.error or f"{due.job}: {error_message(error)}"
    ending = _could_not_begin(ending or found, said)
    state, code = ending.state, ending.code
    try:
        claimed = claim(database, due, lease_seconds=lease_seconds, definition=definition)
        finish(database, claimed, ending, None)
    except (AlreadyDone, HeldElsewhere) as none:
        return not_ours(due.job, none)
    except DBAPIError as unwritten:
        if fault_behind(unwritten) in PASSING:
            raise
        # The right to write our own tables may be what is missing: then it is said, and nowhere on record.
        return Outcome(due.job, state, error=said, code=code, failure=Failure(error), refused=True)
    run_id, as_of = claimed.run_id, claimed.as_of
    return Outcome(due.job, state, run_id, as_of, error=said, code=code, failure=Failure(error), refused=True)


def _could_not_begin(ending: Ending, said: str) -> Ending:
    if ending.state == RunState.FAILED:
        return Ending(RunState.FAILED, f"could not begin: {said}", code=OutcomeCode.COULD_NOT_BEGIN)
    # A look beforehand can break its own connection; if the database answers now, the slot is tried again.
    state = RunState.CANCELLED if ending.state == NoRun.UNREACHABLE else ending.state
    return replace(ending, state=state, error=said)


def not_ours(job: str, why: AlreadyDone | HeldElsewhere) -> Outcome:
    """How a run ends that somebody else has, or has had."""
    return Outcome(job, NoRun.ALREADY_DONE if isinstance(why, AlreadyDone) else NoRun.HELD, error=str(why))
