"""Q8 on SQLite: one writer at a time and no queue. Between two batches somebody else must get his turn."""

from __future__ import annotations

import threading
from datetime import timedelta
from itertools import cycle

import pytest
from sqlalchemy import Engine, update

from sexton.run_counts import Counts
from sexton.runs import sqlite_yield
from sexton.testing import run_job
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, make_sessions


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(("job", "rows"), [("expire", 10_000), ("purge", 40_000)])
def test_a_writer_gets_its_turn_after_a_batch_or_two(
    job: str, rows: int, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for SQLite looks again every few milliseconds, and has to find the file free then.

    On a busy machine he may be late, so here the run waits until he has come.
    """
    assert sqlite_yield.NEIGHBOUR_WAIT_SECONDS > 0.025, "SQLite's busy handler sleeps so long"
    monkeypatch.setattr(sqlite_yield, "NEIGHBOUR_WAIT_SECONDS", PATIENCE)
    shop = make_sessions(engine)
    for start in range(1, rows, 10_000):
        shop.add(10_000, age=timedelta(hours=1), start=start)
    shop.one(99_999, NOON + timedelta(days=1))
    batches: list[int] = []
    written: list[int] = []
    ended = threading.Event()

    def watch(_step: str, _counts: Counts) -> None:
        batches.append(1)

    def write() -> None:
        for status in cycle(["held", "open"]):  # what is there already would not be written again
            if ended.wait(0.005):
                return
            under_way = bool(batches)
            with engine.begin() as connection:
                connection.execute(update(shop.table).where(shop.table.c.id == 99_999).values(status=status))
            if under_way and not ended.is_set():
                written.append(1)

    writer = threading.Thread(target=write)
    writer.start()
    run = run_job(engine, getattr(shop, job)(), at=NOON, watch=watch)
    ended.set()
    writer.join()

    assert run.total.changed == rows
    assert len(written) > len(batches) / 3, (len(written), len(batches))
