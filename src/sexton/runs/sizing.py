"""How many rows the next batch takes: whatever lately took the time we aim at. Pure.

The measure is time, not rows: a disk that commits in 1 ms needs ten times the rows of one that commits in 0.03 ms
for the same rate, and a neighbour who wants one of our rows waits for the rest of our batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

CEILING = 0.25
"""Seconds that no batch should pass, whatever is aimed at."""

_STEP = 4.0


@dataclass(slots=True)
class Sizer:
    """Size of the next batch.

    size: rows (or blocks) of the next batch.  goal: seconds a batch should take.  most: never more rows than this.
    """

    size: int
    goal: float
    most: int = 100_000
    _before: tuple[int, float] | None = field(default=None, repr=False)
    _lost: int = 0
    """Size before a search by halves began; 0 when none is under way."""

    def measured(self, size: int, seconds: float) -> None:
        """Learn from a full batch of `size` that took `seconds`."""
        goal = self.goal
        if self._before and self._fixed_cost(size, seconds) > goal / 2:
            # Most of the time does not depend on the size (a scan without index): smaller batches only scan more often.
            goal = min(CEILING * 0.8, 4 * self._fixed_cost(size, seconds))
        self._before = (size, seconds)
        factor = min(max(goal / max(seconds, 1e-6), 1 / _STEP), _STEP)
        grown = size + 1 if factor > 1 else 1  # from one row, a factor below 2 would never lead away
        if size < self._lost and seconds < CEILING / 2:
            grown = 2 * size  # a search by halves goes back up by doubling, however long a batch takes
        self._lost = 0 if size >= self._lost else self._lost
        self.size = min(max(int(size * factor), grown), self.most)

    def _fixed_cost(self, size: int, seconds: float) -> float:
        """Seconds a batch would take with no rows, from the last two measurements."""
        assert self._before is not None
        other, other_seconds = self._before
        if abs(size - other) < 0.2 * max(size, other):
            return 0.0
        each = (seconds - other_seconds) / (size - other)
        return max(0.0, min(seconds, other_seconds) - max(each, 0.0) * min(size, other))

    def shrink(self, times: int, size: int) -> None:
        """A batch of `size` failed as a whole: look for the row in that many times fewer."""
        self._lost = max(self._lost, size)
        self.size = max(size // times, 1)
        self._before = None
