"""Slots that passed while nobody ran them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sexton.clock import iso, parse_instant
from sexton.errors import ScheduleError
from sexton.jobs.misfire import COALESCE, Misfire, due_slots
from sexton.jobs.schedule import Schedule, cron, every

DAILY = cron("10 4 * * *")
HOURLY = cron("0 * * * *")
SKIP, ALL = Misfire("skip"), Misfire("all")


def due(schedule: Schedule, last: str | None, now: str, misfire: Misfire) -> list[str]:
    slots = due_slots(schedule, parse_instant(last) if last else None, parse_instant(now), misfire)
    return [iso(slot)[5:16].replace("T", " ") for slot in slots]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-05-05 04:09:59", []),
        ("2026-05-05 04:10", ["05-05 04:10"]),
        ("2026-05-05 23:00", ["05-05 04:10"]),
        ("2026-05-08 04:09", ["05-07 04:10"]),
        ("2026-05-08 04:10", ["05-08 04:10"]),
    ],
)
def test_coalesce_runs_the_latest_slot_in_place_of_all_missed_ones(now: str, expected: list[str]) -> None:
    assert due(DAILY, "2026-05-04 04:10", now, COALESCE) == expected


@pytest.mark.parametrize("misfire", [COALESCE, SKIP, ALL])
def test_a_slot_already_handled_is_not_due_again(misfire: Misfire) -> None:
    assert due(DAILY, "2026-05-05 04:10", "2026-05-05 04:10:30", misfire) == []


@pytest.mark.parametrize("misfire", [COALESCE, SKIP, ALL])
def test_a_clock_set_back_makes_nothing_due(misfire: Misfire) -> None:
    assert due(HOURLY, "2026-05-05 12:00", "2026-05-05 11:30", misfire) == []


@pytest.mark.parametrize("rule", ["coalesce", "skip", "all"])
@pytest.mark.parametrize(("now", "count"), [("2026-05-05 05:10", 1), ("2026-05-05 05:10:01", 0)])
def test_a_slot_is_given_up_when_it_is_later_than_the_stated_lateness(rule: str, now: str, count: int) -> None:
    misfire = Misfire(rule, max_lateness=timedelta(hours=1))

    assert len(due(DAILY, "2026-05-01 04:10", now, misfire)) == count


@pytest.mark.parametrize(("now", "count"), [("2026-05-05 04:11", 1), ("2026-05-05 04:11:01", 0)])
def test_skip_runs_only_what_is_at_most_a_minute_late(now: str, count: int) -> None:
    assert len(due(DAILY, "2026-05-04 04:10", now, SKIP)) == count


def test_all_runs_every_missed_slot_oldest_first() -> None:
    assert due(HOURLY, "2026-05-05 08:00", "2026-05-05 11:30", ALL) == [
        "05-05 09:00",
        "05-05 10:00",
        "05-05 11:00",
    ]


def test_all_keeps_the_newest_slots_within_its_limit() -> None:
    missed = due(HOURLY, "2020-01-01 00:00", "2026-05-05 11:30", Misfire("all", limit=2))

    assert missed == ["05-05 10:00", "05-05 11:00"]


def test_all_gives_up_what_is_too_late() -> None:
    two_hours = Misfire("all", max_lateness=timedelta(hours=2))

    assert due(HOURLY, "2026-05-05 01:00", "2026-05-05 11:30", two_hours) == ["05-05 10:00", "05-05 11:00"]


@pytest.mark.parametrize("misfire", [COALESCE, ALL])
def test_s6_a_job_that_never_ran_replays_no_past_beyond_its_latest_slot(misfire: Misfire) -> None:
    assert due(HOURLY, None, "2026-05-05 11:30", misfire) == ["05-05 11:00"]


@pytest.mark.parametrize("misfire", [COALESCE, SKIP, ALL])
def test_s6_a_new_expression_replays_nothing_from_before_it_was_seen(misfire: Misfire) -> None:
    """Edited at 15:00 from 04:10 to 14:00: today's 14:00 never was a slot; tomorrow's is."""
    edited = cron("0 14 * * *")

    assert due(edited, "2026-05-05 15:00", "2026-05-05 15:00:05", misfire) == []
    assert due(edited, "2026-05-05 15:00", "2026-05-06 14:00", misfire) == ["05-06 14:00"]


def test_s10_three_days_of_silence_end_in_one_run_that_nothing_was_lost_for() -> None:
    """What an exact-day window would have missed is seen by one later run, since windows are "at least"."""
    last, runs = "2026-05-01 04:10", []
    for now in ("2026-05-04 12:00", "2026-05-04 12:01", "2026-05-05 04:10"):
        slots = due(DAILY, last, now, COALESCE)
        runs.append(slots)
        last = f"2026-{slots[-1]}" if slots else last

    assert runs == [["05-04 04:10"], [], ["05-05 04:10"]]


def test_the_night_of_a_clock_change_makes_one_slot_not_two() -> None:
    nightly = cron("30 1 * * *", tz="Asia/Jerusalem")

    assert due(nightly, "2026-10-23 22:30", "2026-10-24 23:45", ALL) == ["10-24 22:30"]


@given(
    st.sampled_from([DAILY, HOURLY, every("7m"), cron("0 0 31 * *", tz="Asia/Jerusalem")]),
    st.datetimes(
        timezones=st.just(UTC),
        min_value=datetime.fromisoformat("2026-01-01"),
        max_value=datetime.fromisoformat("2026-12-31"),
    ),
    st.timedeltas(timedelta(), timedelta(days=100)),
    st.integers(1, 30),
)
def test_all_is_the_tail_of_the_slots_since_the_last_one(
    schedule: Schedule, last: datetime, gap: timedelta, limit: int
) -> None:
    now = last + gap
    missed = list(schedule.between(last, now))

    assert due_slots(schedule, last, now, Misfire("all", limit=limit)) == missed[-limit:]
    assert due_slots(schedule, last, now, COALESCE) == missed[-1:]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"rule": "colaesce"}, "did you mean coalesce"),
        ({"rule": "all", "limit": 0}, "at least 1"),
        ({"max_lateness": timedelta()}, "longer than 0s"),
    ],
)
def test_an_impossible_misfire_rule_is_refused(arguments: dict[str, object], reason: str) -> None:
    with pytest.raises(ScheduleError, match=reason):
        Misfire(**arguments)  # type: ignore[arg-type]
