"""PGC-3: the line of a job fires, on a server that knows UTC only, at every minute that one of its slots is at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sexton.engines.pg_cron.cron_lines import delay_of, fire_fields
from sexton.jobs.misfire import Misfire
from sexton.jobs.schedule import Schedule, cron, every, parse_schedule

from .pg_cron_model import means

START = datetime(2026, 12, 1, 7, 30, tzinfo=UTC)
YEAR = timedelta(days=366)
MINUTE = timedelta(minutes=1)
ZONES = [
    "UTC",
    "Asia/Jerusalem",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",  # its clocks go forward at midnight
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Pacific/Chatham",
]
TEXTS = [
    "0 6 * * *",
    "30 2 * * *",
    "30 0 * * *",
    "59 23 * * *",
    "0 0 1 * *",
    "15 1 31 * *",
    "10 22 28-31 2,12 *",
    "*/15 * * * *",
    "20 */2 * * 1-5",
    "0,20 6-8 * * MON-FRI",
    "5 5 L * *",
    "5 23 * * FRI#1",
    "1 1 1 * MON",
    "1 23 */9 1 SUN",
    "0 12 1-31 * 3",
]

schedules = some.builds(cron, some.sampled_from(TEXTS), some.sampled_from(ZONES))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("text", TEXTS)
def test_pgc_3_every_slot_of_a_year_is_at_a_minute_of_the_line(text: str, zone: str) -> None:
    """Both changes of the clocks of each zone are in that year."""
    schedule = cron(text, zone)
    line = fire_fields(schedule, START)
    lost = [slot for slot in schedule.between(START, START + YEAR) if not means(line, slot)]
    assert lost == [], f"{line} does not fire then"


@given(
    some.integers(1, 5000).map(lambda minutes: f"every {minutes}m"),
    some.sampled_from(["", " offset 1m", " offset 30s"]),
)
def test_every_slot_of_an_interval_is_at_a_minute_of_the_line_or_just_before(interval: str, offset: str) -> None:
    if interval == "every 1m" and offset == " offset 1m":
        offset = ""
    schedule = parse_schedule(interval + offset)
    line = fire_fields(schedule, START)
    for slot in schedule.between(START, START + timedelta(days=9)):
        assert means(line, slot.replace(second=0))


@given(schedules, some.integers(0, 59))
def test_a_delay_moves_the_line_with_it(schedule: Schedule, minutes: int) -> None:
    line = fire_fields(schedule, START, minutes * MINUTE)
    for slot in schedule.between(START, START + timedelta(days=40)):
        assert means(line, slot + minutes * MINUTE)


@pytest.mark.parametrize(
    ("text", "zone", "line"),
    [
        ("0 6 * * *", "Asia/Jerusalem", "0 3,4 * * *"),
        ("*/5 * * * *", "UTC", "*/5 * * * *"),
        ("0 2 * * *", "UTC", "0 2 * * *"),
        ("every 5m", "UTC", "*/5 * * * *"),
        ("every 2h offset 5m", "UTC", "5 */2 * * *"),
        ("every 7m", "UTC", "* * * * *"),
        ("every 90s", "UTC", "* * * * *"),
        ("0 22 * * MON-FRI", "America/New_York", "0 2,3 * * 2-6"),
        ("0 2 1 * *", "Asia/Jerusalem", "0 0,23 1,28-31 * *"),
        ("5 5 L * *", "UTC", "5 5 * * *"),
    ],
)
def test_pgc_3_lines_as_people_read_them(text: str, zone: str, line: str) -> None:
    assert fire_fields(parse_schedule(text, zone), START) == line


def test_databases_of_a_fleet_do_not_begin_at_once_where_a_slot_may_wait() -> None:
    spread = timedelta(minutes=10)
    nightly, frequent = cron("0 2 * * *"), every("5m")
    names = [f"merchant_{number}" for number in range(200)]
    delays = [delay_of(nightly, Misfire(), name, spread, START) for name in names]
    assert {delay // MINUTE for delay in delays} == set(range(10))
    assert delays == [delay_of(nightly, Misfire(), name, spread, START) for name in names]
    punctual = Misfire("skip")
    for name in names:
        assert not delay_of(frequent, Misfire(), name, spread, START), "the next slot would pass it"
        assert not delay_of(nightly, punctual, name, spread, START), "it would be given up"
        assert not delay_of(nightly, Misfire(), name, timedelta(), START)
