"""What a worker does about a fleet: while it leads, a thread of its own visits databases where something is due.

The home database only remembers; jobs run in the databases of the fleet. Runs there have leases and slots of their own,
so that two leaders for a moment start nothing twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from ...db.faults import in_words
from ...errors import SextonError
from ...fleet.database import DatabaseState, FleetDatabase
from ...fleet.inventory import Inventory
from ...fleet.results import VisitReport
from ...fleet.scheduled import ScheduledVisits
from ...run_state import NoRun
from ...runs.stop_signals import Stop

FLEET_LOOK_SECONDS = 1.0
"""Seconds between two looks at what is due in the fleet."""

TROUBLE_REST_SECONDS = 5.0
"""Seconds of rest after the home database, or the list, could not be read."""

TURN_SECONDS = 0.5
"""Seconds between two looks at whether the worker leads."""

Begin = Callable[[Stop], ScheduledVisits]


class Leading(Protocol):
    """A loop that this stands beside."""

    def leads(self) -> bool:
        """Whether it is the one that has things done."""


class FleetDesk:
    """inventory: reads the list.  begin: makes what visits, for one time of leading.  refresh: seconds.

    say: writes one line of log.
    """

    def __init__(
        self, inventory: Callable[[], Inventory], begin: Begin, refresh: float, say: Callable[..., None]
    ) -> None:
        self._inventory = inventory
        self._begin = begin
        self._refresh = refresh
        self._say = say
        self._stop = Stop()
        self._thread: threading.Thread | None = None
        self._said = self._kept = ""
        self._databases: list[FleetDatabase] = []
        self._read_at = self._looked_at = 0.0

    def turn(self, leading: bool) -> None:
        """Begin to visit, or to end, as the worker leads or not."""
        working = self._thread is not None and self._thread.is_alive()
        if leading and not working:
            self._stop, self._read_at, self._looked_at = Stop(), 0.0, 0.0
            self._thread = threading.Thread(target=self._serve, args=(self._stop,), name="fleet")
            self._thread.start()
        elif not leading and working:
            self._stop.ask("another worker leads")

    @contextmanager
    def beside(self, loop: Leading, stop: Stop, grace: float) -> Iterator[None]:
        """Inside the block the fleet is served while the loop leads. grace: seconds for runs to end their batch."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(TURN_SECONDS):
                self.turn(loop.leads() and not stop.asked)

        thread = threading.Thread(target=watch, name="fleet desk", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.close(stop.reason, grace)

    def close(self, reason: str, seconds: float) -> None:
        """Visit nobody any more; runs end their batch, for which they have so long."""
        self._stop.ask(reason or "the worker ends")
        if self._thread is not None:
            self._thread.join(seconds)

    def _serve(self, stop: Stop) -> None:
        visits: ScheduledVisits | None = None
        while not stop.asked:
            try:
                visits = visits or self._begin(stop)
                self._look(visits)
                for reports in visits.reports():
                    self._tell(reports)
                    self._look(visits)
                stop.wait(FLEET_LOOK_SECONDS)
            except (SQLAlchemyError, SextonError, OSError) as error:
                self._trouble(in_words(error))
                stop.wait(TROUBLE_REST_SECONDS)

    def _look(self, visits: ScheduledVisits) -> None:
        """Read the list when it is time, and see what is due."""
        now = time.monotonic()
        if now - self._looked_at < FLEET_LOOK_SECONDS:
            return
        self._looked_at = now
        if not self._read_at or now - self._read_at >= self._refresh:
            found = self._inventory()
            self._read_at = now
            self._databases = [one for one in found.databases if one.state is DatabaseState.ACTIVE]
            self._kept = "; ".join(filter(None, (found.kept, *found.warnings)))
            if self._kept:
                self._trouble(self._kept)
        visits.look(self._databases)
        if not self._kept:
            self._trouble("")
        for job, why in visits.rollouts.halted():
            self._say("job halted in the fleet", job=job, reason=why)

    def _tell(self, reports: Sequence[VisitReport]) -> None:
        """One line a run that ended, and one for each database in which nothing could run."""
        for report in reports:
            for result in report.results:
                if result.state is not NoRun.ALREADY_DONE:
                    told = {"database": report.database, "job": result.job, "state": str(result.state)}
                    self._say("fleet run ended", **told, run=result.run_id, error=result.error)

    def _trouble(self, words: str) -> None:
        """Say it once, and once that it is over."""
        if words != self._said:
            self._said = words
            self._say("trouble with the fleet" if words else "trouble with the fleet is over", reason=words or None)
