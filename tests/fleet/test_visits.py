"""Visits to the databases of a fleet: each by itself, each with its own slot, run row and reason (PGC-1)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path

import psycopg
import pytest

from sexton.db.connect import open_database
from sexton.fleet.caps import Caps
from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.job_visits import job_visits
from sexton.fleet.results import Contact, GridColumn, VisitReport, column_of
from sexton.fleet.running import FleetOrder, FleetRunner
from sexton.fleet.visit import Errand, Visit
from sexton.run_state import NoRun, RunState
from sexton.runs.stop_signals import Stop
from sexton.testing.postgres import Server
from tests.support.fleet_runners import errand, prove
from tests.support.inside import install
from tests.support.merchant_fleet import DUE, MerchantFleet, left, purge_job
from tests.support.proxy import Proxy
from tests.support.proxy_actions import MUTE

pytestmark = pytest.mark.databases("postgres")


def test_pgc_1_what_is_asked_for_a_slot_runs_once_in_each_database(merchants: MerchantFleet) -> None:
    merchants.open(["anna", "bert"])
    slot = datetime.now(UTC) - timedelta(minutes=1)

    for tries in ((RunState.SUCCEEDED, DUE, 1), (NoRun.ALREADY_DONE, 0, 0)):
        for database in merchants.databases.values():
            report = Visit(database, errand(slot=slot)).make()
            (result,) = report.results
            assert (result.state, result.counts.changed, result.attempt) == tries
            assert report.contact is Contact.MADE
            assert left(database.address) == DUE


def test_a_copy_is_barred_and_nothing_runs_in_it(merchants: MerchantFleet) -> None:
    """PGC-1: a database in another's place has the same rows, and would tell real people a second time."""
    merchants.open(["anna", "bert"])
    wrong = replace(merchants.databases["anna"], address=merchants.databases["bert"].address)

    (result,) = Visit(wrong, errand(slot=datetime.now(UTC))).make().results

    assert column_of(result.state) is GridColumn.BARRED
    assert "sexton fleet adopt anna" in str(result.error)
    assert left(wrong.address) == 2 * DUE


def test_jobs_of_a_visit_run_by_priority_and_a_later_slot_never_passes_one_that_is_open(
    merchants: MerchantFleet,
) -> None:
    merchants.open(["anna"])
    jobs = (purge_job("shop.last", priority=-1), purge_job("shop.first", priority=5), purge_job("shop.second"))

    report = Visit(merchants.databases["anna"], errand(jobs=jobs, slot=datetime.now(UTC))).make()

    assert [(one.job, one.counts.changed) for one in report.results] == [
        ("shop.first", DUE),
        ("shop.second", 0),
        ("shop.last", 0),
    ]


def test_a_database_of_another_kind_is_told_so(merchants: MerchantFleet, tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    file.touch()
    other = FleetDatabase("anna", f"sqlite:///{file}", None, "", {}, DatabaseState.ACTIVE)

    (result,) = Visit(other, errand(slot=datetime.now(UTC))).make().results

    assert (column_of(result.state), str(result.error)) == (
        GridColumn.FAILED,
        "it is sqlite, and the jobs were made for postgresql",
    )


class ImpatientVisit(Visit):
    """A visit that has had its time once the proxy has seen this statement."""

    proxy: Proxy
    seen: str
    cuts = 0

    @property
    def ends(self) -> float:
        seen = any(self.seen in statement.text for statement in self.proxy.statements)
        return 0.0 if seen and not self.cuts else inf

    @ends.setter
    def ends(self, _value: float) -> None: ...

    def cut(self) -> None:
        self.cuts += 1
        super().cut()


@pytest.mark.parametrize(
    ("statement", "column"),
    [
        ("DELETE", GridColumn.PUT_OFF),
        ("current_schemas", GridColumn.UNREACHED),  # the first of a session; a pooler without a server keeps it waiting
    ],
)
def test_a_server_that_stands_still_is_cut_off_and_nothing_of_it_is_committed(
    merchants: MerchantFleet, open_proxy: Callable[[str], Proxy], statement: str, column: GridColumn
) -> None:
    merchants.open(["anna"])
    database = merchants.databases["anna"]
    proxy = open_proxy(database.address)
    proxy.on(lambda seen: statement in seen.text, MUTE)
    through = replace(database, address=proxy.url_for(database.address))
    ImpatientVisit.proxy, ImpatientVisit.seen = proxy, statement
    made: list[ImpatientVisit] = []

    def make(one: FleetDatabase, wanted: Errand) -> Visit:
        made.append(ImpatientVisit(one, wanted))
        return made[-1]

    visits = job_visits([through], errand(slot=datetime.now(UTC)), Caps(1, 1), Stop(), make=make)
    ((report,),) = [reports for reports in visits.reports() if reports]

    assert made[0].cuts == 1
    assert [column_of(result.state) for result in report.results] == [column]
    assert left(database.address) == 2 * DUE


def test_a_server_with_few_connections_left_is_asked_by_fewer_until_all_are_done(
    start_server: Callable[..., Server],
) -> None:
    """SQLSTATE 53300: five of ten are others', two are home's."""
    server = start_server(max_connections="10")
    merchants = MerchantFleet(server, "crowded")
    merchants.open([f"shop_{number}" for number in range(12)])
    told: list[VisitReport] = []
    with ExitStack() as others:
        for _ in range(5):
            others.enter_context(psycopg.connect(merchants.url("home")))
        caps, job = Caps(8, 8), purge_job()
        prove(merchants.home, job.name, "proven")
        runner = FleetRunner(merchants.home, errand(), caps, Stop(), told=told.append)
        end = runner.run(FleetOrder(job, "proven"), [*merchants.databases.values()])
    merchants.close()

    assert end.summary.grid == {job.name: {GridColumn.DONE: 12}}
    assert {report.contact for report in told} == {Contact.MADE}
    assert "too many clients already" in server.log.read_text()


def test_pgc_7_a_visit_leaves_to_a_database_the_slots_of_jobs_that_have_a_procedure_there(
    merchants: MerchantFleet,
) -> None:
    """By what is installed in each: one merchant's database runs it by itself, another's does not."""
    merchants.open(["anna", "bert"])
    job = purge_job(engine="pg_cron")
    engine = open_database(merchants.databases["anna"].address)
    install(engine, job)
    engine.dispose()

    told = {}
    for name, database in merchants.databases.items():
        before = Visit(database, errand(jobs=(job,))).make().results  # from now on the schedule is known there
        merchants.has_a_past(name, job.name)
        results = [*before, *Visit(database, errand(jobs=(job,))).make().results]
        told[name] = {result.state for result in results}

    assert told == {"anna": set(), "bert": {RunState.SUCCEEDED}}
    assert [left(database.address) for database in merchants.databases.values()] == [2 * DUE, DUE]
