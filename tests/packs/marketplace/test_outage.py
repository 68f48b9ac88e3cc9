"""After an outage: everything is made up once, late, nothing twice, nothing destroyed unseen; and repeated runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import delete

from sexton import Counts
from sexton.db.connect import open_database
from sexton.runs.outcome import Outcome
from tests.support.market import JOBS, NOW, Market, later
from tests.support.patience import PATIENCE


def test_down_for_3_days_across_every_window_tells_each_subject_once_and_late(shop: Market) -> None:
    """The job ran on the 12th and again on the 15th; every 3 hours between, something fell due."""
    early, late = range(1, 25), range(101, 125)
    for number in early:
        due = later("2026-06-12 04:00", hours=3 * number)
        shop.licence(number, expires=due + timedelta(days=14))
        shop.licence(100 + number, expires=due)
        shop.order(number, created=due - timedelta(days=5))
        shop.order(100 + number, created=due - timedelta(days=10))
    expected = {f"license_expiring_soon {number}" for number in early}
    expected |= {f"license_expired {number}" for number in late}
    expected |= {f"order_pending_nudge {number}" for number in early}
    expected |= {f"order_expired {number} {who}" for number in late for who in ("buyer", "vendor")}
    warned_before = {f"license_expiring_soon {number}" for number in late}
    nudged_before = {f"order_pending_nudge {number}" for number in late}
    for name in ("licences", "orders"):
        shop.run(name, at="2026-06-12 04:00")
    assert set(shop.messages()) == warned_before | nudged_before

    for day in ("2026-06-15 04:00:01", "2026-06-15 04:00:01", "2026-06-15 05:00"):
        for name in ("licences", "orders"):
            shop.run(name, at=day)

    told = shop.messages()
    assert len(told) == len(set(told))
    assert set(told) == expected | warned_before | nudged_before
    assert len(shop.licences()) == 48


def test_an_outage_of_40_days_destroys_nothing_in_the_run_that_ends_it(shop: Market) -> None:
    """PF-137.5: what was to be warned, expired and deleted meanwhile is only expired, and told so."""
    shop.licence(1, expires="2026-05-10")
    shop.licence(2, expires="2026-05-14")
    shop.file(1, licences=(1, 2))

    shop.run("licences", at="2026-06-15 04:00")

    assert shop.licences() == {1: "expired", 2: "expired"}
    assert shop.files() == [1]
    assert shop.messages() == ["license_expired 1", "license_expired 2"]


def test_nobody_is_told_again_after_the_outbox_was_purged(shop: Market) -> None:
    """The memory of what was told is not in a table that retention empties."""
    shop.licence(1, expires="2026-06-20")
    shop.order(1, created="2026-06-09")
    for name in ("licences", "orders"):
        shop.run(name, at=NOW)
    assert len(shop.messages()) == 2
    with shop.engine.begin() as connection:
        connection.execute(delete(shop.outbox))

    for name in ("licences", "orders"):
        shop.run(name, at=later(NOW, hours=1))

    assert shop.messages() == []


@pytest.mark.by_python("has two installations at one instant")
def test_two_workers_at_the_same_instant_tell_and_change_everything_once(shop: Market) -> None:
    """PF-138.5"""
    for number in range(1, 31):
        shop.order(number, created="2026-06-01", items={11: 1})
    shop.shelf(11, reserved=30)
    together = Barrier(2)

    def work(_worker: int) -> Outcome:
        engine = open_database(shop.engine.url.render_as_string(hide_password=False))
        together.wait(PATIENCE)
        try:
            return Market(engine, shop.options, shop.own).run("orders")
        finally:
            engine.dispose()

    with ThreadPoolExecutor(2) as workers:
        runs = list(workers.map(work, range(2)))

    assert sum(run.total.changed for run in runs) == 30
    assert shop.stock() == {11: 0}
    assert len(shop.messages()) == len(set(shop.messages())) == 60


@pytest.mark.databases("sqlite", "postgres15")
def test_every_job_run_twice_at_one_instant_does_nothing_the_second_time(shop: Market) -> None:
    """ORA-BP.3: PF-139.2 and its like."""
    shop.licence(1, expires="2026-05-01", status="expired")
    shop.licence(2, expires="2026-06-01")
    shop.licence(3, expires="2026-06-20")
    shop.order(1, created="2026-06-01")
    shop.order(2, created="2026-06-09")
    shop.notification(1, created="2026-01-01")
    shop.event(1, published="2026-01-01")
    first = [shop.run(name, at=NOW).total for name in JOBS]

    after_first = shop.dump(also_own=False)
    second = [shop.run(name, at=NOW).total for name in JOBS]

    assert all(counts.picked for counts in first)
    assert second == [Counts()] * 4
    assert shop.dump(also_own=False) == after_first


@pytest.mark.databases("sqlite", "postgres15")
def test_a_run_for_a_time_in_the_past_takes_nothing_that_was_not_due_then(shop: Market) -> None:
    shop.licence(1, expires="2026-06-10")
    shop.order(1, created="2026-06-01")
    shop.notification(1, created="2026-05-05")

    for name in JOBS:
        shop.run(name, at="2026-05-20 04:00")

    assert (shop.licences(), shop.orders(), shop.notifications()) == ({1: "verified"}, {1: "pending"}, [1])
