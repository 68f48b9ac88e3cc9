"""BJ-24.1: the fields of a job's line start it at each slot or at most a grain later, in whatever zone cron lives."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sexton.engines.crontab.slot_fields import GRAINS, every_minutes, fields_for
from sexton.jobs.schedule import Schedule, cron, every

START = datetime(2026, 10, 20, 7, 30, tzinfo=UTC)
ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe"]
TEXTS = [
    "10 4 * * *",
    "59 23 * * *",
    "0 0 1 * *",
    "30 2 * * *",
    "*/15 * * * *",
    "7 * * * *",
    "0,20 6-8 * * 1-5",
    "5 5 L * *",
    "1 1 1 * MON",
    "*/2 3 * * *",
    "58 22 * * SUN",
]
EVENS = ["1m", "5m", "7m", "90s", "20m", "1h", "36h", "24h"]

schedules = some.one_of(
    some.builds(cron, some.sampled_from(TEXTS), some.sampled_from(ZONES)),
    some.builds(every, some.sampled_from(EVENS)),
    some.builds(every, some.sampled_from(["20m", "1h", "24h"]), offset=some.sampled_from(["1m", "19m", "30s"])),
)


@given(schedules, some.sampled_from([*ZONES, None]), some.sampled_from(GRAINS))
def test_bj_24_1_every_slot_has_two_starts_in_time(schedule: Schedule, server: str | None, grain: int) -> None:
    """Over 12 days with the clock changes of Europe, Lord Howe and, a week later, New York behind us."""
    end = START + timedelta(days=12)
    line = cron(fields_for(schedule, server, grain, START), server or "Asia/Jerusalem")
    starts = list(line.between(START - timedelta(minutes=1), end + timedelta(hours=3)))
    step = timedelta(minutes=grain)
    for slot in schedule.between(START, end):
        later = starts[bisect_left(starts, slot) : bisect_right(starts, slot + 2 * step)]
        assert later, f"{line.text}: nothing starts {schedule.text} of {slot}"
        assert later[0] - slot <= step
        assert len(later) > 1, f"{line.text}: no second start for {slot}"


@given(schedules, some.sampled_from([*ZONES, None]))
def test_bj_24_2_a_grain_is_kept_between_any_two_starts(schedule: Schedule, server: str | None) -> None:
    line = cron(fields_for(schedule, server, 5, START), "UTC")
    for earlier, later in pairwise(line.between(START, START + timedelta(days=2))):
        assert later - earlier >= timedelta(minutes=5)


@pytest.mark.parametrize(
    ("schedule", "server", "grain", "fields"),
    [
        (cron("10 4 * * *"), "UTC", 1, "10,11 4 * * *"),
        (cron("10 4 * * *"), "Etc/UTC", 5, "10,15 4 * * *"),
        (cron("10 4 * * *"), "Asia/Kolkata", 1, "40,41 9 * * *"),
        (cron("0 4 1 * *"), "UTC", 1, "0,1 4 1 * *"),
        (every("5m"), "Asia/Kolkata", 5, "*/5 * * * *"),
        (cron("7 * * * *", "Europe/Berlin"), "America/New_York", 1, "7,8 * * * *"),
    ],
)
def test_a_plain_translation_where_it_is_certain(schedule: Schedule, server: str, grain: int, fields: str) -> None:
    assert fields_for(schedule, server, grain, START) == fields


@pytest.mark.parametrize(
    ("schedule", "server"),
    [
        (cron("10 4 * * *"), None),
        (cron("10 4 * * *"), "Europe/Berlin"),
        (cron("10 4 * * *", "Europe/Berlin"), "UTC"),
        (cron("30 2 * * *", "Europe/Berlin"), "Europe/Berlin"),
        (cron("0 4 1 * *"), "Asia/Kolkata"),
        (cron("0 4 1 * MON"), "UTC"),
        (cron("0 4 L * *"), "UTC"),
        (cron("59 23 * * 1"), "UTC"),
        (every("36h"), "UTC"),
        (every("90s"), "UTC"),
    ],
)
def test_the_line_of_every_minute_where_it_is_not(schedule: Schedule, server: str | None) -> None:
    assert fields_for(schedule, server, 1, START) == every_minutes(1)
