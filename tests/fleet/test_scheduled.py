"""Visits by schedule: a database in which nothing could be planned is on record, and rests like any other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, update
from sqlalchemy.exc import DBAPIError

from sexton import cron
from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.db.server_clock import ask_now
from sexton.db.tables import own_tables
from sexton.fleet.caps import Caps
from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.identity import take_in
from sexton.fleet.memory import FleetJob, read_jobs, write_reports
from sexton.fleet.results import Contact, JobResult, JobState, Standing, VisitReport
from sexton.fleet.scheduled import ScheduledVisits
from sexton.run_state import NoRun, RunState
from sexton.runs.stop_signals import Stop
from tests.support.fleet_runners import errand
from tests.support.merchant_fleet import INSTALLATION, fill, purge_job

YEARLY = purge_job(schedule=cron("0 0 1 1 *"))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Engine]:
    """Who remembers."""
    engine = open_database(f"sqlite:///{tmp_path}/home.db")
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def newcomer(tmp_path: Path) -> FleetDatabase:
    """The product's table is there, Sexton's are not."""
    shop = FleetDatabase("anna", f"sqlite:///{tmp_path}/anna.db", None, "one", {}, DatabaseState.ACTIVE)
    engine = open_database(shop.address)
    fill(engine)
    engine.dispose()
    return shop


def visited(visits: ScheduledVisits, database: FleetDatabase) -> list[list[JobState]]:
    """One look, and the states of the jobs in each visit that it led to."""
    visits.look([database])
    return [[one.state for one in report.results] for reports in visits.reports() for report in reports]


def on_record(home: Engine) -> FleetJob:
    with home.connect() as connection:
        (row,) = read_jobs(connection)
    return row


def test_a_database_that_is_behind_before_a_new_job_had_its_wave_is_told_and_rests(
    home: Engine, newcomer: FleetDatabase
) -> None:
    """Nothing was written of it: it was asked each second, and stood as one that had not been asked yet."""
    visits = ScheduledVisits(home, errand(jobs=(YEARLY,), dialect="sqlite"), Caps(8, 4), Stop(), {YEARLY.name: "new"})

    assert [visited(visits, newcomer) for _ in range(3)] == [[[Standing.BEHIND]], [], []]
    row = on_record(home)
    assert (row.state, row.definition) == (Standing.BEHIND, "")  # it says nothing about the change
    assert str(row.error).endswith("run: sexton fleet migrate")


def test_where_nothing_can_run_that_is_said_of_what_was_due(home: Engine, newcomer: FleetDatabase) -> None:
    """A database that was down for the minute of one job had all others stand as unreached, too."""
    other = purge_job("shop.other", schedule=cron("0 0 1 1 *"))
    jobs = {YEARLY.name: YEARLY, other.name: other}
    gone = replace(newcomer, address=newcomer.address.replace("anna.db", "nowhere.db"))
    with home.begin() as connection:
        well = tuple(JobResult(name, RunState.SUCCEEDED, None, 1) for name in jobs)
        write_reports(connection, [VisitReport("anna", "one", Contact.MADE, well)], jobs, dict.fromkeys(jobs, "new"))
        due = update(own_tables("sqlite").fleet_jobs).values(next_at=ask_now(connection))
        connection.execute(due.where(own_tables("sqlite").fleet_jobs.c.job == YEARLY.name))
    wanted = errand(jobs=(*jobs.values(),), dialect="sqlite")
    visits = ScheduledVisits(home, wanted, Caps(8, 4), Stop(), dict.fromkeys(jobs, "new"))

    assert visited(visits, gone) == [[NoRun.UNREACHABLE]]
    with home.connect() as connection:
        assert {row.job: row.state for row in read_jobs(connection)} == {
            YEARLY.name: NoRun.UNREACHABLE,
            other.name: RunState.SUCCEEDED,
        }


def test_what_could_not_be_written_down_is_written_the_next_time(home: Engine, newcomer: FleetDatabase) -> None:
    """Else the canary of a change that failed just then had not failed."""
    visits = ScheduledVisits(home, errand(jobs=(YEARLY,), dialect="sqlite"), Caps(8, 4), Stop(), {YEARLY.name: "new"})
    visits.look([newcomer])
    with home.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE sexton_fleet_jobs RENAME TO away")
    with pytest.raises(DBAPIError):
        list(visits.reports())
    with home.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO sexton_fleet_jobs")

    assert [report.database for reports in visits.reports() for report in reports] == ["anna"]
    assert on_record(home).state is Standing.BEHIND


def test_visits_that_find_nothing_due_are_written_down_together(home: Engine) -> None:
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    found = [VisitReport(name, "one", Contact.MADE, (), {YEARLY.name: noon}) for name in ("anna", "bert")]
    for _ in range(2):
        with home.begin() as connection:
            write_reports(connection, found, {YEARLY.name: YEARLY}, {})

    with home.connect() as connection:
        assert [(row.database, row.state) for row in read_jobs(connection)] == [
            ("anna", Standing.WAITING),
            ("bert", Standing.WAITING),
        ]


def test_what_stood_in_the_way_is_over_when_a_visit_finds_nothing_due(home: Engine, newcomer: FleetDatabase) -> None:
    visits = ScheduledVisits(home, errand(jobs=(YEARLY,), dialect="sqlite"), Caps(8, 4), Stop(), {YEARLY.name: "new"})
    result = JobResult(YEARLY.name, Standing.BEHIND, error="it has none of Sexton's tables")
    with home.begin() as connection:
        report = VisitReport(newcomer.name, newcomer.server, Contact.REFUSED, (result,))
        write_reports(connection, [report], {YEARLY.name: YEARLY}, {})
    engine = open_database(newcomer.address)
    migrate(engine)
    with engine.begin() as connection:
        take_in(connection, newcomer, INSTALLATION)
    engine.dispose()
    with home.begin() as connection:
        connection.execute(update(own_tables("sqlite").fleet_jobs).values(next_at=ask_now(connection)))

    assert visited(visits, newcomer) == [[]]
    row = on_record(home)
    assert (row.state, row.error) == (Standing.WAITING, None)
