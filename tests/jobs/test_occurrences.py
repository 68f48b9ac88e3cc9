"""The plan of many schedules is what each of them says alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sexton.clock import iso, parse_instant
from sexton.jobs.occurrences import plan
from sexton.jobs.schedule import Schedule, cron, every

TICK = timedelta(microseconds=1)
ZONES = ["UTC", "Asia/Jerusalem", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"]
SCHEDULES = st.one_of(
    st.builds(
        cron,
        st.sampled_from(["10 4 * * *", "30 2 * * *", "*/5 * * * *", "17 * * * *", "0 0 L * *"]),
        st.sampled_from(ZONES),
    ),
    st.builds(every, st.sampled_from(["7m", "90m", "36h"])),
)


def shown(rows: list[tuple[datetime, str]]) -> list[str]:
    return [f"{iso(slot)[5:16].replace('T', ' ')} {name}" for slot, name in rows]


def test_a_day_is_sorted_by_instant_and_then_by_the_order_given() -> None:
    schedules = {"late": cron("0 6 * * *", "Asia/Jerusalem"), "twin": cron("0 3 * * *"), "six": every("6h")}

    rows = plan(schedules, parse_instant("2026-07-10"), parse_instant("2026-07-11"))

    assert shown(rows) == [
        "07-10 00:00 six",
        "07-10 03:00 late",
        "07-10 03:00 twin",
        "07-10 06:00 six",
        "07-10 12:00 six",
        "07-10 18:00 six",
    ]


def test_the_start_belongs_to_the_plan_and_the_end_to_the_next_one() -> None:
    first, second, third = (parse_instant(f"2026-07-{day}") for day in (10, 11, 12))
    hourly = {"a": cron("0 * * * *"), "b": every("1h")}

    assert plan(hourly, first, second) + plan(hourly, second, third) == plan(hourly, first, third)
    assert plan(hourly, first, second)[0] == (first, "a")


def test_equal_schedules_of_many_names_each_fire() -> None:
    schedules = {f"shop_{number}": cron("10 4 * * *") for number in range(5)}

    rows = plan(schedules, parse_instant("2026-07-10"), parse_instant("2026-07-11"))

    assert [name for _, name in rows] == list(schedules)


def test_no_schedules_and_no_time_make_no_plan() -> None:
    day = parse_instant("2026-07-10")

    assert plan({}, day, day + timedelta(days=1)) == []
    assert plan({"a": every("1s")}, day, day) == []


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        plan({}, datetime.fromisoformat("2026-07-10"), parse_instant("2026-07-11"))


@settings(deadline=None)
@given(
    st.lists(SCHEDULES, max_size=8),
    st.sampled_from(["2026-03-26", "2026-04-04", "2026-04-23", "2026-07-10", "2026-10-24", "2026-10-29", "2026-10-31"]),
    st.integers(0, 47),
)
def test_a_plan_is_each_schedule_stepped_alone(schedules: list[Schedule], day: str, half_hours: int) -> None:
    start = parse_instant(day) + half_hours * timedelta(minutes=30)
    end = start + timedelta(days=2)
    named = {f"job_{number}": schedule for number, schedule in enumerate(schedules)}
    stepped = []
    for name, schedule in named.items():
        slot = schedule.next(start - TICK)
        while slot < end:
            stepped.append((slot, name))
            slot = schedule.next(slot)

    rows = plan(named, start, end)

    assert rows == sorted(stepped, key=lambda row: row[0])
    assert all(slot.tzinfo is UTC for slot, _ in rows)
