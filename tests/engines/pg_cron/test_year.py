"""PGC-3: `06:00 Asia/Jerusalem` on a server that knows UTC only is one run a day at 06:00, over both clock changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from sexton.engines.pg_cron.cron_lines import fire_fields
from sexton.engines.pg_cron.installation import install
from sexton.engines.pg_cron.options import PgCronOptions
from sexton.engines.pg_cron.run_settings import run_settings
from sexton.jobs.job import Job
from sexton.runs.runner import ready
from sexton.slots.upcoming_slots import fill
from tests.support.pg_cron import CronShop

from .pg_cron_model import means

START = datetime(2027, 1, 1, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Jerusalem")
MINUTE = timedelta(minutes=1)
YEAR = timedelta(days=365)

DUE = text("SELECT slot, missed FROM sexton.due_v1(:job, CAST(:settings AS jsonb), :at)")
DONE = text(
    "INSERT INTO sexton.runs (job, database, slot, attempt, state, worker, epoch, as_of, started_at, finished_at,"
    " counts, definition, missed)"
    " VALUES (:job, 'main', :slot, 1, 'succeeded', 'test', 1, :at, :at, :at, '{}', '', :missed)"
)


def test_pgc_3_a_year_of_minutes_has_one_run_a_day_at_six(shop: CronShop) -> None:
    """Every minute at which the line fires asks the very function that a procedure asks; no time passes."""
    job = shop.app.registry.get("policies.codes")
    assert job.schedule is not None
    line = fire_fields(job.schedule, START)
    fires = [minute for minute in _minutes() if means(line, minute)]
    assert len(fires) == 2 * 365
    with shop.database.begin() as connection:
        ran = _year(connection, shop, job, fires)
    local = [slot.astimezone(ZONE) for slot in ran]
    assert [f"{slot:%H:%M}" for slot in local] == ["06:00"] * 365
    assert len({slot.date() for slot in local}) == 365
    assert {slot.utcoffset() for slot in local} == {timedelta(hours=2), timedelta(hours=3)}


def _minutes() -> list[datetime]:
    return [START + number * MINUTE for number in range(YEAR // MINUTE)]


def _year(connection: Connection, shop: CronShop, job: Job, fires: list[datetime]) -> list[datetime]:
    """The slots that were due at one of these minutes, each put on record as done."""
    fill(connection, job, START)
    plans = ready(shop.database, job)
    settings = run_settings(connection, job, plans, shop.app.limits(), "")
    assert json.loads(settings)["every"] is None
    ran = []
    for at in fires:
        for due in connection.execute(DUE, {"job": job.name, "settings": settings, "at": at}).all():
            assert due.slot == at, "at its minute, not later"
            assert due.missed == 0
            connection.execute(DONE, {"job": job.name, "at": at, "slot": due.slot, "missed": due.missed})
            ran.append(due.slot)
    return ran


def test_a_server_that_was_down_for_hours_makes_up_one_run(shop: CronShop) -> None:
    """pg_cron makes nothing up; the hourly call of all jobs does, once."""
    install(shop.app, PgCronOptions())
    job = shop.app.registry.get("policies.codes")
    noon = datetime(2027, 6, 1, 12, 0, tzinfo=UTC)
    with shop.database.begin() as connection:
        connection.execute(text("UPDATE sexton.schedules SET seen_at = :at"), {"at": noon - timedelta(days=3)})
        found = _year(connection, shop, job, [noon - timedelta(days=2, hours=9)])
        assert len(found) == 1
        settings = run_settings(connection, job, ready(shop.database, job), shop.app.limits(), "")
        values = {"job": job.name, "settings": settings, "at": noon}
        due = connection.execute(DUE, values).one()
        assert due.slot.astimezone(ZONE).isoformat() == "2027-06-01T06:00:00+03:00"
        assert due.missed == 1
        connection.execute(DONE, {"job": job.name, "at": noon, "slot": due.slot, "missed": due.missed})
        assert connection.execute(DUE, values).all() == []
