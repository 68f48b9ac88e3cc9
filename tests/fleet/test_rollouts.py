"""Changed jobs under a schedule: who may run them, wave by wave, as what is due goes well."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from sqlalchemy import Engine

from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.fleet_run import is_proven
from sexton.fleet.memory import write_reports
from sexton.fleet.results import Contact, JobResult, JobState, VisitReport
from sexton.fleet.rollouts import Rollouts
from sexton.run_state import NoRun, RunState
from tests.support.merchant_fleet import purge_job

pytestmark = pytest.mark.databases("sqlite", "postgres18")

JOB = purge_job()
FLEET = [FleetDatabase(f"shop_{one:03}", "sqlite://", None, "one", {}, DatabaseState.ACTIVE) for one in range(100)]
DUE = {one.name: {JOB.name} for one in FLEET}


def allowed(rollouts: Rollouts) -> set[str]:
    """Where the job may run."""
    return {one.name for one in FLEET if rollouts.allows(JOB.name, one.name)}


def look(engine: Engine, rollouts: Rollouts, due: dict[str, set[str]] = DUE) -> set[str]:
    """See how waves went; where the job may run then."""
    with engine.begin() as connection:
        rollouts.look(connection, FLEET, due)
    return allowed(rollouts)


def ran(engine: Engine, names: Iterable[str], definition: str, state: JobState = RunState.SUCCEEDED) -> None:
    """It ended so in these databases."""
    reports = [VisitReport(name, "one", Contact.MADE, (JobResult(JOB.name, state, None, 1),)) for name in names]
    with engine.begin() as connection:
        write_reports(connection, reports, {JOB.name: JOB}, {JOB.name: definition})


def test_each_wave_waits_for_the_one_before(engine: Engine) -> None:
    rollouts = Rollouts({JOB.name: "new"})
    sizes, done = [], set[str]()
    while len(done) < 100:
        now = look(engine, rollouts)
        assert now > done
        sizes.append(len(now))
        done = now
        ran(engine, now, "new")
    look(engine, rollouts)

    assert sizes == [3, 10, 50, 100]
    with engine.connect() as connection:
        assert is_proven(connection, JOB.name, "new")
    assert allowed(Rollouts({JOB.name: "new"})) == set()  # it has not looked yet
    assert len(look(engine, Rollouts({JOB.name: "new"}))) == 100


def test_canaries_that_fail_halt_it_and_a_mended_definition_begins_anew(engine: Engine) -> None:
    rollouts = Rollouts({JOB.name: "bad"})
    ran(engine, look(engine, rollouts), "bad", RunState.FAILED)

    assert look(engine, rollouts) == set()
    ((job, why),) = rollouts.halted()
    assert (job, why) == (JOB.name, "3 of 3 failed, more than 5%")
    assert list(rollouts.halted()) == []
    assert look(engine, Rollouts({JOB.name: "bad"})) == set()  # another process knows it too
    assert len(look(engine, Rollouts({JOB.name: "good"}))) == 3


def test_canaries_where_nothing_is_due_are_not_waited_for(engine: Engine) -> None:
    rollouts = Rollouts({JOB.name: "new"})
    canaries = look(engine, rollouts)
    due = {name: jobs for name, jobs in DUE.items() if name not in canaries}

    assert len(look(engine, rollouts, due)) == 10
    assert look(engine, rollouts, {}) == look(engine, rollouts, due)  # nothing is due: nothing is decided


def test_what_was_not_reached_counts_apart(engine: Engine) -> None:
    rollouts = Rollouts({JOB.name: "new"})
    first = sorted(look(engine, rollouts))
    ran(engine, first[:2], "new")
    ran(engine, first[2:], "new", NoRun.UNREACHABLE)

    assert len(look(engine, rollouts)) == 10
