"""Changed jobs under a schedule: who may run them, wave by wave, as what is due goes well."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from sexton.config.alert_settings import AlertSettings
from sexton.db.server_clock import ask_now
from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.fleet_run import is_proven
from sexton.fleet.memory import write_reports
from sexton.fleet.results import Contact, JobResult, JobState, Standing, VisitReport
from sexton.fleet.rollouts import Rollouts
from sexton.run_state import NoRun, RunState
from sexton.telemetry.assessment import assess
from sexton.telemetry.fleet_incidents import FLEET_JOB_HALTED
from sexton.telemetry.incidents import open_incidents
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


def ran(
    engine: Engine, names: Iterable[str], definition: str, state: JobState = RunState.SUCCEEDED, *, proves: bool = True
) -> None:
    """It ended so in these databases."""
    result = JobResult(JOB.name, state, None, 1, proves=proves)
    reports = [VisitReport(name, "one", Contact.MADE, (result,)) for name in names]
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


@pytest.mark.parametrize(("state", "proves"), [(RunState.SUCCEEDED, False), (Standing.BEHIND, True)])
def test_while_no_canary_has_run_it_the_others_only_count(engine: Engine, state: JobState, proves: bool) -> None:
    """B.4: arming is a change. Canaries that were not armed, or behind, let a wave of others go that were armed."""
    rollouts = Rollouts({JOB.name: "new"})
    canaries = look(engine, rollouts)
    ran(engine, canaries, "new", state, proves=proves)
    due = {name: jobs for name, jobs in DUE.items() if name not in canaries}

    more = look(engine, rollouts, due)
    assert len(more) == 10
    assert {name for name in more if rollouts.may_change(JOB.name, name)} == canaries

    ran(engine, canaries, "new")
    more = look(engine, rollouts, due)
    assert {name for name in more if rollouts.may_change(JOB.name, name)} == more


def test_a_job_that_only_counted_everywhere_is_not_proven(engine: Engine) -> None:
    """Arming it all over would have been a change that went everywhere at once."""
    rollouts = Rollouts({JOB.name: "new"})
    for _ in range(5):
        ran(engine, look(engine, rollouts, DUE), "new", proves=False)
        look(engine, rollouts, {FLEET[-1].name: {JOB.name}})

    with engine.connect() as connection:
        assert not is_proven(connection, JOB.name, "new")
    assert len(look(engine, Rollouts({JOB.name: "new"}))) == 3


def halted(engine: Engine) -> list[tuple[str, str]]:
    """Jobs of open incidents, and their texts."""
    with engine.connect() as connection:
        return [(one.job, one.text) for one in open_incidents(connection) if one.kind == FLEET_JOB_HALTED]


def test_a_job_that_is_halted_is_an_incident_until_it_goes_on(engine: Engine) -> None:
    """B.4: it ran nowhere by its schedule, and only a line of the worker's log said so."""
    rollouts = Rollouts({JOB.name: "bad"})
    ran(engine, look(engine, rollouts), "bad", RunState.FAILED)
    look(engine, rollouts)
    look(engine, Rollouts({JOB.name: "bad"}))

    words = f"{JOB.name} was halted in the fleet, and runs in none of its databases: 3 of 3 failed, more than 5%"
    assert halted(engine) == [(JOB.name, words)]
    with engine.begin() as connection:
        assert assess(connection, [], AlertSettings(), ask_now(connection) + timedelta(minutes=5)) == []

    look(engine, Rollouts({JOB.name: "good"}))
    assert halted(engine) == []


def test_a_halted_job_that_is_no_longer_of_the_fleet_is_no_incident(engine: Engine) -> None:
    rollouts = Rollouts({JOB.name: "bad"})
    ran(engine, look(engine, rollouts), "bad", RunState.FAILED)
    look(engine, rollouts)
    assert halted(engine)

    with engine.begin() as connection:
        Rollouts({}).look(connection, FLEET, DUE)
    assert halted(engine) == []
