"""Q3: rows that others have locked are left out, waited for a little at the end, and counted when they stay locked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, select, update

from sexton import Job
from sexton.run_counts import Counts
from sexton.testing import run_job
from sexton.testing.processes import wait_until
from tests.support.database_checks import assert_expired_once
from tests.support.pace import UNHURRIED
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, Sessions, make_sessions
from tests.support.waiters import somebody_waits

pytestmark = pytest.mark.databases("postgres")

HOUR = timedelta(hours=1)
QUICK = replace(UNHURRIED, rows=20, lock_wait=0.05)

WAYS = {"expire": ("expire", True), "purge by window": ("purge", True), "purge by sweep": ("purge", False)}
"""Name of the way -> job, and whether the time column has an index."""

every_way = pytest.mark.parametrize(("job", "indexed"), WAYS.values(), ids=WAYS)


def made(engine: Engine, job: str, indexed: bool) -> tuple[Sessions, Job]:
    """Fifty sessions that are over, and the job."""
    shop = make_sessions(engine, indexed=indexed)
    shop.add(50, age=HOUR)
    return shop, getattr(shop, job)()


@contextmanager
def locked(shop: Sessions, *ids: int) -> Iterator[Connection]:
    """Somebody edits these sessions, and takes his time."""
    with shop.engine.connect() as rival:
        transaction = rival.begin()
        rival.execute(select(shop.table.c.id).where(shop.table.c.id.in_(ids)).with_for_update()).all()
        yield rival
        if transaction.is_active:
            transaction.rollback()


def left(shop: Sessions) -> list[int]:
    """Sessions that were neither expired nor purged."""
    return shop.ids(status="open")


@every_way
def test_q3_rows_locked_to_the_end_are_counted_and_the_run_is_partial(job: str, indexed: bool, engine: Engine) -> None:
    shop, work = made(engine, job, indexed)

    with locked(shop, 5, 33):
        run = run_job(engine, work, at=NOON, limits=QUICK)

    assert (run.state, run.exit_code) == ("partial", 3)
    assert run.note == "2 rows left at the end: locked by others, or due again after the change"
    assert (run.total.changed, run.total.skipped) == (48, 2)
    assert left(shop) == [5, 33]


@every_way
def test_q3_the_next_run_reaches_them(job: str, indexed: bool, engine: Engine) -> None:
    shop, work = made(engine, job, indexed)
    with locked(shop, 5, 33):
        run_job(engine, work, at=NOON, limits=QUICK)

    run = run_job(engine, work, at=NOON, limits=QUICK)

    assert (run.state, run.total.changed, run.total.skipped) == ("succeeded", 2, 0)
    assert left(shop) == []


@every_way
def test_q3_rows_released_during_the_last_pass_are_reached(job: str, indexed: bool, engine: Engine) -> None:
    """The loop leaves them out; the last pass waits for them, and the rival lets go once it does."""
    shop, work = made(engine, job, indexed)
    released: list[threading.Thread] = []

    with locked(shop, 5) as rival:

        def release() -> None:
            wait_until(lambda: somebody_waits(engine), PATIENCE)
            rival.rollback()

        def release_soon(_step: str, counts: Counts) -> None:
            if counts.picked >= 49 and not released:
                released.append(threading.Thread(target=release))
                released[0].start()

        run = run_job(engine, work, at=NOON, limits=replace(QUICK, lock_wait=PATIENCE), watch=release_soon)
        released[0].join()

    assert (run.state, run.total.changed) == ("succeeded", 50)
    assert left(shop) == []


@every_way
def test_q4_a_row_released_just_before_the_last_look_is_reached(job: str, indexed: bool, engine: Engine) -> None:
    """Nobody holds it any more when the run looks what is left: it is as due as the others, not due again."""
    shop, work = made(engine, job, indexed)
    released: list[bool] = []

    with locked(shop, 5) as rival:

        def release_once(_step: str, counts: Counts) -> None:
            if counts.picked >= 49 and not released:
                rival.rollback()
                released.append(True)

        run = run_job(engine, work, at=NOON, limits=QUICK, watch=release_once)

    assert released
    assert (run.state, run.total.picked, run.total.changed) == ("succeeded", 50, 50)
    assert left(shop) == []


@every_way
def test_users_win_a_row_that_moved_meanwhile_is_left_alone(job: str, indexed: bool, engine: Engine) -> None:
    """Its deadline was prolonged by whoever held it: no longer due, nothing to count."""
    shop, work = made(engine, job, indexed)
    committed: list[bool] = []

    with locked(shop, 5) as rival:
        rival.execute(update(shop.table).where(shop.table.c.id == 5).values(expires_at=NOON + HOUR))

        def commit_once(_step: str, counts: Counts) -> None:
            if counts.picked >= 49 and not committed:
                rival.commit()
                committed.append(True)

        run = run_job(engine, work, at=NOON, limits=QUICK, watch=commit_once)

    assert (run.state, run.total.changed, run.total.skipped) == ("succeeded", 49, 0)
    assert left(shop) == [5]


@every_way
def test_locked_rows_do_not_stop_rows_behind_them(job: str, indexed: bool, engine: Engine) -> None:
    """A whole batch of locked rows at the head of the line."""
    shop, work = made(engine, job, indexed)

    with locked(shop, *range(1, 31)):
        run = run_job(engine, work, at=NOON, limits=replace(QUICK, rows=10, lock_wait=0.02))

    assert (run.state, run.total.changed, run.total.skipped) == ("partial", 20, 30)
    assert left(shop) == list(range(1, 31))


def test_expired_once_although_some_were_locked_at_first(engine: Engine) -> None:
    shop, work = made(engine, "expire", True)
    with locked(shop, 1, 25, 50):
        run_job(engine, work, at=NOON, limits=QUICK)
        assert_expired_once(shop, set(range(1, 51)) - {1, 25, 50})

    run_job(engine, work, at=NOON, limits=QUICK)

    assert_expired_once(shop, range(1, 51))


def test_a_limit_of_rows_is_not_filled_up_by_waiting(engine: Engine) -> None:
    """`--limit` is for a try: nobody waits for locked rows then."""
    shop, work = made(engine, "expire", True)

    with locked(shop, 1):
        run = run_job(engine, work, at=NOON, limits=replace(QUICK, row_limit=10))

    assert (run.state, run.total.changed) == ("succeeded", 10)
    assert left(shop) == [1, *range(12, 51)]
