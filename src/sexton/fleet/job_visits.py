"""A round of visits in which jobs run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..run_state import NoRun, RunState
from ..runs.stop_signals import Stop
from .caps import Caps
from .database import FleetDatabase
from .results import Contact, JobResult, VisitReport
from .rounds import Round
from .visit import Errand, Visit

MakeVisit = Callable[[FleetDatabase, Errand], Visit]


def job_visits(
    databases: Iterable[FleetDatabase], errand: Errand, caps: Caps, stop: Stop, *, make: MakeVisit = Visit
) -> Round[VisitReport]:
    """make: how a visit is begun; another one where no database is to be asked."""

    def unvisited(database: FleetDatabase, contact: Contact, words: str) -> VisitReport:
        state = NoRun.UNREACHABLE if contact is Contact.NOT_TRIED else RunState.FAILED
        results = tuple(JobResult(job.name, state, errand.slot, 0, words) for job in errand.jobs)
        return VisitReport(database.name, database.server, contact, results)

    return Round(databases, caps, stop, lambda database: make(database, errand), unvisited)
