"""T7: the rules of a time zone change while everything runs: read anew, and no slot that changed runs twice.

Two versions of a zone are made by `zic`, the compiler of the time zone database; a package manager would put the
second in the place of the first in the same way.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo, reset_tzpath

import pytest
from sqlalchemy import Engine

from sexton import Job, cron, every
from sexton.jobs import zones
from sexton.jobs.schedule import Schedule
from sexton.jobs.zones import renew_zones
from sexton.slots.due import due_runs
from tests.support.past_runs import add_runs, run_row
from tests.support.require import program

ZONE = "Europe/Chisinau"
HALF_HOURS = [datetime(2026, 11, 22, hour, minute, tzinfo=UTC) for hour in range(24) for minute in (0, 30)][1:]
DAY = datetime(2026, 11, 22, tzinfo=UTC)


def at(hour: int, minute: int = 0) -> datetime:
    """On the day on which the rules change."""
    return DAY + timedelta(hours=hour, minutes=minute)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where zones are read from first."""
    folder, before = tmp_path / "zones", TZPATH
    (folder / "Europe").mkdir(parents=True)
    reset_tzpath([folder, *before])
    renew_zones()  # those that other tests of this process have read
    zones._read.pop(ZONE, None)
    ZoneInfo.clear_cache(only_keys=[ZONE])
    yield folder
    reset_tzpath(before)
    ZoneInfo.clear_cache()
    renew_zones()


def install(folder: Path, offset: str) -> None:
    """Put rules with this offset in place, at once, as package managers do."""
    source = folder.parent / "rules"
    source.write_text(f"Zone {ZONE} {offset} - X{offset.replace(':', '')}\n")
    made = folder.parent / f"made {offset}"
    subprocess.run([program("zic"), "-d", str(made), str(source)], check=True)
    os.replace(made / ZONE, folder / ZONE)


def test_t7_a_replaced_file_is_read_again(folder: Path) -> None:
    install(folder, "2")
    schedule = cron("0 4 * * *", tz=ZONE)
    assert schedule.next(at(0)) == at(2)
    assert not renew_zones()

    install(folder, "1")

    assert schedule.next(at(0)) == at(2), "kept until somebody looks"
    assert renew_zones()
    assert schedule.next(at(0)) == at(3)
    assert not renew_zones()


@pytest.mark.parametrize(
    ("schedule", "before", "after", "change", "slots"),
    [
        # later by an hour: 04:00 was done at 02:00 UTC, and is not done again at 03:00
        pytest.param(cron("0 4 * * *", tz=ZONE), "2", "1", at(2, 45), [at(2), at(27)], id="later"),
        # earlier by an hour: the slot of the day has just passed and is made up
        pytest.param(cron("0 6 * * *", tz=ZONE), "2", "3", at(3, 15), [at(3), at(27)], id="earlier"),
        # several a day: each once, by its name
        pytest.param(
            cron("0,30 4,5 * * *", tz=ZONE), "2", "1", at(2, 45), [at(2), at(2, 30), at(4), at(4, 30)], id="several"
        ),
        # elapsed time counts, and still a named hour is not done twice: midnight was at 22:00, by new rules at 23:00
        pytest.param(cron("0 */6 * * *", tz=ZONE), "2", "1", at(3, 15), [at(5), at(11), at(17), at(23)], id="hours"),
        # no hour is named: each instant that matches, whatever it is called
        pytest.param(cron("*/30 * * * *", tz=ZONE), "2", "1", at(3, 15), HALF_HOURS, id="wildcard"),
        pytest.param(every("6h"), "2", "1", at(3, 15), [at(6), at(12), at(18), at(24)], id="interval"),
    ],
)
def test_t7_slots_that_moved_run_once(
    schedule: Schedule,
    before: str,
    after: str,
    change: datetime,
    slots: list[datetime],
    engine: Engine,
    folder: Path,
) -> None:
    """At `change` the rules change; who asks every quarter of an hour finds each slot of the day once."""
    install(folder, before)
    job = Job("shop.nightly", schedule=schedule, work=lambda run: None)
    put_on_record(engine, job, schedule.previous(at(0, 1)))
    found: list[datetime] = []

    for step in range(1, 28 * 4):
        now = at(0) + timedelta(minutes=15 * step)
        if now == change:
            install(folder, after)
            renew_zones()
        with engine.begin() as connection:
            due = [run.slot for run in due_runs(connection, [job], now) if run.slot is not None]
        for slot in due:
            found.append(slot)
            put_on_record(engine, job, slot)

    assert found[: len(slots)] == slots
    assert len(found) == len(set(found))


def put_on_record(engine: Engine, job: Job, slot: datetime) -> None:
    """As done."""
    assert job.schedule is not None
    add_runs(engine, run_row(job.name, "succeeded", slot, slot=slot, local_slot=job.schedule.local_slot(slot)))
