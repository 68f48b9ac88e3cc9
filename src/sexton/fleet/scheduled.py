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
        self._definitions = definitions
        self._make = make
        self._jobs = {job.name: job for job in errand.jobs}
        self.rollouts = Rollouts(definitions, channels)
        self._unwritten: list[VisitReport] = []
        self._round = job_visits((), errand, caps, stop, make=self._begun)

    def look(self, databases: Sequence[FleetDatabase]) -> None:
        """Take in those with something due that may run there, or where nothing is planned yet.

        SextonError and errors of the home database pass.
        """
        with connection_errors_translated(self._home), short_transaction(self._home, self._errand.lease) as connection:
            require_schema(connection)
            due, planned = due_jobs(connection, ask_now(connection)), planned_names(connection, list(self._jobs))
            self.rollouts.look(connection, databases, due)
        self._round.add(one for one in databases if one.name not in planned or self._may_run(one, due))

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

    def _may_run(self, database: FleetDatabase, due: Mapping[str, set[str]]) -> bool:
        return any(job in self._jobs and self.rollouts.allows(job, database.name) for job in due.get(database.name, ()))

    def _begun(self, database: FleetDatabase, errand: Errand) -> Visit:
        """A visit in which only those jobs change rows that have come so far in their waves."""
        held = {job.name for job in errand.jobs if not self.rollouts.may_change(job.name, database.name)}
        return self._make(database, replace(errand, held=frozenset(held)))
