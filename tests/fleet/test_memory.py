"""Nothing of a visit stays in memory: neither the engine and what it compiled, nor what the visit reported."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from sexton.fleet.caps import Caps
from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.identity import take_in
from sexton.fleet.job_visits import job_visits
from sexton.fleet.results import Contact, JobResult, VisitReport
from sexton.fleet.summary import Summary
from sexton.fleet.visit import Visit
from sexton.run_state import NoRun, RunState
from sexton.runs.stop_signals import Stop
from tests.support.fleet_runners import errand
from tests.support.merchant_fleet import INSTALLATION, fill

FEW = 5_000
"""Objects that may come and go by themselves, in caches that fill. One engine with what it has compiled is some ten
thousand, so ten that stayed would be twenty times as many."""


def grown(work: Callable[[], object]) -> int:
    """How many objects more there are after it."""
    gc.collect()
    before = len(gc.get_objects())
    work()
    gc.collect()
    return len(gc.get_objects()) - before


@pytest.mark.databases("sqlite", "postgres18")
def test_a_visit_leaves_nothing(engine: Engine) -> None:
    fill(engine)
    database = FleetDatabase(
        "anna", engine.url.render_as_string(hide_password=False), None, "one", {}, DatabaseState.ACTIVE
    )
    with engine.begin() as connection:
        take_in(connection, database, INSTALLATION)
    began = datetime.now(UTC) - timedelta(days=1)
    slots = iter(range(1000))

    def visit(times: int) -> None:
        for _ in range(times):
            slot = began + timedelta(seconds=next(slots))
            report = Visit(database, errand(slot=slot, dialect=engine.dialect.name)).make()
            assert [result.state for result in report.results] == [RunState.SUCCEEDED]

    visit(10)  # what is loaded and kept once

    assert grown(lambda: visit(10)) < FEW


class SimulatedVisit(Visit):
    """Asks nobody; one of five does not answer, each in words of its own."""

    def make(self) -> VisitReport:
        number = int(self.database.name.removeprefix("shop_"))
        state = RunState.SUCCEEDED if number % 5 else NoRun.UNREACHABLE
        words = None if number % 5 else f"shop_{number} at port {number} refused"
        results = tuple(JobResult(job.name, state, None, 1, words) for job in self._errand.jobs)
        return VisitReport(self.database.name, self.database.server, Contact.MADE, results)


def test_two_thousand_databases_take_no_more_than_twenty() -> None:
    """What is kept of all of them is a count a column, and a reason with three names."""

    def go_round(number: int) -> Summary:
        fleet = (
            FleetDatabase(f"shop_{one}", "sqlite://", None, f"db{one % 9}", {}, DatabaseState.ACTIVE)
            for one in range(number)
        )
        summary = Summary()
        for reports in job_visits(fleet, errand(), Caps(16, 4), Stop(), make=SimulatedVisit).reports():
            for report in reports:
                summary.take(report)
        return summary

    go_round(20)
    kept: list[Summary] = []

    assert grown(lambda: kept.append(go_round(2_000))) < FEW
    (summary,) = kept
    assert summary.total == 2_000
    (reason,) = summary.reasons
    assert (reason.number, len(reason.names)) == (400, 3)
