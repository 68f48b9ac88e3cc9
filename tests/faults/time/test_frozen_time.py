"""T8, T10, T12: a run has one time for its rows, frozen, on record; how long it took is measured by the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from sexton import Counts, Job, Purge, Run
from sexton.clock import parse_instant
from sexton.db.server_clock import ask_now
from sexton.runs.context import Limits
from sexton.slots.history import history
from sexton.testing import preview_job, run_job
from tests.faults.database.rivals import Hurried
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, make_sessions

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("kind", ["purge", "expire"])
def test_t12_rows_that_become_due_during_the_run_wait_for_the_next(engine: Engine, kind: str) -> None:
    shop = make_sessions(engine)
    with engine.connect() as connection:
        before = ask_now(connection)
    for number in range(1, 5):
        shop.one(number, before - number * SECOND)
    late: list[datetime] = []

    def watch(_step: str, counts: Counts) -> None:
        if counts.picked and not late:
            with engine.connect() as connection:
                late.append(ask_now(connection))  # by the clock it is due at once, by the run's time it is not
            shop.one(99, late[0])

    job = getattr(shop, kind)()
    run = run_job(engine, job, limits=Limits(rows=1), watch=watch)

    assert run.as_of is not None
    assert before <= run.as_of < late[0]
    assert run.total.changed == 4
    assert shop.ids(status="open") == [99]
    assert shop.runs()[0].as_of == run.as_of
    assert run_job(engine, job).total.changed == 1


def test_t12_a_run_across_midnight_keeps_the_day_it_began_on(engine: Engine) -> None:
    last_moment = parse_instant("2026-06-15T23:59:59.999999Z")
    shop = make_sessions(engine)
    for number, offset in enumerate((-2, -1, 0, 1), 1):
        shop.one(number, last_moment + offset * timedelta(microseconds=1))

    run = run_job(engine, shop.purge(), at=last_moment, limits=Limits(rows=1))

    assert shop.ids() == [3, 4]
    assert shop.runs()[0].as_of == run.as_of == last_moment


def test_t12_all_steps_of_a_job_share_one_time(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.one(1, NOON - SECOND)
    seen: list[datetime] = []
    steps = [shop.expire().work, lambda run: seen.append(run.now), shop.purge().work, lambda run: seen.append(run.now)]

    run = run_job(engine, Job("shop.all", work=steps))

    assert run.as_of is not None
    assert seen == [run.as_of, run.as_of]


def test_t12_the_preview_at_a_time_is_that_of_the_run_at_that_time(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(10, age=timedelta(0))

    for at in (NOON - 5 * SECOND, NOON, NOON + SECOND):
        assert preview_job(engine, shop.purge(), at=at).total.picked == sum(
            NOON - number * SECOND < at for number in range(1, 11)
        )


def test_t10_a_run_that_takes_a_while_shows_it(engine: Engine) -> None:
    seconds = 0.4

    def slow(run: Run) -> Counts:
        with run.transaction() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})
            else:
                Hurried().wait(20 * seconds)
        return Counts()

    run_job(engine, Job("shop.slow", work=slow))

    with engine.connect() as connection:
        past = history(connection)[0]
    assert past.seconds is not None
    assert seconds * 0.9 <= past.seconds < PATIENCE, "by another clock than the one that slept"


def test_t10_the_start_is_told_by_the_database_s_clock_too(engine: Engine) -> None:
    with engine.connect() as connection:
        before = ask_now(connection)
    run_job(engine, make_sessions(engine).purge(), at=NOON)
    with engine.connect() as connection:
        after = ask_now(connection)
        past = history(connection)[0]

    assert past.finished_at is not None
    assert before <= past.started_at <= past.finished_at <= after
    assert past.as_of == NOON


def test_t8_two_equal_looking_local_times_are_two_instants(engine: Engine) -> None:
    """01:30 comes twice on that night; Python calls the two equal."""
    jerusalem = ZoneInfo("Asia/Jerusalem")
    first = datetime(2027, 10, 31, 1, 30, tzinfo=jerusalem)
    second = first.replace(fold=1)
    assert first == second
    shop = make_sessions(engine)
    shop.one(1, first)
    shop.one(2, second)

    early = run_job(engine, shop.purge(), at=first.replace(minute=31))
    late = run_job(engine, shop.purge(), at=second.replace(minute=31))

    assert (early.as_of, late.as_of) == (
        datetime(2027, 10, 30, 22, 31, tzinfo=UTC),
        datetime(2027, 10, 30, 23, 31, tzinfo=UTC),
    )
    assert (early.total.changed, late.total.changed) == (1, 1)


@pytest.mark.parametrize("night", ["2027-03-26T02:30", "2027-10-31T01:30"])
def test_t8_a_day_of_keeping_is_24_hours_on_the_days_of_clock_changes(engine: Engine, night: str) -> None:
    at = datetime.fromisoformat(night).replace(tzinfo=ZoneInfo("Asia/Jerusalem")).astimezone(UTC)
    shop = make_sessions(engine)
    columns = shop.table.c
    shop.one(1, None, created_at=at - timedelta(hours=24, microseconds=1))
    shop.one(2, None, created_at=at - timedelta(hours=24))

    run_job(engine, Job("shop.old", work=Purge(shop.table, by=columns.created_at, keep="1d")), at=at)

    assert shop.ids() == [2]
