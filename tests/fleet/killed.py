"""A run over the fleet in a process that kills itself after some visits, between their end and our record of it."""

from __future__ import annotations

import os
import signal
import sys

from sexton.db.connect import open_database
from sexton.fleet.caps import Caps
from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.results import VisitReport
from sexton.fleet.running import FleetOrder, FleetRunner
from sexton.fleet.visit import Visit
from sexton.runs.context import Limits
from sexton.runs.runner import RunOptions
from sexton.runs.stop_signals import Stop
from tests.support.fleet_runners import errand
from tests.support.merchant_fleet import purge_job


class MortalVisit(Visit):
    """The visits of a process that dies at the end of one of them."""

    left = 0

    def make(self) -> VisitReport:
        report = super().make()
        if self._errand.slot is not None:
            MortalVisit.left -= 1
            if MortalVisit.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return report


def go(home: str, visits: int) -> None:
    """Run until so many visits have ended; one at a time."""
    MortalVisit.left = visits
    stop = Stop()
    fleet = []
    for words in sys.argv[3:]:
        name, _, address = words.partition("=")
        fleet.append(FleetDatabase(name, address, None, "one", {}, DatabaseState.ACTIVE))
    wanted = errand(options=RunOptions(limits=Limits(), stop=stop))
    runner = FleetRunner(open_database(home), wanted, Caps(1, 1), stop, told=lambda _report: None, make=MortalVisit)
    runner.run(FleetOrder(purge_job(), "change"), fleet)
