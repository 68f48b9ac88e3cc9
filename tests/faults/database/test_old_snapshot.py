"""D9: a long transaction elsewhere keeps deleted rows visible; the last batch must still cost what the first did."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from sexton.run_counts import Counts
from sexton.runs.context import Limits
from sexton.testing import run_job
from tests.support.sessions import NOON, Sessions, make_sessions

from .rivals import session

BATCH = 50
BATCHES = 20
READ = (
    "SELECT heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read"
    " FROM pg_statio_user_tables WHERE relname = 'sessions'"
)


@pytest.mark.databases("postgres")
@pytest.mark.parametrize("kind", ["purge", "expire"])
@pytest.mark.usefixtures("unhurried")
def test_d9_each_batch_reads_as_many_blocks_as_the_first(engine: Engine, kind: str) -> None:
    shop = make_sessions(engine)
    fill(shop, BATCH * BATCHES)
    blocks = count_blocks(engine)

    with session(engine) as report:
        report.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        report.execute("SELECT count(*) FROM sessions")
        per_row = run_and_measure(engine, shop, kind, blocks)
        report.execute("COMMIT")

    early, late = average(per_row[1:6]), average(per_row[-6:-1])
    assert late < 1.5 * early, per_row


@pytest.mark.databases("sqlite")
def test_d9_an_old_snapshot_on_sqlite_stops_nothing(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(1_000, age=timedelta(days=1))

    with engine.connect().execution_options(sexton_read_only=True) as report:
        before = report.execute(text("SELECT count(*) FROM sessions")).scalar()
        run = run_job(engine, shop.purge(), at=NOON, limits=Limits(rows=BATCH))
        after = report.execute(text("SELECT count(*) FROM sessions")).scalar()

    assert run.total == Counts(picked=1_000, changed=1_000)
    assert (before, after, shop.count()) == (1_000, 1_000, 0)


def run_and_measure(engine: Engine, shop: Sessions, kind: str, blocks: list[int]) -> list[float]:
    """Blocks of the table and its indexes that each batch read, for each of its rows."""
    per_row: list[float] = []
    before = [0, 0]

    def watch(_step: str, counts: Counts) -> None:
        read, rows = blocks[-1] - before[0], counts.picked - before[1]
        before[:] = [blocks[-1], counts.picked]
        if rows:
            per_row.append(read / rows)

    run = run_job(engine, getattr(shop, kind)(), at=NOON, limits=Limits(rows=BATCH), watch=watch)
    assert run.total.changed == BATCH * BATCHES
    assert len(per_row) == BATCHES
    return per_row


def count_blocks(engine: Engine) -> list[int]:
    """After every commit on this engine the blocks read so far are added to this list."""
    counted: list[int] = []

    @event.listens_for(engine, "commit")
    def commit(connection: Any) -> None:
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")

    @event.listens_for(engine.pool, "checkin")
    def ended(driver: Any, _record: object) -> None:
        if driver is not None:
            driver.autocommit = True
            counted.append(driver.execute(READ).fetchone()[0])
            driver.autocommit = False

    return counted


def fill(shop: Sessions, rows: int) -> None:
    """Due rows, and so many others that they are not worth a sweep of the whole table."""
    shop.add(rows, age=timedelta(days=1))
    shop.add(3 * rows, age=timedelta(days=-1), start=rows + 1)
    with shop.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE sessions"))


def average(values: list[float]) -> float:
    return sum(values) / len(values)
