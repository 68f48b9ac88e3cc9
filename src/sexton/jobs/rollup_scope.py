"""Which windows of a roll-up a run computes: those of every run, all anew, or those of a stretch of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RollupScope:
    """Which windows a run computes; by default those that are new, and those that are not sealed yet.

    rebuild: all for which rows are there, from the oldest row, in the windows of the schedule as it is now.
    start, end: those that lie in this stretch, also sealed ones, if their rows are all there; the mark stays.
    """

    rebuild: bool = False
    start: datetime | None = None
    end: datetime | None = None


EVERY_RUN = RollupScope()
"""What a run computes that nobody asked for anything else."""
