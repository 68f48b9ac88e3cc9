"""Schedules: next, previous, between and period agree; settings texts are read; intervals keep units."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sexton.clock import iso, parse_instant
from sexton.errors import ScheduleError
from sexton.jobs.duration import parse_duration
from sexton.jobs.schedule import NAMED_SCHEDULES, Cron, Every, Schedule, cron, every, parse_schedule

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
YEAR_1960, YEAR_2100 = datetime.fromisoformat("1960-01-01"), datetime.fromisoformat("2100-01-01")
INTERVALS = ["59m", "61m", "23h", "25h", "47h", "49h", "32d"]


def short(*instants: datetime) -> list[str]:
    return [iso(instant)[5:16].replace("T", " ") for instant in instants]


def test_next_is_strictly_after_and_previous_may_be_now() -> None:
    daily, due = cron("10 4 * * *"), parse_instant("2026-05-05 04:10")

    assert short(daily.next(due - TICK), daily.next(due)) == ["05-05 04:10", "05-06 04:10"]
    assert short(daily.previous(due), daily.previous(due - TICK)) == ["05-05 04:10", "05-04 04:10"]


def test_slots_are_aware_and_in_utc_whatever_zone_is_asked_in() -> None:
    asked = parse_instant("2026-05-05 04:10").astimezone()

    for schedule in (cron("10 4 * * *", tz="Asia/Jerusalem"), every("5m")):
        for slot in (schedule.next(asked), schedule.previous(asked), *schedule.between(asked, asked)):
            assert slot.tzinfo is UTC


def test_a_local_time_is_read_in_its_zone() -> None:
    """06:00 in Jerusalem is 04:00 UTC in winter and 03:00 UTC in summer."""
    digest = cron("0 6 * * *", tz="Asia/Jerusalem")

    assert short(digest.next(parse_instant("2026-01-10"))) == ["01-10 04:00"]
    assert short(digest.next(parse_instant("2026-07-10"))) == ["07-10 03:00"]


def test_between_leaves_out_its_start_and_takes_its_end() -> None:
    start, end = parse_instant("2026-05-05 10:00"), parse_instant("2026-05-05 10:30")

    for schedule in (cron("*/15 * * * *"), every("15m")):
        assert short(*schedule.between(start, end)) == ["05-05 10:15", "05-05 10:30"]


@pytest.mark.parametrize(
    ("schedule", "at", "period"),
    [
        (cron("10 4 * * *"), "2026-05-05 12:00", timedelta(days=1)),
        (cron("0 6 * * *", tz="Asia/Jerusalem"), "2026-03-26 12:00", timedelta(hours=23)),
        (cron("0 6 * * *", tz="Asia/Jerusalem"), "2026-10-24 12:00", timedelta(hours=25)),
        (cron("0 0 1 * *"), "2026-02-10", timedelta(days=28)),
        (every("36h"), "2026-02-10", timedelta(hours=36)),
    ],
)
def test_the_period_is_the_distance_of_the_slots_around(schedule: Schedule, at: str, period: timedelta) -> None:
    assert schedule.period(parse_instant(at)) == period


@pytest.mark.parametrize("schedule", [cron("10 4 * * *"), every("5m")])
def test_a_time_without_zone_names_no_instant_and_is_refused(schedule: Schedule) -> None:
    naive = datetime(2026, 5, 5, 4, 10)  # noqa: DTZ001

    for ask in (schedule.next, schedule.previous):
        with pytest.raises(ValueError, match="no time zone"):
            ask(naive)


@pytest.mark.parametrize(
    ("expression", "at", "expected"),
    [
        ("0 0 31 * *", "2026-01-31 00:00", ["03-31 00:00", "05-31 00:00", "07-31 00:00"]),
        ("0 0 L * *", "2026-01-31 00:00", ["02-28 00:00", "03-31 00:00", "04-30 00:00"]),
        ("0 0 30 * *", "2026-01-30 00:00", ["03-30 00:00", "04-30 00:00", "05-30 00:00"]),
    ],
)
def test_t11_a_day_that_a_month_lacks_is_skipped_and_the_last_day_is_written_l(
    expression: str, at: str, expected: list[str]
) -> None:
    schedule, slots = cron(expression), [parse_instant(at)]

    while len(slots) < 4:
        slots.append(schedule.next(slots[-1]))

    assert short(*slots[1:]) == expected
    assert schedule.previous(slots[2] - TICK) == slots[1]


def test_t11_the_29th_of_february_waits_for_the_leap_year_even_over_the_year_2100() -> None:
    leap_day = cron("30 1 29 2 *", tz="Asia/Jerusalem")

    slots = list(leap_day.between(parse_instant("2026-01-01"), parse_instant("2033-01-01")))

    assert [iso(slot)[:10] for slot in slots] == ["2028-02-28", "2032-02-28"]
    assert leap_day.next(parse_instant("2096-03-01")) == parse_instant("2104-02-28 23:30")
    assert leap_day.previous(parse_instant("2104-02-28")) == parse_instant("2096-02-28 23:30")


@pytest.mark.parametrize("interval", INTERVALS)
def test_an_interval_is_exactly_as_long_as_it_says(interval: str) -> None:
    """Units taken for one another show at both sides of an hour, a day, two days and a month."""
    schedule, at = every(interval), parse_instant("2026-03-01 12:00")
    slots = [schedule.next(at)]
    for _ in range(3):
        slots.append(schedule.next(slots[-1]))

    assert {later - earlier for earlier, later in pairwise(slots)} == {parse_duration(interval)}
    assert schedule.period(at) == parse_duration(interval)


@pytest.mark.parametrize("interval", INTERVALS)
def test_s9_thirty_two_days_and_more_do_not_overflow_into_something_short(interval: str) -> None:
    now = parse_instant("2026-03-01 12:00")

    assert timedelta() < every(interval).next(now) - now <= parse_duration(interval)
    assert every("366d").next(now) - every("366d").previous(now) == timedelta(days=366)


@given(st.integers(1000, 366 * 86_400_000), st.data())
def test_intervals_count_from_the_epoch_so_every_process_computes_the_same(length: int, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, length - 1))
    at = data.draw(st.datetimes(YEAR_1960, YEAR_2100, timezones=st.just(UTC)))
    schedule = Every(timedelta(milliseconds=length), timedelta(milliseconds=offset))

    slot = schedule.previous(at)

    assert (slot - EPOCH - schedule.offset) % schedule.interval == timedelta()
    assert slot <= at < schedule.next(at) == slot + schedule.interval
    assert schedule.previous(schedule.next(at)) == schedule.next(at)


@pytest.mark.parametrize(
    ("text", "offset", "reason"),
    [
        ("0s", "0s", "must be 1s to 366d"),
        ("999ms", "0s", "must be 1s to 366d"),
        ("367d", "0s", "must be 1s to 366d"),
        ("5m", "5m", "offset must be shorter than the interval"),
        ("5m", "-1m", "negative"),
        ("5", "0s", "unit is missing"),
        ("1M", "0s", "months and years"),
    ],
)
def test_c3_an_interval_outside_its_bounds_is_refused(text: str, offset: str, reason: str) -> None:
    with pytest.raises(ScheduleError, match=reason):
        every(text, offset=offset)


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("10 4 * * *", cron("10 4 * * *", tz="Asia/Jerusalem")),
        ("  10 4 * * *\t", cron("10 4 * * *", tz="Asia/Jerusalem")),
        ("@daily", cron("0 0 * * *", tz="Asia/Jerusalem")),
        ("@weekly", cron("0 0 * * 0", tz="Asia/Jerusalem")),
        ("@annually", cron("0 0 1 1 *", tz="Asia/Jerusalem")),
        ("every 5m", every("5m")),
        ("every 300s", every("5m")),
        ("every 1h offset 5m", every("1h", offset="5m")),
    ],
)
def test_settings_texts_are_read(text: str, schedule: Schedule) -> None:
    assert parse_schedule(text, tz="Asia/Jerusalem") == schedule


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("@Daily", "did you mean @daily"),
        ("@reboot", "known: @annually, @daily"),
        ("every", 'write "every 5m"'),
        ("every 5m or so", "'5m or so' is not a duration"),
        ("every\n5m", "not allowed"),
        ("every 1M", "months and years"),
        ("5m", "has 1 fields"),
        ("", "has 0 fields"),
        (300, "must be text"),
        (None, "must be text"),
    ],
)
def test_c1_settings_texts_that_are_no_schedule_are_refused(text: object, reason: str) -> None:
    with pytest.raises(ScheduleError) as refusal:
        parse_schedule(text)  # type: ignore[arg-type]

    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["0 0 * * *", "@daily", "every 5m"])
def test_c2_a_wrong_zone_is_refused_even_where_it_would_not_matter(text: str) -> None:
    with pytest.raises(ScheduleError, match="did you mean Europe/Berlin"):
        parse_schedule(text, tz="europe/berlin")


@pytest.mark.parametrize(
    "schedule",
    [
        cron("10 4 * * *", "Asia/Jerusalem"),
        every("90m"),
        every("1h", offset="5m"),
        *map(cron, NAMED_SCHEDULES.values()),
    ],
)
def test_a_schedule_is_read_back_from_its_text_and_zone(schedule: Schedule) -> None:
    assert parse_schedule(schedule.text, schedule.zone) == schedule


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (cron("10 4 * * *"), "every day at 04:10 UTC"),
        (cron("0 6 * * *", "Asia/Jerusalem"), "every day at 06:00 Asia/Jerusalem"),
        (cron("15,45 3 * * MON,FRI"), "on Monday and Friday at 03:15 and 03:45 UTC"),
        (cron("0 0 1 * *"), "on the first day of every month at 00:00 UTC"),
        (cron("17 * * * *"), "at minute 17 of every hour, UTC"),
        (every("5m"), "every 5 minutes"),
        (every("1h"), "every hour"),
        (every("1d", offset="90m"), "every day, shifted by 90 minutes"),
    ],
)
def test_a_schedule_can_be_said_in_words(schedule: Schedule, words: str) -> None:
    assert schedule.words() == words


def test_equal_schedules_are_equal_and_can_be_keys() -> None:
    assert cron("10 4 * * *") == Cron("10 4 * * *", "UTC")
    assert len({every("60m"), every("1h"), cron("0 * * * *"), cron("0 * * * *", "Asia/Jerusalem")}) == 3
