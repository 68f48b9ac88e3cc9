"""When to look at which job next: a heap of instants, so that a tick costs what is due and not what is registered."""

from __future__ import annotations

import heapq
from datetime import datetime


class Agenda:
    """Jobs by the instant at which to look at them. A job stands in it once, at its earliest instant."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, str]] = []
        self._at: dict[str, datetime] = {}

    def look_at(self, name: str, at: datetime) -> None:
        """Look at this job at `at`, or earlier if that was wanted already."""
        known = self._at.get(name)
        if known is None or at < known:
            self._at[name] = at
            heapq.heappush(self._heap, (at, name))

    def due(self, now: datetime) -> list[str]:
        """Take out the jobs to look at now."""
        names = []
        while self._heap and self._heap[0][0] <= now:
            at, name = heapq.heappop(self._heap)
            if self._at.get(name) == at:
                del self._at[name]
                names.append(name)
        return names

    def next(self) -> datetime | None:
        """The next instant at which there is something to look at; None when there is nothing."""
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()
        self._at.clear()
