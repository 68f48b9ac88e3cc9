"""Visits by schedule: whichever databases have something due, as the home database remembers; nobody else is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Engine

from ..db.connect import connection_errors_translated
from ..db.migrate import require_schema
from ..db.server_clock import ask_now
from ..runs.stop_signals import Stop
from ..slots.lease import short_transaction
from .caps import Caps
from .database import FleetDatabase
from .records import due_names, planned_names, write_reports
from .results import VisitReport
from .rounds import MakeVisit, Round
from .visit import Errand, Visit


class ScheduledVisits:
    """home: that remembers.  definitions: fingerprint of each job.  make: see `Round`."""

    def __init__(
        self,
        home: Engine,
        errand: Errand,
        caps: Caps,
        stop: Stop,
        definitions: Mapping[str, str],
        *,
        make: MakeVisit = Visit,
    ) -> None:
        self._home = home
        self._errand = errand
        self._caps = caps
        self._stop = stop
        self._definitions = definitions
        self._make = make
        self._jobs = {job.name: job for job in errand.jobs}

    def due(self, databases: Sequence[FleetDatabase]) -> list[FleetDatabase]:
        """Those to be visited now: something is due there, or nobody has planned anything yet. Database errors pass."""
        with connection_errors_translated(self._home), short_transaction(self._home, self._errand.lease) as connection:
            require_schema(connection)
            due, planned = due_names(connection, ask_now(connection)), planned_names(connection, list(self._jobs))
        return [one for one in databases if one.name in due or one.name not in planned]

    def reports(self, databases: Sequence[FleetDatabase]) -> Iterator[list[VisitReport]]:
        """Visit those of these that are due, write down what came of it, and hand it on."""
        visits = Round(self.due(databases), self._errand, self._caps, self._stop, make=self._make)
        for reports in visits.reports():
            if reports:
                with short_transaction(self._home, self._errand.lease) as connection:
                    write_reports(connection, reports, self._jobs, self._definitions)
            yield reports
