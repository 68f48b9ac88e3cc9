"""Do the same for many databases at once: so many in all, so many of one server, and one that hangs holds up nobody."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from ..errors import SextonError, TimedOut
from .database import FleetDatabase

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class VisitLimits:
    """connections: databases at once.  per_server: of one server.  seconds: for one, then it is told as one that hangs.

    connect_seconds: for its connection.
    """

    connections: int = 16
    per_server: int = 4
    connect_seconds: float = 5.0
    seconds: float = 60.0


@dataclass(slots=True)
class _Begun:
    """A visit that goes on. told: it took too long, and that was said; it still has its place."""

    database: FleetDatabase
    ends: float
    told: bool = False


class SideBySide(Generic[T]):
    """One pass over the databases; servers take turns, and of each its databases go in the order given.

    A visit that takes too long is answered with TimedOut, and keeps its place in the counts until it has ended, as its
    connection may still be there. Its thread dies with the process.
    """

    def __init__(self, databases: Iterable[FleetDatabase], visit: Callable[[FleetDatabase], T], limits: VisitLimits):
        self._visit, self._limits = visit, limits
        self._waiting: dict[str, deque[FleetDatabase]] = {}
        for database in databases:
            self._waiting.setdefault(database.server, deque()).append(database)
        self._turns = deque(self._waiting)
        self._begun: dict[str, _Begun] = {}
        self._on_server: Counter[str] = Counter()
        self._answers: queue.SimpleQueue[tuple[FleetDatabase, T | Exception]] = queue.SimpleQueue()
        self.stopped = False
        """Set to True: no further visit begins; those that go on are awaited."""

    def __iter__(self) -> Iterator[tuple[FleetDatabase, T | Exception]]:
        """Each database with its answer, or with what went wrong, as they come."""
        while True:
            self._begin()
            if all(begun.told for begun in self._begun.values()):
                break  # nothing goes on that is still waited for, and nothing can begin
            yield from self._ended()
        if not self.stopped:
            yield from self._left_waiting()

    def not_begun(self) -> list[FleetDatabase]:
        """Those whose turn has not come."""
        return [database for waiting in self._waiting.values() for database in waiting]

    def _begin(self) -> None:
        """As many as the limits allow, one of each server after the other."""
        idle = 0
        while not self.stopped and len(self._begun) < self._limits.connections and idle < len(self._turns):
            server = self._turns[0]
            self._turns.rotate(-1)
            if not self._waiting[server] or self._on_server[server] >= self._limits.per_server:
                idle += 1
                continue
            idle = 0
            self._begin_one(self._waiting[server].popleft())

    def _begin_one(self, database: FleetDatabase) -> None:
        self._begun[database.name] = _Begun(database, time.monotonic() + self._limits.seconds)
        self._on_server[database.server] += 1
        threading.Thread(target=partial(self._go, database), name=f"visit {database.name}", daemon=True).start()

    def _go(self, database: FleetDatabase) -> None:
        answer: T | Exception
        try:
            answer = self._visit(database)
        except Exception as error:
            answer = error
        self._answers.put((database, answer))

    def _ended(self) -> Iterator[tuple[FleetDatabase, T | Exception]]:
        """The next that has ended, or those whose time is over."""
        ends = min(begun.ends for begun in self._begun.values() if not begun.told)
        try:
            database, answer = self._answers.get(timeout=max(ends - time.monotonic(), 0.0))
        except queue.Empty:
            for begun in self._begun.values():
                if not begun.told and begun.ends <= time.monotonic():
                    begun.told = True
                    yield begun.database, TimedOut(f"no end within {self._limits.seconds:g} s")
            return
        self._on_server[database.server] -= 1
        if not self._begun.pop(database.name).told:
            yield database, answer

    def _left_waiting(self) -> Iterator[tuple[FleetDatabase, T | Exception]]:
        for database in self.not_begun():
            yield database, SextonError("not tried: visits to its server do not end")
        self._waiting.clear()
