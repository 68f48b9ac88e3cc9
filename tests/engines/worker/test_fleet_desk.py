"""A worker that serves a fleet: jobs run in its databases, and the home database only remembers (PGC-1)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sexton.engines.worker.fleet_desk import FleetDesk
from sexton.fleet.caps import Caps
from sexton.fleet.inventory import Inventory
from sexton.fleet.memory import read_jobs
from sexton.fleet.scheduled import ScheduledVisits
from sexton.run_state import RunState
from sexton.testing.postgres import Server
from sexton.testing.processes import wait_until
from tests.support.children import command_line
from tests.support.fleet_runners import errand
from tests.support.merchant_fleet import DUE, INSTALLATION, MerchantFleet, left, purge_job
from tests.support.patience import PATIENCE
from tests.support.workers import Start

pytestmark = pytest.mark.databases("postgres18")

YEARLY = "shop.yearly_purge"
SETTINGS = """
database = "{home}"
installation = "{installation}"
jobs = ["tests.support.merchant_jobs"]
[fleet]
file = "fleet.jsonl"
refresh = "5s"
"""


@pytest.fixture
def fleet(server: Server, tmp_path: Path) -> Iterator[MerchantFleet]:
    """Two merchants, in a list beside the settings."""
    merchants = MerchantFleet(server, "worker_fleet")
    merchants.open(["anna", "bert"])
    settings = SETTINGS.format(home=merchants.home_url, installation=INSTALLATION)
    (tmp_path / "sexton.toml").write_text(settings)
    merchants.write_list(tmp_path / "fleet.jsonl", merchants.databases.values())
    yield merchants
    merchants.close()


def is_planned(fleet: MerchantFleet, *names: str) -> bool:
    """Whether the home database knows when to visit these."""
    with fleet.home.connect() as connection:
        return {row.database for row in read_jobs(connection, YEARLY) if row.next_at is not None} >= {*names}


def states(fleet: MerchantFleet, name: str) -> list[tuple[str]]:
    """Of runs in one of them, or at home."""
    with fleet.session(name) as session:
        return session.execute("SELECT state FROM sexton.runs WHERE job = %s", (YEARLY,)).fetchall()


def test_pgc_1_the_worker_visits_where_something_is_due(fleet: MerchantFleet, tmp_path: Path, start: Start) -> None:
    worker = start(command_line, "worker", f"--config={tmp_path / 'sexton.toml'}")
    wait_until(lambda: is_planned(fleet, "anna", "bert"), PATIENCE)
    assert [left(one.address) for one in fleet.databases.values()] == [2 * DUE] * 2
    for name in fleet.databases:
        fleet.has_a_past(name, YEARLY)

    wait_until(lambda: all(states(fleet, name) for name in fleet.databases), PATIENCE)
    worker.wait_for('"fleet run ended"')
    worker.send(signal.SIGTERM)

    assert worker.wait() == 0
    assert [states(fleet, name) for name in ("anna", "bert", "home")] == [[(RunState.SUCCEEDED,)]] * 2 + [[]]
    assert [left(one.address) for one in fleet.databases.values()] == [DUE] * 2
    assert '"job left out of the fleet", "job": "shop.greet"' in worker.output


def test_a_database_that_joins_is_visited_within_a_refresh(fleet: MerchantFleet, tmp_path: Path, start: Start) -> None:
    worker = start(command_line, "worker", f"--config={tmp_path / 'sexton.toml'}")
    wait_until(lambda: is_planned(fleet, "anna", "bert"), PATIENCE)
    fleet.open(["cleo"])
    fleet.write_list(tmp_path / "fleet.jsonl", fleet.databases.values())

    wait_until(lambda: is_planned(fleet, "cleo"), PATIENCE)
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0


def test_what_is_to_be_said_about_the_list_is_said(fleet: MerchantFleet) -> None:
    """A database that could not be kept, as its command is not known any more, was left out without a word."""
    said: list[str] = []
    job = purge_job()

    def say(_what: str, *, reason: str | None = None, **_more: object) -> None:
        said.append(str(reason))

    desk = FleetDesk(
        lambda: Inventory(
            (), ("anna: the command that has its password is no longer in the list",), "the list is empty"
        ),
        lambda stop: ScheduledVisits(fleet.home, errand(), Caps(1, 1), stop, {job.name: "new"}),
        60.0,
        say,
    )
    desk.turn(True)
    wait_until(lambda: bool(said), PATIENCE)
    desk.close("the test is over", PATIENCE)

    assert said == ["the list is empty; anna: the command that has its password is no longer in the list"]
