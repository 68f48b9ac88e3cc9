"""Visits by schedule: whichever databases have something due, as the home database remembers; nobody else is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain

from sqlalchemy import Engine

from ..db.connect import connection_errors_translated
from ..db.migrate import require_schema
from ..db.server_clock import ask_now
from ..runs.stop_signals import Stop
from ..slots.lease import short_transaction
from .caps import Caps
from .database import FleetDatabase
from .job_visits import MakeVisit, job_visits
from .memory import due_jobs, planned_names, write_reports
from .results import VisitReport
from .rollouts import Rollouts
from .visit import Errand, Visit


class ScheduledVisits:
    """home: that remembers.  definitions: fingerprint of each job.  make: see `job_visits`.  channels: of alerts."""

    def __init__(
        self,
        home: Engine,
        errand: Errand,
        caps: Caps,
        stop: Stop,
        definitions: Mapping[str, str],
        *,
        make: MakeVisit = Visit,
        channels: Sequence[str] = (),
    ) -> None:
        self._home = home
        self._errand = errand
        self._due: Mapping[str, set[str]] = {}
        self._planned: set[str] = set()
        self._definitions = definitions
        self._jobs = {job.name: job for job in errand.jobs}
        self.rollouts = Rollouts(definitions, channels)
        self._unwritten: list[VisitReport] = []
        self._round = job_visits((), errand, caps, stop, make=make, fitted=self._fitted)

    def look(self, databases: Sequence[FleetDatabase]) -> None:
        """Take in those with something due that may run there, or where nothing is planned yet.

        SextonError and errors of the home database pass.
        """
        with connection_errors_translated(self._home), short_transaction(self._home, self._errand.lease) as connection:
            require_schema(connection)
            self._due = due_jobs(connection, ask_now(connection))
            self._planned = planned_names(connection, list(self._jobs))
            self.rollouts.look(connection, databases, self._due)
        self._round.add(one for one in databases if one.name not in self._planned or self._may_run(one))

    def reports(self) -> Iterator[list[VisitReport]]:
        """Visit them, write down what came of it, and hand it on; ends when nothing is left. `look` brings more.

        What could not be written down, as the home database was away, is written the next time.
        """
        with closing(self._round.reports()) as ended:
            for reports in chain([[]], ended):
                self._unwritten += reports
                if self._unwritten:
                    with short_transaction(self._home, self._errand.lease) as connection:
                        write_reports(connection, self._unwritten, self._jobs, self._definitions)
                written, self._unwritten = self._unwritten, []
                yield written

    def _may_run(self, database: FleetDatabase) -> bool:
        due = self._due.get(database.name, ())
        return any(job in self._jobs and self.rollouts.allows(job, database.name) for job in due)

    def _fitted(self, database: FleetDatabase) -> Errand:
        """A visit in which only those jobs change rows that have come so far in their waves; the others are planned.

        Where nothing can run, that is said of the jobs that are due; of all where they are not planned yet.
        """
        held = frozenset(name for name in self._jobs if not self.rollouts.may_change(name, database.name))
        due = frozenset(self._due.get(database.name, ())) if database.name in self._planned else None
        return replace(self._errand, held=held, due=due)
