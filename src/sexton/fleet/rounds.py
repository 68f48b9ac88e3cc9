"""A round: one visit to each of some databases, so many beside each other as the caps allow.

Each visit has a thread of its own, which ends with it. The round itself goes on in one thread, which starts visits,
hands out what they report, and cuts the connection of one that outlasts every limit. What a visit does, and what its
report says, is not the round's: jobs (`job_visits`), a look, a migration (`condition_visits`).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

from ..console import write_traceback
from ..runs.stop_signals import Stop
from .caps import STRIKES, Caps
from .database import FleetDatabase
from .results import Contact
from .turns import Turns

ROUND_TICK_SECONDS = 0.25
"""Seconds after which a round hands out what it has, or nothing: whoever called has other things to do as well."""

CROWDED_TRIES = 8
"""So often a database is tried whose server has no connection left."""


class HasContact(Protocol):
    """A report."""

    @property
    def contact(self) -> Contact:
        """How far the visit came."""


Report = TypeVar("Report", bound=HasContact)
MadeReport = TypeVar("MadeReport", bound=HasContact, covariant=True)


class OneVisit(Protocol[MadeReport]):
    """A visit while it goes on. `make` it in one thread; the others are for the one that watches."""

    @property
    def ends(self) -> float:
        """By the monotonic clock; then it is cut."""

    def make(self) -> MadeReport:
        """Do it."""

    def cut(self) -> None:
        """End its connection from outside, also several times."""


class Round(Generic[Report]):
    """begin: makes a visit.  unvisited: makes the report of a database where none was, or one broke down; in words."""

    def __init__(
        self,
        databases: Iterable[FleetDatabase],
        caps: Caps,
        stop: Stop,
        begin: Callable[[FleetDatabase], OneVisit[Report]],
        unvisited: Callable[[FleetDatabase, Contact, str], Report],
    ) -> None:
        self._caps = caps
        self._stop = stop
        self._begin = begin
        self._unvisited = unvisited
        self._turns = Turns(databases, caps)
        self._under_way: dict[str, tuple[FleetDatabase, OneVisit[Report]]] = {}
        self._ended: SimpleQueue[tuple[str, Report]] = SimpleQueue()
        self._crowded: Counter[str] = Counter()
        self._left: list[Report] = []
        self._halted = False

    def reports(self) -> Generator[list[Report], None, None]:
        """What visits came to, as they end; often an empty list. Ends when all are over.

        May be asked for again where `add` brought more. Once somebody asked to stop, no visit begins, and those under
        way end their batch. What ended after nobody listened any more is handed out the next time.
        """
        try:
            while self._turns or self._under_way or self._left:
                if self._stop.asked or self._halted:
                    self._turns.clear()
                self._start()
                left, self._left = self._left, []
                yield [*left, *self._not_tried(), *self._finished()]
                self._cut_overdue()
        finally:  # whoever listened does so no longer: no thread may outlive the round
            self.halt()
            while self._under_way:
                self._left += self._finished()
                self._cut_overdue()
            self._halted = False

    def add(self, databases: Iterable[FleetDatabase]) -> None:
        """More to visit; those that wait or are under way stay as they are."""
        for database in databases:
            if database.name not in self._under_way:
                self._turns.put_back(database)

    def halt(self) -> None:
        """Begin no more visits; those under way go on to their end."""
        self._halted = True

    def _start(self) -> None:
        while (database := self._turns.take()) is not None:
            visit = self._begin(database)
            self._under_way[database.name] = (database, visit)
            threading.Thread(target=self._visit, args=(visit, database), name=f"visit {database.name}").start()

    def _visit(self, visit: OneVisit[Report], database: FleetDatabase) -> None:
        try:
            report = visit.make()
        except BaseException as error:  # of ours, that nobody foresaw: the others go on, and it is told
            write_traceback(error)
            words = f"unexpected {type(error).__name__} in its visit"
            report = self._unvisited(database, Contact.REFUSED, words)
        self._ended.put((database.name, report))

    def _finished(self) -> list[Report]:
        """Those that have ended; waits for the first."""
        found: list[tuple[str, Report]] = []
        try:
            if self._under_way or self._turns:
                found.append(self._ended.get(timeout=ROUND_TICK_SECONDS))
            while True:
                found.append(self._ended.get_nowait())
        except Empty:
            return [report for name, report in found if self._is_over(name, report.contact)]

    def _is_over(self, name: str, contact: Contact) -> bool:
        """Give its connection back; whether that was its last try."""
        database, _ = self._under_way.pop(name)
        self._caps.ended(database.server, contact)
        self._crowded[name] += 1
        tries = CROWDED_TRIES if contact is Contact.CROWDED and not (self._stop.asked or self._halted) else 0
        if self._crowded[name] >= tries:
            del self._crowded[name]  # a worker has one round for days
            return True
        self._turns.put_back(database)
        return False

    def _not_tried(self) -> Iterator[Report]:
        for database in self._turns.of_servers_down():
            words = f"{database.server} did not answer {STRIKES} times in a row; not tried"
            yield self._unvisited(database, Contact.NOT_TRIED, words)

    def _cut_overdue(self) -> None:
        now = time.monotonic()
        for _, visit in self._under_way.values():
            if now > visit.ends:
                visit.cut()
