"""PGC-3: where windows of roll-ups begin stands in a table; PostgreSQL finds those of the schedule in any zone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import Connection, Engine, delete, insert, select, text
from sqlalchemy.exc import DBAPIError

from sexton import cron, every
from sexton.db.tables import own_tables
from sexton.jobs.schedule import Schedule
from sexton.slots.upcoming_slots import LOW, WRITTEN_AHEAD
from sexton.slots.window_starts import (
    NeededWindows,
    definition_of,
    keep_windows,
    refill_windows,
    window_settings,
    windows_astray,
    write_windows,
)

NOW = datetime(2026, 12, 1, 7, 30, 5, tzinfo=UTC)
DAY = timedelta(days=1)
EVENINGS = cron("0 18 * * *", tz="Asia/Jerusalem")
HOURS_OF_BERLIN = cron("0 * * * *", tz="Europe/Berlin")
SINCE = NOW - 900 * DAY

pytestmark = pytest.mark.databases("postgres")


def needed(schedule: Schedule = EVENINGS, since: datetime | None = SINCE) -> dict[str, NeededWindows]:
    return {definition_of(schedule): NeededWindows(schedule, since)}


def written(connection: Connection, schedule: Schedule = EVENINGS) -> list[datetime]:
    table = own_tables("postgresql").windows
    own = table.c.definition == definition_of(schedule)
    return list(connection.execute(select(table.c.starts).where(own).order_by(table.c.starts)).scalars())


def test_pgc_3_they_reach_from_the_first_window_to_two_years_ahead(engine: Engine) -> None:
    with engine.begin() as connection:
        assert write_windows(connection, needed(), NOW) == len(written(connection))
        assert write_windows(connection, needed(), NOW) == 0, "a second time there is nothing to do"
        found = written(connection)
    assert found[0] == EVENINGS.previous(SINCE)
    assert found[-1] == EVENINGS.next(NOW + WRITTEN_AHEAD)
    assert found[1:] == [*EVENINGS.between(found[0], found[-1])]
    assert {f"{start:%H:%M}" for start in found} == {"15:00", "16:00"}


def test_before_the_first_row_they_reach_back_more_than_a_year(engine: Engine) -> None:
    """Rows may come that are older than the installation."""
    with engine.begin() as connection:
        write_windows(connection, needed(since=None), NOW)
        assert written(connection)[0] == EVENINGS.previous(NOW - 400 * DAY)
    both = NeededWindows(EVENINGS, None, 500 * DAY).joined(NeededWindows(EVENINGS, SINCE))
    assert both == NeededWindows(EVENINGS, SINCE, 500 * DAY)


def test_what_stands_there_and_is_no_window_goes_and_so_do_those_of_nobody(engine: Engine) -> None:
    """As after another release of the rules of a zone."""
    table = own_tables("postgresql").windows
    with engine.begin() as connection:
        write_windows(connection, needed() | needed(cron("0 0 * * 1", tz="Europe/Berlin")), NOW)
        before = written(connection)
        wrong = [before[300] + timedelta(hours=1), before[0] - DAY, before[-1] + DAY]
        connection.execute(insert(table), [{"definition": definition_of(EVENINGS), "starts": one} for one in wrong])
        connection.execute(delete(table).where(table.c.starts == before[301]))
        assert write_windows(connection, needed(), NOW) == 4
        assert written(connection) == before
        assert keep_windows(connection, needed()) > 100
        assert written(connection) == before
        assert keep_windows(connection, ()) == len(before)


def test_status_says_what_is_wrong_with_them(engine: Engine) -> None:
    table = own_tables("postgresql").windows
    with engine.begin() as connection:
        assert [*windows_astray(connection, needed(), NOW)] == [
            "windows 0 18 * * * Asia/Jerusalem are not written, so their roll-ups fail"
        ]
        write_windows(connection, needed(), NOW)
        assert [*windows_astray(connection, needed(), NOW)] == []
        assert [*windows_astray(connection, needed(), NOW + 30 * DAY)] == [], "none is missing as time goes by"
        (low,) = windows_astray(connection, needed(), NOW + WRITTEN_AHEAD - LOW + 2 * DAY)
        assert low == "windows 0 18 * * * Asia/Jerusalem are written until 2028-12-01 only"
        (older,) = windows_astray(connection, needed(since=SINCE - 10 * DAY), NOW)
        assert older == "10 of the windows 0 18 * * * Asia/Jerusalem are not those of their schedule and zone"
        connection.execute(delete(table).where(table.c.starts == written(connection)[301]))
        (astray,) = windows_astray(connection, needed(), NOW)
        assert astray == "1 of the windows 0 18 * * * Asia/Jerusalem are not those of their schedule and zone"


def test_pgc_3_they_are_written_again_when_fewer_than_60_days_are_left(engine: Engine) -> None:
    """Of all definitions that are there, without the jobs that they belong to."""
    weekly = cron("0 0 * * 1", tz="Europe/Berlin")
    with engine.begin() as connection:
        assert refill_windows(connection, NOW) == []
        write_windows(connection, needed() | needed(weekly), NOW)
        before, end = written(connection), written(connection)[-1]
        assert refill_windows(connection, end - LOW) == []
        assert refill_windows(connection, end - LOW + 8 * DAY) == sorted(
            (definition_of(EVENINGS), definition_of(weekly))
        )
        after = written(connection)
        assert after[: len(before)] == before
        assert after == [before[0], *EVENINGS.between(before[0], after[-1])]
        assert after[-1] > end + 600 * DAY


@pytest.mark.databases("sqlite")
def test_a_worker_on_sqlite_has_none_to_write(engine: Engine) -> None:
    """Whatever its jobs were given to: it runs them itself."""
    with engine.begin() as connection:
        assert refill_windows(connection, NOW) == []


def ask(connection: Connection, name: str, schedule: Schedule, at: datetime) -> datetime | str:
    """What the function of this name says; the words of an error."""
    asked = text(f"SELECT nullif(sexton.{name}(CAST(:windows AS jsonb), :at), '-infinity')")
    settings_of = json.dumps(window_settings(schedule, NOW))
    try:
        with connection.begin_nested():
            found: Any = connection.execute(asked, {"windows": settings_of, "at": at}).scalar()
    except DBAPIError as error:
        return str(error.orig).split("\n")[0]
    return "before all" if found is None else found


schedules = some.sampled_from(
    [
        EVENINGS,
        HOURS_OF_BERLIN,
        every("12h", offset="90m"),
        every("1s"),
        cron("*/15 * * * *", tz="Asia/Kathmandu"),
        cron("30 2 1 * *", tz="America/New_York"),
        cron("0 0 29 2 *", tz="Europe/Berlin"),
    ]
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(schedule=schedules, seconds=some.integers(-800 * 86400, 700 * 86400), at_start=some.booleans())
def test_pgc_3_the_database_finds_the_windows_that_the_schedule_has(
    schedule: Schedule, seconds: int, at_start: bool, engine: Engine
) -> None:
    """The window in which an instant lies; at its very start, too."""
    at = NOW + timedelta(seconds=seconds)
    at = schedule.previous(at) if at_start else at
    with engine.connect() as connection:
        if window_settings(schedule, NOW)["every"] is None:
            write_windows(connection, needed(schedule), NOW)
        assert ask(connection, "window_upto_v1", schedule, at) == schedule.previous(at)
        assert ask(connection, "window_after_v1", schedule, at) == schedule.next(at)


def test_a_window_that_nobody_knows_is_no_window(engine: Engine) -> None:
    """Before the first it is said to be before all; where it is needed, the run fails with what to do."""
    assert window_settings(HOURS_OF_BERLIN, NOW)["since"].startswith("1899-01-01")
    quarters = cron("*/15 * * * *", tz="Asia/Kolkata")  # even since 1945
    assert window_settings(quarters, NOW)["since"].startswith("1969-01-01")
    again = "windows 0 18 * * * Asia/Jerusalem are not written at {} UTC; run: sexton pg-cron install"
    with engine.connect() as connection:
        write_windows(connection, needed(), NOW)
        early, late = written(connection)[0] - DAY, written(connection)[-1] + DAY
        assert ask(connection, "window_upto_v1", EVENINGS, early) == "before all"
        assert ask(connection, "window_after_v1", EVENINGS, early) == again.format(f"{early:%Y-%m-%d %H:%M}")
        for name in ("window_upto_v1", "window_after_v1"):
            assert ask(connection, name, EVENINGS, late) == again.format(f"{late:%Y-%m-%d %H:%M}")
        assert ask(connection, "window_upto_v1", quarters, datetime(1930, 1, 1, tzinfo=UTC)) == "before all"
        assert ask(connection, "window_after_v1", quarters, datetime(1930, 1, 1, tzinfo=UTC)) == (
            "windows */15 * * * * Asia/Kolkata are not even at 1930-01-01 00:00 UTC; give the job to a worker"
        )
