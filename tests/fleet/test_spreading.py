"""Visits are spread: a delay by the database's name, within bounds that are stated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sexton import Job, Misfire, cron, every
from sexton.fleet.spreading import LONGEST_VISIT_DELAY, delayed
from tests.support.merchant_fleet import PURGE

SLOT = datetime(2026, 6, 1, 2, tzinfo=UTC)
NAMES = [f"shop_{number}" for number in range(500)]


def job(**options: object) -> Job:
    """One with a schedule."""
    return Job("shop.purge", work=PURGE, **options)  # type: ignore[arg-type]


def delays(of: Job) -> list[timedelta]:
    """Of all databases."""
    return [delayed(of, name, SLOT) - SLOT for name in NAMES]


def test_a_daily_job_is_spread_over_ten_minutes_and_always_in_the_same_way() -> None:
    found = delays(job(schedule=cron("0 2 * * *")))

    assert found == delays(job(schedule=cron("0 2 * * *")))
    assert timedelta() <= min(found) < timedelta(seconds=30)
    assert LONGEST_VISIT_DELAY - timedelta(seconds=30) < max(found) <= LONGEST_VISIT_DELAY
    tenths = [sum(1 for one in found if one // (LONGEST_VISIT_DELAY / 10) == tenth) for tenth in range(10)]
    assert min(tenths) > 25


def test_a_frequent_job_is_late_by_a_tenth_of_its_period_at_most() -> None:
    found = delays(job(schedule=every("5m")))

    assert timedelta(seconds=25) < max(found) <= timedelta(seconds=30)


def test_jobs_that_give_up_late_slots_and_jobs_by_hand_are_not_delayed() -> None:
    assert set(delays(job(schedule=every("1h"), misfire=Misfire("skip")))) == {timedelta()}
    assert set(delays(job())) == {timedelta()}
