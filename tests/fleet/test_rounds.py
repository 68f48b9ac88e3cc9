"""A round that goes on for days, as that of a worker does: what a database had to wait for once is forgotten."""

from __future__ import annotations

from itertools import count

from sexton.fleet.caps import Caps
from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.results import Contact, VisitReport
from sexton.fleet.rounds import CROWDED_TRIES, Round
from sexton.fleet.visit import Visit
from sexton.runs.stop_signals import Stop
from tests.support.fleet_runners import errand


class CrowdedVisit(Visit):
    """Its server has no connection left."""

    made = 0

    def make(self) -> VisitReport:
        CrowdedVisit.made += 1
        return VisitReport(self.database.name, self.database.server, Contact.CROWDED)


def test_each_time_that_a_database_is_due_it_waits_for_a_connection_as_often() -> None:
    """Tries were counted for the life of the worker, so that later it did not wait any more."""
    hours = count(0, 3600)
    database = FleetDatabase("anna", "sqlite://", None, "one", {}, DatabaseState.ACTIVE)
    visits = Round((), errand(), Caps(8, 4, lambda: float(next(hours))), Stop(), make=CrowdedVisit)
    tries = []
    for _ in range(3):
        CrowdedVisit.made = 0
        visits.add([database])
        assert [report.database for reports in visits.reports() for report in reports] == ["anna"]
        tries.append(CrowdedVisit.made)

    assert tries == [CROWDED_TRIES] * 3
