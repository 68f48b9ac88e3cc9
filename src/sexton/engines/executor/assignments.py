"""What an executor was given to do, as whoever gave it knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...slots.due_run import DueRun


@dataclass(slots=True)
class Assignment:
    """What a busy executor does. begun: it has heard of it.  claimed: its run row, once it is ours.

    ends: monotonic time at which it is killed.
    last_word: what it said before it ended itself, as the run did not end.  outcome: its last message, or "gone".
    """

    due: DueRun
    ends: float
    begun: bool = False
    claimed: dict[str, Any] | None = None
    last_word: dict[str, Any] | None = None
    outcome: dict[str, Any] | None = None


@dataclass(slots=True)
class ShiftAssignment:
    """Requests that a busy executor takes, until it says that it is over, or is gone. holder: its row in `workers`.

    ends: monotonic time at which it is killed; each request has an earlier end of its own.  more: others may wait.
    in_hand: of a process that is gone, the request that it had called last; 0: none.  overdue: the kernel ended it, as
    that one's code did not come back in time.
    """

    holder: str
    ends: float
    ending: bool = False
    over: bool = False
    more: bool = False
    gone: bool = False
    in_hand: int = 0
    overdue: bool = False
