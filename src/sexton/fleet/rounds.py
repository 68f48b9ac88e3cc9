"""A round: one visit to each of some databases, so many beside each other as the caps allow.

Each visit has a thread of its own, which ends with it. The round itself goes on in one thread, which starts visits,
hands out what they report, and cuts the connection of one that outlasts every limit.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from queue import Empty, SimpleQueue

from ..console import write_traceback
from ..run_state import NoRun, RunState
from ..runs.stop_signals import Stop
from .caps import STRIKES, Caps
from .database import FleetDatabase
from .results import Contact, JobResult, JobState, VisitReport
from .turns import Turns
from .visit import Errand, Visit

ROUND_TICK_SECONDS = 0.25
"""Seconds after which a round hands out what it has, or nothing: whoever called has other things to do as well."""

CROWDED_TRIES = 8
"""So often a database is tried whose server has no connection left."""

MakeVisit = Callable[[FleetDatabase, Errand], Visit]


class Round:
    """make: how a visit is begun; another one where no database is to be asked."""

    def __init__(
        self,
        databases: Iterable[FleetDatabase],
        errand: Errand,
        caps: Caps,
        stop: Stop,
        *,
        make: MakeVisit = Visit,
    ) -> None:
        self._errand = errand
        self._caps = caps
        self._stop = stop
        self._make = make
        self._turns = Turns(databases, caps)
        self._under_way: dict[str, tuple[FleetDatabase, Visit]] = {}
        self._ended: SimpleQueue[VisitReport] = SimpleQueue()
        self._crowded: Counter[str] = Counter()
        self._left: list[VisitReport] = []
        self._halted = False

    def reports(self) -> Generator[list[VisitReport], None, None]:
        """What visits came to, as they end; often an empty list. Ends when all are over.

        May be asked for again where `add` brought more. Once somebody asked to stop, no visit begins, and those under
        under way end their batch. What ended after nobody listened any more is handed out the next time.
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
            visit = self._make(database, self._errand)
            self._under_way[database.name] = (database, visit)
            threading.Thread(target=self._visit, args=(visit, database), name=f"visit {database.name}").start()

    def _visit(self, visit: Visit, database: FleetDatabase) -> None:
        try:
            report = visit.make()
        except BaseException as error:  # of ours, that nobody foresaw: the others go on, and it is told
            write_traceback(error)
            words = f"unexpected {type(error).__name__} in its visit"
            report = self._unvisited(database, Contact.REFUSED, RunState.FAILED, words)
        self._ended.put(report)

    def _finished(self) -> list[VisitReport]:
        """Those that have ended; waits for the first."""
        found: list[VisitReport] = []
        try:
            if self._under_way or self._turns:
                found.append(self._ended.get(timeout=ROUND_TICK_SECONDS))
            while True:
                found.append(self._ended.get_nowait())
        except Empty:
            return [report for report in found if self._is_over(report)]

    def _is_over(self, report: VisitReport) -> bool:
        """Give its connection back; whether that was its last try."""
        database, _ = self._under_way.pop(report.database)
        self._caps.ended(report.server, report.contact)
        self._crowded[report.database] += 1
        tries = CROWDED_TRIES if report.contact is Contact.CROWDED and not (self._stop.asked or self._halted) else 0
        if self._crowded[report.database] >= tries:
            del self._crowded[report.database]  # a worker has one round for days
            return True
        self._turns.put_back(database)
        return False

    def _not_tried(self) -> Iterator[VisitReport]:
        for database in self._turns.of_servers_down():
            words = f"{database.server} did not answer {STRIKES} times in a row; not tried"
            yield self._unvisited(database, Contact.NOT_TRIED, NoRun.UNREACHABLE, words)

    def _unvisited(self, database: FleetDatabase, contact: Contact, state: JobState, words: str) -> VisitReport:
        slot = self._errand.slot
        results = tuple(JobResult(job.name, state, slot, 0, words) for job in self._errand.jobs)
        return VisitReport(database.name, database.server, contact, results)

    def _cut_overdue(self) -> None:
        now = time.monotonic()
        for _, visit in self._under_way.values():
            if now > visit.ends:
                visit.cut()
