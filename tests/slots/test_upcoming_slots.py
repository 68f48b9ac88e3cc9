"""PGC-3: slots written ahead for jobs inside PostgreSQL are those of the schedule, and there are always enough."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import Connection, Engine, select

from sexton import Job, cron, every
from sexton.db.tables import own_tables
from sexton.jobs.duration import TICK
from sexton.jobs.schedule import Every
from sexton.slots.schedule_overrides import reschedule
from sexton.slots.upcoming_slots import (
    LOW,
    WRITTEN_AHEAD,
    as_interval,
    fill,
    forget,
    refill,
    running_low,
    written_until,
)

NOW = datetime(2026, 12, 1, 7, 30, 5, tzinfo=UTC)
DAY = timedelta(days=1)
NIGHTLY = Job("shop.nightly", schedule=cron("0 6 * * *", "Asia/Jerusalem"), work=print)

postgres = pytest.mark.databases("postgres")


def written(connection: Connection, name: str = NIGHTLY.name) -> list[tuple[datetime, str | None]]:
    """All slots of a job, in order."""
    table = own_tables("postgresql").slots
    found = connection.execute(select(table.c.slot, table.c.local_slot).where(table.c.job == name))
    return sorted((row.slot, row.local_slot) for row in found)


@postgres
def test_pgc_3_they_are_those_of_the_schedule_for_two_years(engine: Engine) -> None:
    with engine.begin() as connection:
        fill(connection, NIGHTLY, NOW)
        found = written(connection)
        assert fill(connection, NIGHTLY, NOW) == 0, "a second time there is nothing to do"
    schedule = NIGHTLY.schedule
    assert schedule is not None
    slots = [*schedule.between(schedule.previous(NOW) - TICK, NOW + WRITTEN_AHEAD)]
    assert found == [(slot, schedule.local_slot(slot)) for slot in slots]
    assert found[0][0] <= NOW, "the latest past one, for who asks what is due now"
    assert {f"{slot:%H:%M}" for slot, _ in found} == {"03:00", "04:00"}


@postgres
def test_another_schedule_replaces_what_is_to_come(engine: Engine) -> None:
    weekly = replace(NIGHTLY, schedule=cron("15 3 * * SUN", "Europe/Berlin"))
    with engine.begin() as connection:
        fill(connection, NIGHTLY, NOW)
        fill(connection, weekly, NOW)
        found = [local for slot, local in written(connection) if slot > NOW]
        assert found
        assert all(local is not None and " 03:15" in local and "Berlin" in local for local in found)
        assert fill(connection, replace(NIGHTLY, schedule=every("5m")), NOW) > 0
        assert written(connection) == [], "an interval needs none"


@postgres
def test_they_are_written_again_when_fewer_than_60_days_are_left(engine: Engine) -> None:
    with engine.begin() as connection:
        fill(connection, NIGHTLY, NOW)
        before = written(connection)
        end = before[-1][0]
        assert refill(connection, [NIGHTLY], end - LOW) == []
        assert running_low(written_until(connection, [NIGHTLY.name]), end - LOW + DAY) == [NIGHTLY.name]
        assert refill(connection, [NIGHTLY], end - LOW + DAY) == [NIGHTLY.name]
        assert written_until(connection, [NIGHTLY.name])[NIGHTLY.name] > end + 600 * DAY
        assert written(connection)[0][0] > before[0][0], "those of more than 400 days ago are gone"


@postgres
def test_a_job_without_slots_here_gets_none(engine: Engine) -> None:
    with engine.begin() as connection:
        assert refill(connection, [NIGHTLY], NOW) == []
        assert written(connection) == []


@postgres
def test_the_schedule_in_force_counts(engine: Engine) -> None:
    with engine.begin() as connection:
        fill(connection, NIGHTLY, NOW)
        reschedule(connection, NIGHTLY, "0 7 * * *", None, reason="", by="test")
        assert refill(connection, [NIGHTLY], NOW + WRITTEN_AHEAD) == [NIGHTLY.name]
        last = written(connection)[-1][1]
        assert last is not None
        assert " 07:00" in last


@postgres
def test_a_busy_schedule_is_written_less_far_and_a_rare_one_at_least_once(engine: Engine) -> None:
    busy = Job("shop.busy", schedule=cron("* 8-18 * * 1-5", "Europe/Berlin"), work=print)
    rare = Job("shop.rare", schedule=cron("0 0 29 2 *", "Asia/Tokyo"), work=print)
    with engine.begin() as connection:
        fill(connection, busy, NOW)
        fill(connection, rare, NOW)
        until = written_until(connection, [busy.name, rare.name])
        assert NOW + 115 * DAY < until[busy.name] < NOW + 121 * DAY
        assert until[rare.name] > NOW
        assert running_low({rare.name: until[rare.name]}, until[rare.name] - LOW) == []
        assert forget(connection, [rare.name]) == 2
        assert rare.name not in written_until(connection, [rare.name])


TEXTS = [
    "*/5 * * * *",
    "*/15 * * * *",
    "7 * * * *",
    "0 2 * * *",
    "0 */6 * * *",
    "5,35 * * * *",
    "* * * * *",
    "0 0,12 * * *",
]
ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"]


@given(some.sampled_from(TEXTS), some.sampled_from(ZONES))
def test_a_schedule_that_is_even_is_an_interval(text: str, zone: str) -> None:
    schedule = cron(text, zone)
    even = as_interval(schedule, NOW)
    assert even is not None or zone != "UTC"
    if even is not None:
        end = NOW + 3 * DAY
        assert [*even.between(NOW, end)] == [*schedule.between(NOW, end)]
        changes = datetime(2027, 3, 28, tzinfo=UTC)
        assert [*even.between(changes, changes + DAY)] == [*schedule.between(changes, changes + DAY)]


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("0 4 * * *", "Europe/Berlin"),  # by the clock
        ("*/7 * * * *", "UTC"),  # 56, 0
        ("0 9-17 * * *", "UTC"),
        ("0 * * * 1-5", "UTC"),
        ("*/45 * * * *", "UTC"),
        ("0 * * * *", "Australia/Lord_Howe"),  # whose clocks move by half an hour
    ],
)
def test_a_schedule_that_is_not_even_is_none(text: str, zone: str) -> None:
    assert as_interval(cron(text, zone), NOW) is None


def test_an_interval_is_itself() -> None:
    assert as_interval(every("7m"), NOW) == Every(timedelta(minutes=7))
