"""REP-14: what local times of a zone mean as instants, on both nights of a year when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sexton.jobs.span import parse_span
from sexton.jobs.zoneless_columns import away_from, first_at, instant_of, just_after

TICK = timedelta(microseconds=1)
NIGHTS = [
    ("America/Los_Angeles", "2026-03-08T10:00"),
    ("America/Los_Angeles", "2026-11-01T09:00"),
    ("Europe/Berlin", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-10-25T01:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("Pacific/Kwajalein", "1969-09-30T13:00"),
    ("Asia/Kathmandu", "2026-06-15T12:00"),
    ("UTC", "2026-06-15T12:00"),
]


@pytest.mark.parametrize(("name", "change"), NIGHTS)
def test_rep_14_one_comparison_is_right_for_every_local_time_around_a_change(name: str, change: str) -> None:
    """The local times before `first_at(c)` are those, and only those, that mean an instant before c."""
    zone = UTC if name == "UTC" else ZoneInfo(name)
    at = datetime.fromisoformat(change).replace(tzinfo=UTC)
    middle = at.astimezone(zone).replace(tzinfo=None)
    locals_ = [
        middle + timedelta(minutes=15 * n) + side for n in range(-110, 111, 2) for side in (-TICK, timedelta(), TICK)
    ]
    means = {local: instant_of(local, zone) for local in locals_}
    assert list(means.values()) == sorted(means.values())
    for step in range(-100, 101, 2):
        for side in (-TICK, timedelta(), TICK):
            cutoff = at + timedelta(minutes=15 * step) + side
            for inclusive in (False, True):
                limit = first_at(just_after(cutoff, inclusive=inclusive), zone)
                wrong = [
                    local
                    for local, instant in means.items()
                    if (local < limit) != (instant <= cutoff if inclusive else instant < cutoff)
                ]
                assert wrong == [], (cutoff, inclusive, limit)


def test_rep_14_the_repeated_hour_means_its_second_time_and_the_skipped_one_its_end() -> None:
    zone = ZoneInfo("America/Los_Angeles")

    def means(local: str) -> str:
        return f"{instant_of(datetime.fromisoformat(local), zone):%d %H:%M}"

    assert means("2026-11-01T00:59") == "01 07:59"
    assert means("2026-11-01T01:00") == "01 09:00"
    assert means("2026-11-01T01:30") == "01 09:30"
    assert means("2026-11-01T02:00") == "01 10:00"
    assert means("2026-03-08T01:59") == "08 09:59"
    assert means("2026-03-08T02:30") == "08 10:00"
    assert means("2026-03-08T03:00") == "08 10:00"


def test_rep_14_months_are_those_of_the_local_calendar() -> None:
    zone = ZoneInfo("America/Los_Angeles")
    evening = datetime(2026, 4, 1, 2, tzinfo=UTC)  # 31 March, 19:00 there

    assert away_from(evening, -parse_span("1 month"), zone) == datetime(2026, 3, 1, 3, tzinfo=UTC)
    assert away_from(evening, parse_span("3h"), zone) == datetime(2026, 4, 1, 5, tzinfo=UTC)
