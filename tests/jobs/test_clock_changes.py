"""The days on which clocks change: four zones, two years, and the awkward zones of the world.

The rule: a fixed time of day runs exactly once (in the gap at its end, in the overlap the first time);
with a `*` at the head of minute or hour elapsed time counts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from sexton.clock import parse_instant
from sexton.jobs.schedule import cron, every
from sexton.jobs.zones import zone_names

TICK = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
YEAR_2000, YEAR_2026, YEAR_2028, YEAR_2040 = (
    datetime.fromisoformat(f"{year}-01-01") for year in (2000, 2026, 2028, 2040)
)

# zone: (day, a time in the gap, its end with offset), (day, a time in the overlap, its first instant)
CHANGES_2026 = {
    "Asia/Jerusalem": (("2026-03-27", "30 2", "03:00+0300"), ("2026-10-25", "30 1", "01:30+0300")),
    "Europe/London": (("2026-03-29", "30 1", "02:00+0100"), ("2026-10-25", "30 1", "01:30+0100")),
    "America/New_York": (("2026-03-08", "30 2", "03:00-0400"), ("2026-11-01", "30 1", "01:30-0400")),
    "Australia/Lord_Howe": (("2026-10-04", "15 2", "02:30+1100"), ("2026-04-05", "45 1", "01:45+1100")),
}
CHANGES_2027 = {
    "Asia/Jerusalem": (("2027-03-26", "30 2", "03:00+0300"), ("2027-10-31", "30 1", "01:30+0300")),
    "Europe/London": (("2027-03-28", "30 1", "02:00+0100"), ("2027-10-31", "30 1", "01:30+0100")),
    "America/New_York": (("2027-03-14", "30 2", "03:00-0400"), ("2027-11-07", "30 1", "01:30-0400")),
    "Australia/Lord_Howe": (("2027-10-03", "15 2", "02:30+1100"), ("2027-04-04", "45 1", "01:45+1100")),
}
ROWS = [(zone, gap, overlap) for table in (CHANGES_2026, CHANGES_2027) for zone, (gap, overlap) in table.items()]


def slots_of_day(expression: str, zone: str, day: str) -> list[datetime]:
    """The slots of one local day, in local time."""
    rules = ZoneInfo(zone)
    start = datetime.fromisoformat(day).replace(tzinfo=rules)
    end = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=rules)
    return [slot.astimezone(rules) for slot in cron(expression, zone).between(start - TICK, end - TICK)]


def clocks(slots: list[datetime]) -> list[str]:
    return [slot.strftime("%H:%M%z") for slot in slots]


@pytest.mark.parametrize(("zone", "gap", "overlap"), ROWS)
def test_t3_a_daily_time_in_the_gap_runs_once_at_the_end_of_the_gap(
    zone: str, gap: tuple[str, str, str], overlap: tuple[str, str, str]
) -> None:
    day, time, expected = gap

    assert clocks(slots_of_day(f"{time} * * *", zone, day)) == [expected]


@pytest.mark.parametrize(("zone", "gap", "overlap"), ROWS)
def test_t4_a_daily_time_in_the_overlap_runs_once_the_first_time(
    zone: str, gap: tuple[str, str, str], overlap: tuple[str, str, str]
) -> None:
    day, time, expected = overlap

    assert clocks(slots_of_day(f"{time} * * *", zone, day)) == [expected]


@pytest.mark.parametrize(("zone", "gap", "overlap"), ROWS)
def test_t5_every_real_hour_and_quarter_hour_runs(
    zone: str, gap: tuple[str, str, str], overlap: tuple[str, str, str]
) -> None:
    """23 and 25 hours, 92 and 100 quarters; where clocks move half an hour, 23 and 24 on the hour, 94 and 98."""
    half_hour = zone == "Australia/Lord_Howe"

    counts = [len(slots_of_day(e, zone, d)) for e in ("0 * * * *", "*/15 * * * *") for d in (gap[0], overlap[0])]

    assert counts == ([23, 24, 94, 98] if half_hour else [23, 25, 92, 100])


@pytest.mark.parametrize(("zone", "gap", "overlap"), ROWS)
def test_t3_the_next_day_is_back_at_its_time(
    zone: str, gap: tuple[str, str, str], overlap: tuple[str, str, str]
) -> None:
    for day, _, _ in (gap, overlap):
        following = (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()
        assert [clock[:5] for clock in clocks(slots_of_day("0 6 * * *", zone, following))] == ["06:00"]


def test_t5_half_hours_run_through_the_repeated_hour_without_a_hole() -> None:
    night = slots_of_day("*/30 * * * *", "Asia/Jerusalem", "2027-10-31")

    assert clocks(night[2:7]) == ["01:00+0300", "01:30+0300", "01:00+0200", "01:30+0200", "02:00+0200"]


def test_t5_intervals_do_not_notice_a_clock_change() -> None:
    start, end = parse_instant("2027-10-30 22:00"), parse_instant("2027-10-31 00:00")

    assert len(list(every("30m").between(start, end))) == 4


def test_t6_a_half_hour_shift_loses_no_slot_later_that_day() -> None:
    """Stepping by whole hours over a half-hour shift, as cron libraries do, misses 05:00, 05:15 and 06:00."""
    for day in ("2026-10-04", "2026-04-05"):
        quarters = clocks(slots_of_day("*/15 5 * * *", "Australia/Lord_Howe", day))
        assert [clock[:5] for clock in quarters] == ["05:00", "05:15", "05:30", "05:45"]
        sixths = clocks(slots_of_day("0 */6 * * *", "Australia/Lord_Howe", day))
        assert [clock[:5] for clock in sixths] == ["00:00", "06:00", "12:00", "18:00"]


def test_t6_an_hourly_minute_that_comes_twice_runs_twice() -> None:
    assert clocks(slots_of_day("50 * * * *", "Australia/Lord_Howe", "2026-04-05"))[1:4] == [
        "01:50+1100",
        "01:50+1030",
        "02:50+1030",
    ]


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        ("Africa/Cairo", "2026-04-24", ["01:00+0300"]),
        ("America/Santiago", "2026-09-06", ["01:00-0300"]),
        ("Asia/Beirut", "2026-03-29", ["01:00+0300"]),
        ("America/Havana", "2026-11-01", ["00:00-0400"]),
    ],
)
def test_t6_midnight_itself_may_be_skipped_or_come_twice(zone: str, day: str, expected: list[str]) -> None:
    assert clocks(slots_of_day("0 0 * * *", zone, day)) == expected
    assert clocks(slots_of_day("*/30 0 * * *", zone, day))[:1] == (expected if expected[0] < "01" else [])


def test_t6_a_whole_skipped_day_runs_once_at_its_end() -> None:
    """Samoa had no 30 December 2011: its 29th was followed by the 31st."""
    start, end = parse_instant("2011-12-29 10:00"), parse_instant("2011-12-31 10:00")

    slots = list(cron("0 9 * * *", "Pacific/Apia").between(start, end))

    assert slots == [
        parse_instant("2011-12-29 19:00"),
        parse_instant("2011-12-30 10:00"),
        parse_instant("2011-12-30 19:00"),
    ]


@pytest.mark.parametrize("zone", ["Africa/Casablanca", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Jerusalem"])
@pytest.mark.parametrize("time", ["0 0", "30 0", "0 1", "45 1", "0 2", "30 2", "59 2", "0 3", "30 3", "30 23"])
def test_t6_a_daily_time_runs_once_on_each_of_three_years_of_days(zone: str, time: str) -> None:
    """Casablanca changes its clocks around Ramadan, by the moon; 1096 days from 2026 through 2028."""
    rules = ZoneInfo(zone)
    start, end = (datetime(year, 1, 1, tzinfo=rules) for year in (2026, 2029))

    slots = list(cron(f"{time} * * *", zone).between(start - TICK, end - TICK))

    assert [slot.astimezone(rules).date() for slot in slots] == [
        datetime(2026, 1, 1, tzinfo=UTC).date() + timedelta(days=day) for day in range(1096)
    ]


def test_t8_two_instants_with_the_same_clock_time_have_different_answers() -> None:
    rules, half_hourly = ZoneInfo("Asia/Jerusalem"), cron("*/30 * * * *", "Asia/Jerusalem")
    first = datetime(2026, 10, 25, 1, 30, tzinfo=rules)
    second = first.replace(fold=1)

    assert first == second
    assert half_hourly.next(first) == parse_instant("2026-10-24 23:00")
    assert half_hourly.next(second) == parse_instant("2026-10-25 00:00")
    assert half_hourly.previous(second) - half_hourly.previous(first) == timedelta(hours=1)


def test_t8_asked_inside_the_repeated_hour_the_answer_is_never_in_the_past() -> None:
    second_pass = datetime(2026, 10, 25, 1, 30, tzinfo=ZoneInfo("Asia/Jerusalem"), fold=1)

    slot = cron("45 1 * * *", "Asia/Jerusalem").next(second_pass)

    assert slot == parse_instant("2026-10-25 23:45")


def minutes_that_fire(expression: str, zone: str, start: datetime, count: int) -> list[datetime]:
    """The rule told minute by minute, as a cron daemon would live through it."""
    fields, rules = CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC)), ZoneInfo(zone)
    fixed = not any(part.startswith("*") for part in expression.split()[:2])
    seen = (start - MINUTE).astimezone(rules).replace(tzinfo=None)
    fired = []
    for instant in (start + number * MINUTE for number in range(count)):
        local = instant.astimezone(rules)
        clock = local.replace(tzinfo=None, fold=0)
        asked = [seen + MINUTE * skipped for skipped in range(1, (clock - seen) // MINUTE)] if fixed else []
        asked += [] if fixed and local.fold else [clock]
        if any(at.minute in fields.minutes and at.hour in fields.hours and fields.match_day(at.date()) for at in asked):
            fired.append(instant)
        seen = clock
    return fired


CHANGING_DAYS = [
    *((zone, row[0]) for zone, gap, overlap in ROWS for row in (gap, overlap)),
    ("Africa/Cairo", "2026-04-24"),
    ("Africa/Cairo", "2026-10-29"),
    ("America/Santiago", "2026-09-06"),
    ("America/Santiago", "2026-04-04"),
    ("Africa/Casablanca", "2026-02-15"),
    ("Africa/Casablanca", "2026-03-22"),
    ("Antarctica/Troll", "2026-03-29"),
    ("Antarctica/Troll", "2026-10-25"),
    ("America/Goose_Bay", "2010-11-07"),
    ("Pacific/Apia", "2011-12-30"),
    ("Asia/Kathmandu", "2026-01-01"),
]


@st.composite
def expressions(draw: st.DrawFn) -> str:
    minute = draw(st.sampled_from(["*", "*/7", "*/15", "*/30", "0", "15", "45", "0,30", "10-50/20", "5/25"]))
    hour = draw(st.sampled_from(["*", "*/2", "*/6", "0", "1", "2", "3", "5", "23", "0-3", "1,2", "0/3"]))
    days = draw(st.sampled_from(["* * *", "* * *", "* * 0", "* * 1-5", "27-31 * *", "L * *", "13 * 5"]))
    return f"{minute} {hour} {days}"


@settings(deadline=None, max_examples=150)
@given(expressions(), st.sampled_from(CHANGING_DAYS), st.integers(0, 36 * 60))
def test_t6_slots_are_those_of_a_daemon_that_lives_through_the_change(
    expression: str, change: tuple[str, str], lead: int
) -> None:
    zone, day = change
    start, count = parse_instant(day) - lead * MINUTE, 36 * 60
    schedule = cron(expression, zone)

    slots = list(schedule.between(start - TICK, start + count * MINUTE - TICK))

    assert slots == minutes_that_fire(expression, zone, start, count)
    for slot in slots[:10]:
        assert schedule.previous(slot) == slot == schedule.next(slot - TICK)


@settings(deadline=None)
@given(
    expressions(),
    st.sampled_from(sorted(zone_names())),
    st.datetimes(YEAR_2000, YEAR_2040, timezones=st.just(UTC)),
)
def test_previous_and_next_are_two_views_of_the_same_slots(expression: str, zone: str, at: datetime) -> None:
    schedule = cron(expression, zone)

    before, after = schedule.previous(at), schedule.next(at)

    assert before <= at < after
    assert schedule.next(before) == after
    assert schedule.previous(after) == after
    assert schedule.previous(after - TICK) == before


@settings(deadline=None)
@given(
    expressions(),
    st.sampled_from(["UTC", "Asia/Jerusalem", "Europe/London", "America/New_York", "Africa/Casablanca"]),
    st.datetimes(YEAR_2026, YEAR_2028, timezones=st.just(UTC)),
)
def test_slots_are_those_of_cronsim_where_clocks_move_by_whole_hours_away_from_midnight(
    expression: str, zone: str, start: datetime
) -> None:
    """Its iterator is right there, from a start outside a repeated hour."""
    local = start.astimezone(ZoneInfo(zone)).replace(fold=0)
    expected = [slot.astimezone(UTC) for slot in islice(CronSim(expression, local), 60)]

    assert list(cron(expression, zone).between(local, expected[-1])) == expected
