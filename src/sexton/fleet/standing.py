"""What an error means for a database of the fleet that nothing more could be done in."""

from __future__ import annotations

from ..db.faults import Fault
from ..errors import DatabaseUnreachable, HeldElsewhere, SchemaOutdated, SchemaUntrusted
from ..run_state import NoRun, RunState
from ..runs.failure import error_message
from ..runs.outcome import ended_by, fault_behind
from .contacts import why
from .identity import IdentityDiffers
from .results import JobState, Standing


class NotReached(DatabaseUnreachable):
    """It could not even be tried, or went away in the middle; the message is only why."""


def standing_after(error: Exception) -> tuple[JobState, str]:
    """How its jobs stand by this error, and why in one line."""
    if isinstance(error, NotReached):
        return NoRun.UNREACHABLE, str(error)
    if isinstance(error, DatabaseUnreachable):
        return NoRun.UNREACHABLE, why(error)
    if isinstance(error, IdentityDiffers):
        return Standing.UNCONFIRMED, str(error)
    if isinstance(error, SchemaOutdated) and not isinstance(error, SchemaUntrusted):
        return Standing.BEHIND, str(error).replace("sexton migrate", "sexton fleet migrate")
    if isinstance(error, HeldElsewhere):
        return NoRun.HELD, str(error)
    if fault_behind(error) is Fault.GONE:
        return NoRun.UNREACHABLE, error_message(error)
    ending = ended_by(error)
    words = ending.error or error_message(error)
    return (RunState.FAILED if isinstance(ending.state, NoRun) else ending.state), words
