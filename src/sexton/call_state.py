"""The states of a row that is called for; each group of states stands here, and nowhere else.

waiting ──claim──> claimed ──record──┬──> done                     it came to its end
   ^                  │              ├──> failed, gone, unknown    never; nobody there; nobody knows
   └── again, down ───┘              ├──> gave_up                  its horizon or its list of delays is over
                                     └──> moved                    the row was no longer what had been called for
"""

from __future__ import annotations

from enum import StrEnum


class CallState(StrEnum):
    """What a row of `calls` or `deliveries` can be."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"
    GAVE_UP = "gave_up"
    UNKNOWN = "unknown"
    MOVED = "moved"
    DROPPED = "dropped"
    """A person, a preference or its time took it back before it was made."""


OPEN_CALLS = (CallState.WAITING, CallState.CLAIMED)
"""Something may still come of it."""

ENDED_BADLY = (CallState.FAILED, CallState.GAVE_UP, CallState.UNKNOWN)
"""Somebody has to look: a dead letter."""

NOTHING_LEFT = (CallState.DONE, CallState.GONE, CallState.DROPPED, CallState.MOVED)
"""Closed, and nobody has to do anything."""
