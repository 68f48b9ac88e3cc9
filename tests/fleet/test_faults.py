"""A fleet of which eight databases are broken, each in another way: the others are done, and each says why (PGC-1)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from sexton.fleet.caps import Caps
from sexton.fleet.results import GridColumn, VisitReport, column_of
from sexton.fleet.running import FleetOrder, FleetRunner
from sexton.runs.context import Limits
from sexton.runs.runner import RunOptions
from sexton.runs.stop_signals import Stop
from sexton.testing.postgres import Server
from tests.support.faulty_merchants import REASONS, broken
from tests.support.fleet_runners import errand, prove
from tests.support.merchant_fleet import DUE, MerchantFleet, left, purge_job
from tests.support.patience import PATIENCE

pytestmark = pytest.mark.databases("postgres18")

COLUMNS = {
    "down": GridColumn.UNREACHED,
    "password": GridColumn.UNREACHED,
    "behind": GridColumn.BEHIND,
    "locked": GridColumn.PUT_OFF,
    "slow": GridColumn.FAILED,
    "full": GridColumn.FAILED,
    "read_only": GridColumn.FAILED,
    "dropped": GridColumn.UNREACHED,
}

PATIENT = RunOptions(limits=Limits(lease=60.0, renew=10.0, statement=30.0))
SLOW = "10s"
"""Time limit of the job. All but one have far more than they need."""


@pytest.fixture
def own_merchants(start_server: Callable[..., Server]) -> Iterator[MerchantFleet]:
    """On a server of the test's own, as its rules for passwords and its tablespaces change."""
    made = MerchantFleet(start_server(), "faulty")
    yield made
    made.close()


class Watched:
    """What a watcher saw of the server: the most sessions of ours at once, in all and in one database."""

    def __init__(self) -> None:
        self.most = self.most_of_one = self.looks = 0


@contextmanager
def watching(merchants: MerchantFleet) -> Iterator[Watched]:
    """Inside the block somebody looks at the sessions of the merchants' databases, again and again."""
    seen, over = Watched(), threading.Event()
    ours = (
        "SELECT coalesce(sum(n), 0), coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM pg_stat_activity"
        " WHERE application_name = 'sexton' AND datname <> %s GROUP BY datname) AS counted"
    )

    def watch(connection: psycopg.Connection[Any]) -> None:
        while not over.wait(0.01):
            row = connection.execute(ours, (merchants.name_of("home"),)).fetchone()
            assert row is not None
            seen.most, seen.most_of_one = max(seen.most, int(row[0])), max(seen.most_of_one, int(row[1]))
            seen.looks += 1

    with merchants.session() as connection:
        watcher = threading.Thread(target=watch, args=(connection,))
        watcher.start()
        try:
            yield seen
        finally:
            over.set()
            watcher.join()


def run_over(merchants: MerchantFleet, healthy: int, cap: int) -> tuple[dict[str, VisitReport], Watched]:
    """The job over so many healthy merchants and the broken ones."""
    merchants.open([*(f"shop_{number}" for number in range(healthy)), *REASONS])
    told: dict[str, VisitReport] = {}

    def tell(report: VisitReport) -> None:
        told[report.database] = report

    job = purge_job(timeout=SLOW)
    with broken(merchants), watching(merchants) as seen:
        options = RunOptions(limits=PATIENT.limits, stop=Stop())
        runner = FleetRunner(
            merchants.home, errand(options=options, connect_seconds=PATIENCE), Caps(cap, cap), Stop(), told=tell
        )
        prove(merchants.home, job.name, "proven")  # waves have tests of their own
        end = runner.run(FleetOrder(job, "proven"), [*merchants.databases.values()])
    assert end.halted == ""
    return told, seen


def assert_all_is_told(merchants: MerchantFleet, told: dict[str, VisitReport], seen: Watched, cap: int) -> None:
    """The healthy ones are done, the others say why, and there were never more connections than allowed."""
    for name, database in merchants.databases.items():
        (result,) = told[name].results
        if name not in REASONS:
            assert (column_of(result.state), result.error) == (GridColumn.DONE, None)
            assert left(database.address) == DUE
            continue
        assert REASONS[name] in str(result.error), name
        assert column_of(result.state) is COLUMNS[name], (name, result)
    assert 0 < seen.most <= cap
    assert seen.most_of_one == 1


def test_pgc_1_each_broken_database_says_why_and_holds_nobody(own_merchants: MerchantFleet) -> None:
    told, seen = run_over(own_merchants, healthy=4, cap=3)

    assert_all_is_told(own_merchants, told, seen, cap=3)


@pytest.mark.slow
def test_pgc_1_of_two_hundred_all_but_the_eight_broken_are_done(own_merchants: MerchantFleet) -> None:
    told, seen = run_over(own_merchants, healthy=192, cap=8)

    assert len(told) == 200
    assert_all_is_told(own_merchants, told, seen, cap=8)
