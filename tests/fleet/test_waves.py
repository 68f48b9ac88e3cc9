"""Waves guard a change: a few first, then more, and trouble stops them; a run that was cut off goes on (PGC-1)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable

import pytest

from sexton import Guard, Job, Purge
from sexton.db.connect import open_database
from sexton.errors import LeaseLost
from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.fleet_run import FleetRunState, is_proven, latest
from sexton.fleet.memory import read_jobs
from sexton.fleet.results import Contact, GridColumn, JobResult, Standing, VisitReport
from sexton.fleet.running import FleetOrder, FleetRunner
from sexton.fleet.visit import NOT_YET, Visit
from sexton.fleet.waves import CANARIES, Tally, most_due, named_canaries, waves_of
from sexton.guard.arming import arm_job
from sexton.run_state import NoRun, RunState
from sexton.runs.context import Limits
from sexton.runs.runner import RunOptions, planned
from sexton.runs.stop_signals import Stop
from tests.support.merchant_fleet import DUE, MerchantFleet, left, purge_job, sessions
from tests.support.patience import PATIENCE

pytestmark = pytest.mark.databases("postgres18")

RunnerOf = Callable[..., FleetRunner]


def fleet_of(number: int, **labels: str) -> list[FleetDatabase]:
    """So many databases that nobody asks."""
    return [
        FleetDatabase(f"shop_{one:04}", "postgresql+psycopg://x", None, f"db{one % 7}", labels, DatabaseState.ACTIVE)
        for one in range(number)
    ]


class SimulatedVisit(Visit):
    """A visit that asks no database; how it ends says the class that a test makes of it."""

    outcome = RunState.SUCCEEDED
    seen: list[str]

    def make(self) -> VisitReport:
        self.seen.append(self.database.name)
        results = tuple(JobResult(job.name, self.outcome, self._errand.slot, 1) for job in self._errand.jobs)
        return VisitReport(self.database.name, self.database.server, Contact.MADE, results)


def test_waves_grow_and_each_database_is_in_one() -> None:
    fleet = fleet_of(1000)
    waves = waves_of(fleet, ["shop_0003", "shop_0500"], "change")

    assert [len(wave) for wave in waves] == [2, 8, 90, 400, 500]
    assert sorted(one.name for wave in waves for one in wave) == [one.name for one in fleet]
    assert {one.name for one in waves[0]} == {"shop_0003", "shop_0500"}


def test_another_change_begins_elsewhere_and_the_same_one_as_before() -> None:
    fleet = fleet_of(200)

    assert waves_of(fleet, [], "one") == waves_of(list(reversed(fleet)), [], "one")
    assert waves_of(fleet, [], "one")[1] != waves_of(fleet, [], "other")[1]


@pytest.mark.parametrize("number", [0, 1, 2, 3, 7])
def test_a_small_fleet_has_waves_too(number: int) -> None:
    waves = waves_of(fleet_of(number), ["shop_0000"], "change")

    assert sum(map(len, waves)) == number


def test_canaries_are_named_by_label_or_have_most_rows_due() -> None:
    assert named_canaries([*fleet_of(2), *fleet_of(1, canary="yes")]) == ["shop_0000"]
    assert named_canaries(fleet_of(2, plan="small")) == []
    assert most_due([(5, "b"), (9, "a"), (0, "d"), (5, "c"), (7, "e")]) == ["a", "e", "b"]


@pytest.mark.parametrize(
    ("states", "trouble"),
    [
        ({RunState.SUCCEEDED: 50, RunState.FAILED: 2}, ""),
        ({RunState.SUCCEEDED: 50, RunState.FAILED: 3}, "3 of 53 failed, more than 5%"),
        ({RunState.SUCCEEDED: 57, RunState.TIMED_OUT: 3}, ""),
        ({RunState.SUCCEEDED: 12, NoRun.UNREACHABLE: 3}, ""),
        ({RunState.SUCCEEDED: 11, NoRun.UNREACHABLE: 2, RunState.CANCELLED: 1}, "3 of 14 were not reached or put off"),
        ({RunState.PARTIAL: 50}, ""),
    ],
)
def test_failures_and_the_unreached_are_judged_apart(states: dict[RunState | NoRun, int], trouble: str) -> None:
    tally = Tally()
    for state, number in states.items():
        for _ in range(number):
            tally.add(state)

    assert tally.trouble().startswith(trouble)
    assert bool(tally.trouble()) == bool(trouble)


def test_a_bad_definition_is_stopped_by_its_canaries(merchants: MerchantFleet, runner_of: RunnerOf) -> None:
    merchants.open([f"shop_{number}" for number in range(8)])
    bad = purge_job(work=Purge(sessions, by=sessions.c.expires_at, keep="0s", only=sessions.c.status == 7, name="bad"))

    end = runner_of().run(FleetOrder(bad, "bad"), [*merchants.databases.values()])

    assert end.halted
    assert end.summary.total == CANARIES
    assert end.summary.exit_code(halted=True) == 1
    with merchants.home.connect() as connection:
        run = latest(connection, bad.name)
        assert run is not None
        assert (run.state, run.error) == (FleetRunState.HALTED, end.halted)
    assert [left(one.address) for one in merchants.databases.values()] == [2 * DUE] * 8


def test_a_change_that_went_well_runs_everywhere_at_once_next_time(
    merchants: MerchantFleet, runner_of: RunnerOf
) -> None:
    class Visited(SimulatedVisit):
        seen: list[str] = []  # noqa: RUF012

    fleet = fleet_of(300)
    first = runner_of(visit=Visited).run(FleetOrder(purge_job(), "change"), fleet)
    looked_at = Visited.seen[:]
    Visited.seen.clear()
    second = runner_of(visit=Visited).run(FleetOrder(purge_job(), "change"), fleet)

    assert (first.run.state, first.run.wave, len(first.run.canaries)) == (FleetRunState.FINISHED, 5, CANARIES)
    assert len(looked_at) == 300 + 20  # those that were looked at for canaries
    assert (second.run.state, second.run.wave, len(Visited.seen)) == (FleetRunState.FINISHED, 1, 300)
    assert second.run.begun_at > first.run.begun_at


def test_who_loses_the_lease_while_canaries_are_chosen_begins_nothing(
    merchants: MerchantFleet, runner_of: RunnerOf
) -> None:
    """Some databases are looked at first, which may take longer than a lease."""

    class TakenOver(Visit):
        ran: list[str] = []  # noqa: RUF012

        def make(self) -> VisitReport:
            if not self._errand.dry_run:
                self.ran.append(self.database.name)
            with merchants.session() as session:
                session.execute("UPDATE sexton.leases SET epoch = epoch + 1, holder = 'another'")
            return VisitReport(self.database.name, self.database.server, Contact.MADE)

    options = RunOptions(limits=Limits(renew=0.0), stop=Stop())
    with pytest.raises(LeaseLost):
        runner_of(visit=TakenOver, options=options).run(FleetOrder(purge_job(), "change"), fleet_of(30))
    assert TakenOver.ran == []


def test_a_change_that_ran_nowhere_is_not_proven(merchants: MerchantFleet, runner_of: RunnerOf) -> None:
    """Sexton's tables were behind everywhere; once they were migrated, all would have run it at once."""

    class Behind(SimulatedVisit):
        outcome = Standing.BEHIND  # type: ignore[assignment]
        seen: list[str] = []  # noqa: RUF012

    end = runner_of(visit=Behind).run(FleetOrder(purge_job(), "change"), fleet_of(30))

    assert (end.run.state, end.run.error) == (FleetRunState.UNPROVEN, "ran in 0 of 30 databases")
    assert not end.halted
    with merchants.home.connect() as connection:
        assert not is_proven(connection, purge_job().name, "change")


def arm_in(merchants: MerchantFleet, job: Job, names: Iterable[str]) -> None:
    """Somebody has looked at the job in these databases."""
    for name in names:
        engine = open_database(merchants.databases[name].address)
        plans = planned(job, engine)
        with engine.begin() as connection:
            arm_job(connection, job.name, plans, {plan.step: DUE for plan in plans}, "a test")
        engine.dispose()


def test_arming_goes_to_the_canaries_first(merchants: MerchantFleet, runner_of: RunnerOf) -> None:
    """B.4: the definition had been everywhere, counting; who armed it then had it take rows everywhere at once."""
    merchants.open(["first"], labels={"canary": "yes"})
    merchants.open([f"shop_{number}" for number in range(4)])
    job, fleet = purge_job(guard=Guard(arm=True, max_share=1.0)), [*merchants.databases.values()]

    counted = runner_of().run(FleetOrder(job, "change"), fleet)
    arm_in(merchants, job, ["shop_0", "shop_1", "shop_2"])
    too_early = runner_of().run(FleetOrder(job, "change"), fleet)

    assert (counted.run.state, counted.run.error) == (FleetRunState.UNPROVEN, "ran in 0 of 5 databases")
    assert counted.summary.grid == {job.name: {GridColumn.DONE: 5}}
    (why,) = counted.summary.reasons
    assert (why.number, why.words.startswith("only counted, as it is not armed")) == (5, True)
    assert why.words.endswith(f"sexton arm {job.name} --database {why.names[0]}")
    assert too_early.summary.grid == {job.name: {GridColumn.DONE: 2, GridColumn.PUT_OFF: 3}}
    assert NOT_YET in [reason.words for reason in too_early.summary.reasons]
    assert {left(one.address) for one in fleet} == {2 * DUE}

    arm_in(merchants, job, ["first"])
    proven = runner_of().run(FleetOrder(job, "change"), fleet)

    assert (proven.run.state, proven.run.wave) == (FleetRunState.FINISHED, 5)
    assert [left(one.address) for one in fleet] == [DUE, DUE, DUE, DUE, 2 * DUE]


def test_what_was_stopped_in_a_wave_goes_on_with_the_rest(merchants: MerchantFleet, runner_of: RunnerOf) -> None:
    stop = Stop()

    class Stopping(SimulatedVisit):
        seen: list[str] = []  # noqa: RUF012

        def make(self) -> VisitReport:
            if len(self.seen) == 20 + 60:
                stop.ask("stopped by a test")
            return super().make()

    class Rest(SimulatedVisit):
        seen: list[str] = []  # noqa: RUF012

    fleet, order = fleet_of(300), FleetOrder(purge_job(), "change")
    first = runner_of(stop=stop, visit=Stopping).run(order, fleet)
    second = runner_of(visit=Rest).run(order, fleet)

    done = set(Stopping.seen[20:])
    assert (first.run.state, first.run.wave) == (FleetRunState.UNDER_WAY, 3)
    assert (second.run.id, second.run.state, second.earlier) == (first.run.id, FleetRunState.FINISHED, len(done))
    assert set(Rest.seen) == {one.name for one in fleet} - done
    assert second.summary.total == 300


KILLED = """
import sys
from tests.fleet.killed import go
go(sys.argv[1], int(sys.argv[2]))
"""


def test_killed_in_the_middle_only_the_rest_is_done(merchants: MerchantFleet, runner_of: RunnerOf) -> None:
    """The process is killed after a run has ended there, and before that is written down here."""
    names = [f"shop_{number}" for number in range(8)]
    merchants.open(names)
    job, fleet = purge_job(), [*merchants.databases.values()]
    command = [
        sys.executable,
        "-c",
        KILLED,
        merchants.home_url,
        str(5),
        *(f"{one.name}={one.address}" for one in fleet),
    ]
    killed = subprocess.run(command, timeout=PATIENCE, capture_output=True, text=True, check=False, env={**os.environ})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with merchants.home.begin() as connection:
        assert 0 < len(list(read_jobs(connection, job.name))) < 8
        connection.exec_driver_sql("UPDATE sexton.leases SET expires_at = now()")

    end = runner_of().run(FleetOrder(job, "change"), fleet)

    assert (end.run.state, end.summary.total) == (FleetRunState.FINISHED, 8)
    assert 0 < end.earlier < 8
    for name in names:
        assert left(merchants.databases[name].address) == DUE
        with merchants.session(name) as session:
            rows = session.execute("SELECT slot, state FROM sexton.runs WHERE job = %s", (job.name,)).fetchall()
        assert rows == [(end.run.begun_at, RunState.SUCCEEDED)]
