"""T3 to T6, T11 as the run table sees them: whoever asks how often, each slot of a strange night runs once.

What a schedule means is tested with the schedules; here a day is lived through, asking every half hour what is due.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, insert

from sexton import Job, cron, every
from sexton.db.tables import own_tables
from sexton.jobs.schedule import Schedule
from sexton.slots.due import due_runs

STEP = timedelta(minutes=30)

NIGHTS = [
    # expression, zone, first day, days, how often it runs, where it runs on the strange day (UTC)
    ("30 2 * * *", "Asia/Jerusalem", "2027-03-25", 3, 3, "2027-03-26T00:00"),  # T3: in the gap, at its end
    ("30 1 * * *", "Asia/Jerusalem", "2027-10-30", 3, 3, "2027-10-30T22:30"),  # T4: in the overlap, the first
    ("*/30 * * * *", "Asia/Jerusalem", "2027-10-31", 1, 50, "2027-10-30T23:30"),  # T5: every real half hour
    ("*/30 * * * *", "Asia/Jerusalem", "2027-03-26", 1, 46, "2027-03-26T00:00"),
    ("15 2 * * *", "Australia/Lord_Howe", "2027-10-02", 3, 3, "2027-10-02T15:30"),  # T6: half an hour
    ("45 1 * * *", "Australia/Lord_Howe", "2027-04-03", 3, 3, "2027-04-03T14:45"),
    ("0 0 * * *", "America/Asuncion", "2023-09-30", 3, 3, "2023-10-01T04:00"),  # the gap is at midnight
    ("30 2 * * *", "Africa/Casablanca", "2027-02-06", 3, 3, "2027-02-07T01:30"),  # before Ramadan, by the moon
    ("0 0 31 * *", "UTC", "2027-01-30", 62, 2, "2027-01-31T00:00"),  # T11
    ("0 0 29 2 *", "UTC", "2028-02-28", 3, 1, "2028-02-29T00:00"),
]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("expression", "zone", "day", "days", "times", "strange"),
    NIGHTS,
    ids=[f"{expression} {zone} {day}" for expression, zone, day, *_ in NIGHTS],
)
def test_a_strange_night_asked_about_all_the_while_runs_each_slot_once(
    engine: Engine, expression: str, zone: str, day: str, days: int, times: int, strange: str
) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    end = (datetime.fromisoformat(day) + timedelta(days=days)).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    step = STEP if days < 10 else timedelta(hours=6)

    ran = live_through(engine, cron(expression, tz=zone), start, end, step)

    assert len(ran) == len(set(ran)) == times
    assert datetime.fromisoformat(strange).replace(tzinfo=UTC) in ran


def test_t5_an_interval_in_a_zone_with_clock_changes_is_an_interval(engine: Engine) -> None:
    start = datetime(2027, 10, 30, 21, 0, tzinfo=UTC)

    ran = live_through(engine, every("1h"), start, start + timedelta(hours=5), STEP)

    assert [later - earlier for earlier, later in pairwise(ran)] == [timedelta(hours=1)] * 4


def live_through(engine: Engine, schedule: Schedule, start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """Every slot that was found due between two instants, in order; each is put on record as done."""
    job = Job("shop.nightly", schedule=schedule, work=lambda run: None)
    ran: list[datetime] = []
    record(engine, schedule.previous(start - timedelta(microseconds=1)))
    at = start
    while at < end:
        with engine.begin() as connection:
            due = due_runs(connection, [job], at)
        for slot in (run.slot for run in due if run.slot is not None):
            ran.append(slot)
            record(engine, slot)
        at += step
    return ran


def record(engine: Engine, slot: datetime) -> None:
    """As a run that succeeded leaves it."""
    runs = own_tables(engine.dialect.name).runs
    row = {
        "job": "shop.nightly",
        "database": "main",
        "slot": slot,
        "attempt": 1,
        "state": "succeeded",
        "worker": "test",
        "epoch": 1,
        "as_of": slot,
        "started_at": slot,
        "finished_at": slot,
        "counts": {},
        "definition": "",
    }
    with engine.begin() as connection:
        connection.execute(insert(runs).values(row))
