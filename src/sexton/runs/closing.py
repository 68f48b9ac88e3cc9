"""Closing a run at its end: its row is written once, however often that has to be tried."""

from __future__ import annotations

import time
from dataclasses import replace

from sqlalchemy.exc import SQLAlchemyError

from ..errors import LeaseLost, SextonError
from ..run_state import NoRun, OutcomeCode, RunState
from ..slots.claim import committed, finish
from ..slots.ending import Ending
from .context import RunContext
from .failure import error_message

FINISHING = 6
"""How often closing a run is tried; the waits between grow to some seconds."""


def closed(context: RunContext, ending: Ending) -> Ending:
    """Put it on record; how the run has ended by that: `held` or `unreachable` where it could not be written."""
    return _given_up(context, ending) if isinstance(ending.state, NoRun) else _finished(context, ending)


def _given_up(context: RunContext, ending: Ending) -> Ending:
    """A run that cannot be closed, by its error; but anybody may raise such an error, and the database may be back."""
    cancelled = replace(ending, state=RunState.CANCELLED)
    try:
        finish(context.engine, context.claim, cancelled, context.steps)
    except (SQLAlchemyError, SextonError):
        return ending
    return cancelled


def _finished(context: RunContext, ending: Ending) -> Ending:
    """Close the run row, trying again when the connection breaks; whether a lost COMMIT counted is looked up."""
    for tries in range(FINISHING):
        try:
            finish(context.engine, context.claim, ending, context.steps)
        except LeaseLost as lost:
            # Closing gives the lease back: after a lost answer this may be our own doing.
            ours = tries > 0 and committed(context.engine, context.claim)[1] == ending.state
            return ending if ours else Ending(NoRun.HELD, str(lost))
        except SQLAlchemyError as gone:
            broken = gone
            time.sleep(0.05 * 2**tries)
        else:
            return ending
    return Ending(NoRun.UNREACHABLE, error_message(broken), code=OutcomeCode.DATABASE_LOST)
