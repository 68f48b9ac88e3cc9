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
    databases: Iterable[FleetDatabase],
    errand: Errand,
    caps: Caps,
    stop: Stop,
    *,
    make: MakeVisit = Visit,
    fitted: Callable[[FleetDatabase], Errand] | None = None,
) -> Round[VisitReport]:
    """make: how a visit is begun; another one where no database is to be asked.

    fitted: gives the errand for each database, where it is not the same in all.
    """
    errand_of = fitted or (lambda _database: errand)

    def unvisited(database: FleetDatabase, contact: Contact, words: str) -> VisitReport:
        state = NoRun.UNREACHABLE if contact is Contact.NOT_TRIED else RunState.FAILED
        names = errand_of(database).not_done()
        results = tuple(JobResult(name, state, errand.slot, 0, words) for name in names)
        return VisitReport(database.name, database.server, contact, results)

    return Round(databases, caps, stop, lambda database: make(database, errand_of(database)), unvisited)
