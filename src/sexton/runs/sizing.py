"""How many rows the next batch takes: whatever lately took the time we aim at. Pure.

The measure is time, not rows: a disk that commits in 1 ms needs ten times the rows of one that commits in 0.03 ms
for the same rate, and a neighbour who wants one of our rows waits for the rest of our batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_BATCH_SECONDS = 0.25
"""Seconds that no batch should pass, whatever is aimed at."""

MAX_BATCH_ROWS = 100_000
"""Rows, or blocks, of a batch, whatever time there is."""

_STEP = 4.0
_LATELY = 3
_SMALLER = 0.6


@dataclass(slots=True)
class Sizer:
    """Size of the next batch.

    size: rows (or blocks) of the next batch.  goal: seconds a batch should take.  most: never more rows than this.
    """

    size: int
    goal: float
    most: int = MAX_BATCH_ROWS
    _lately: list[tuple[int, float]] = field(default_factory=list, repr=False)
    _stubborn: int = field(default=0, repr=False)
    _fixed: float = field(default=0.0, repr=False)
    _lost: int = 0
    """Size before a search by halves began; 0 when none is under way."""

    def measured(self, size: int, seconds: float) -> None:
        """Learn from a full batch of `size` that took `seconds`."""
        self._learn_fixed_cost(size, seconds)
        self._lately = [*self._lately[1 - _LATELY :], (size, seconds)]
        goal = max(self.goal, min(MAX_BATCH_SECONDS * 0.8, 4 * self._fixed))
        # The middle of the last ones: one batch that had to wait for the disk or a processor teaches nothing.
        each = seconds / size if seconds > _STEP * goal else _middle([time / rows for rows, time in self._lately])
        factor = min(max(goal / max(each * size, 1e-6), 1 / _STEP), _STEP)
        grown = size + 1 if factor > 1 else 1  # from one row, a factor below 2 would never lead away
        if size < self._lost and seconds < MAX_BATCH_SECONDS / 2:
            grown = 2 * size  # a search by halves goes back up by doubling, however long a batch takes
        self._lost = 0 if size >= self._lost else self._lost
        self.size = min(max(int(size * factor), grown), self.most)

    def _learn_fixed_cost(self, size: int, seconds: float) -> None:
        """Twice in a row a much smaller batch took as long: the time is in the search (no index), not in the rows.

        Smaller batches would only search more often, so they get longer instead, until one is quick again.
        """
        if seconds < self._fixed / 2:
            self._fixed, self._stubborn = 0.0, 0
        if self._lately and size <= _SMALLER * self._lately[0][0]:
            as_long = 0.75 * self._lately[0][1] <= seconds <= 1.25 * self._lately[0][1]
            self._stubborn = self._stubborn + 1 if as_long else 0
            if self._stubborn >= 2:
                self._fixed, self._stubborn = seconds, 0

    def shrink(self, times: int, size: int) -> None:
        """A batch of `size` failed as a whole: look for the row in that many times fewer."""
        self._lost = max(self._lost, size)
        self.size = max(size // times, 1)
        self._lately = []


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
