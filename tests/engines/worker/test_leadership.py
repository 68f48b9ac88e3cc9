"""Who leads: one of many, handed over, taken over, lost to a frozen process (PF-136.3, ORA-DEP.1, ORA-DEP.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from sexton.config.settings import RunSettings
from sexton.engines.worker import leadership
from sexton.engines.worker.leadership import DatabaseClock, Leadership
from sexton.engines.worker.loop import ELECTION, QUEUE_POLL_SECONDS
from sexton.jobs.duration import parse_duration
from sexton.slots import lease
from tests.support.database_checks import let_leases_end
from tests.support.pace import Clockwork

LONG = 600.0
"""Seconds of a lease that outlasts a test."""


class Health:
    """Whether somebody can work. asked: the database's times it was asked with."""

    def __init__(self) -> None:
        self.good = True
        self.asked: list[datetime] = []

    def may_lead(self, now: datetime, took: float) -> bool:
        """Asked before it takes the lead, and at each renewal."""
        self.asked.append(now)
        return self.good


def contender(engine: Engine, name: str, health: Health | None = None) -> Leadership:
    """One of those who want to lead."""
    return Leadership(engine, name, LONG, health or Health())


def test_one_leads_and_the_others_stand_by(engine: Engine) -> None:
    one, other = contender(engine, "one"), contender(engine, "other")

    assert one.turn()
    assert not other.turn()
    assert one.turn()
    assert (one.leading, other.leading) == (True, False)


def test_who_resigns_is_replaced_at_once_in_a_higher_epoch(engine: Engine) -> None:
    one, other = contender(engine, "one"), contender(engine, "other")
    one.turn()
    one.resign()

    assert other.turn()
    assert other.epoch == 2
    assert not one.turn()


def test_rep_27_who_cannot_work_resigns_at_its_renewal_and_does_not_stand(engine: Engine) -> None:
    health = Health()
    sick, well = contender(engine, "sick", health), contender(engine, "well")
    assert sick.turn()

    health.good = False

    assert not sick.turn()
    assert (sick.leading, sick.epoch) == (False, 0)
    assert not sick.turn(), "free, but not for this one"
    assert well.turn()
    well.resign()
    health.good = True
    assert sick.turn()
    assert sick.epoch == 3
    assert health.asked[-1] <= sick.clock.now()


def test_l4_who_slept_through_the_lease_leads_no_more(engine: Engine) -> None:
    one, other = contender(engine, "one"), contender(engine, "other")
    one.turn()
    let_leases_end(engine)

    assert other.turn()
    assert not one.turn()
    assert not one.leading
    one.resign()
    assert other.turn(), "a late resignation takes nothing from the successor (L10)"


def test_a_lease_that_ran_out_and_nobody_wanted_is_renewed(engine: Engine) -> None:
    one = contender(engine, "one")
    one.turn()
    let_leases_end(engine)

    assert one.turn()
    assert one.epoch == 1


def test_l4_a_standby_leads_within_15_seconds_of_the_last_sign_of_life() -> None:
    """What is promised, from a default lease and how often a standby looks; that it then leads, others show."""
    lease_ends = parse_duration(RunSettings().lease).total_seconds()

    assert lease_ends + ELECTION + QUEUE_POLL_SECONDS <= 15, "it may sleep for LOOK when its look is due"


def test_l12_a_lease_that_ends_in_hours_is_broken(engine: Engine) -> None:
    """The database's clock was set back."""
    one, other = contender(engine, "one"), contender(engine, "other")
    one.turn()
    let_leases_end(engine, seconds=3 * 3600)

    assert other.turn()
    assert not one.turn()


def test_leading_ends_by_our_own_clock_without_asking(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """L9: trust ends a lease's length after the last renewal began, whether the database can be asked or not."""
    clock = Clockwork()
    monkeypatch.setattr(leadership, "time", clock)
    monkeypatch.setattr(lease, "time", clock)
    one = contender(engine, "one")
    assert one.turn()

    clock.forward(LONG - 1)
    assert one.leading
    clock.forward(1)
    assert not one.leading


def test_t1_the_worker_lives_by_the_databases_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """T1, T2: whatever the host's clock does, this one goes on from what the database said."""
    watch = Clockwork()
    monkeypatch.setattr(leadership, "time", watch)
    clock = DatabaseClock()
    far = datetime(2031, 1, 1, tzinfo=UTC)
    clock.set(far)

    watch.forward(3.5)

    assert clock.now() == far + timedelta(seconds=3.5)
