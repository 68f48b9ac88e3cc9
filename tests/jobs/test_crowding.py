"""BJ-28.1, S7: warnings about midnight, crowded minutes, and times that a clock change moves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from sexton.jobs.crowding import crowding_warnings, crowds, moved_times
from sexton.jobs.schedule import Schedule, cron, every

START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def told(schedules: Mapping[str, Schedule]) -> list[str]:
    return [text for _, text in crowds(schedules, START)]


def test_bj_28_1_more_than_three_jobs_at_one_local_midnight_are_told() -> None:
    spread = {f"spread.{hour}": cron(f"17 {hour} * * *") for hour in range(12)}
    midnight = {f"job.{number}": cron("0 0 * * *", "Asia/Jerusalem") for number in range(3)}
    assert told({**spread, **midnight}) == []

    (text,) = told({**spread, **midnight, "job.3": cron("@daily".replace("@daily", "0 0 * * 2"), "Asia/Jerusalem")})

    assert text.startswith("4 jobs begin at the same local midnight, Mon 23 Nov 22:00 UTC")


def test_midnight_is_that_of_each_zone() -> None:
    """Four jobs at 22:00 UTC, of which two see midnight, among many others."""
    jobs = {f"spread.{hour}": cron(f"17 {hour} * * *") for hour in range(12)}
    jobs |= {f"late.{number}": cron("0 22 * * *") for number in range(2)}
    jobs |= {f"midnight.{number}": cron("0 0 * * *", "Asia/Jerusalem") for number in range(2)}
    assert told(jobs) == []


def test_bj_28_1_one_minute_with_more_than_half_of_the_jobs_is_told() -> None:
    jobs: dict[str, Schedule] = {"a.a": cron("10 4 * * *"), "a.b": every("1h", offset="10m"), "a.c": cron("11 4 * * *")}
    jobs |= {"a.d": cron("12 4 * * *")}
    assert told(jobs) == []

    (text,) = told({**jobs, "a.e": cron("10 * * * *"), "a.f": cron("10 4 1-31 * *")})

    assert text.startswith("4 of 6 jobs begin in the same minute, Mon 23 Nov 04:10 UTC")


@pytest.mark.parametrize(
    "jobs",
    [
        {},
        {"a.a": cron("0 0 * * *")},
        {"a.a": cron("0 0 * * *"), "a.b": cron("0 0 * * *")},
        {f"a.{name}": cron("* * * * *") for name in "abcdef"},
        {f"a.{name}": every("1s") for name in "abcdef"},
    ],
    ids=["none", "one", "two", "minutely", "each second"],
)
def test_few_jobs_and_jobs_of_every_minute_are_no_crowd(jobs: Mapping[str, Schedule]) -> None:
    assert list(crowding_warnings(jobs, START)) == []


def test_s7_a_thousand_jobs_at_midnight_are_told_in_one_line() -> None:
    (text,) = told({f"job.n{number}": cron("0 0 * * *") for number in range(1000)})
    assert text.startswith("1000 jobs begin at the same local midnight")


def test_a_time_inside_a_clock_change_is_told_with_its_date_and_what_happens() -> None:
    jobs = {"a.berlin": cron("30 2 * * *", "Europe/Berlin"), "a.late": cron("0 4 * * *", "Europe/Berlin")}
    assert [tuple(warned) for warned in moved_times(jobs, START)] == [
        ("a.berlin", "02:30 Europe/Berlin does not exist on 2027-03-28; it runs once, at the end of the gap, 03:00"),
        ("a.berlin", "02:30 Europe/Berlin comes twice on 2027-10-31; it runs the first time only"),
    ]


def test_what_is_told_is_what_the_schedule_does() -> None:
    gap = cron("15,45 2 * * *", "Europe/Berlin")
    (first, _) = moved_times({"a.a": gap}, START)
    assert "02:15 to 02:45" in first.text
    day = datetime(2027, 3, 28, tzinfo=UTC)
    assert [f"{slot:%d %H:%M}" for slot in gap.between(day, day.replace(hour=20))] == ["28 01:00"]


@pytest.mark.parametrize(
    "schedule",
    [
        cron("30 2 * * *"),
        cron("*/15 * * * *", "Europe/Berlin"),
        cron("30 2 * * *", "Asia/Kolkata"),
        cron("30 2 * * MON", "Europe/Berlin"),
        every("1h"),
    ],
    ids=lambda schedule: f"{schedule.text} {schedule.zone}",
)
def test_times_that_no_clock_change_touches_are_not_told(schedule: Schedule) -> None:
    assert list(moved_times({"a.a": schedule}, START)) == []
