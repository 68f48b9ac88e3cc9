"""Q8: while many rows are purged, a neighbour's transactions go on: between any two batches he gets what he wants."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, update

from sexton.run_counts import Counts
from sexton.testing import run_job
from sexton.testing.processes import wait_until
from tests.faults.database.rivals import background, session
from tests.support.pace import UNHURRIED
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, Sessions, make_sessions

ROWS = 5_000
PATIENT = replace(UNHURRIED, lock_wait=PATIENCE)


def test_q8_a_neighbour_writes_between_any_two_batches(engine: Engine) -> None:
    """He waits for one batch at the most; one giant statement would hold its locks to the end, whatever its length."""
    shop = make_sessions(engine)
    shop.add(ROWS, age=timedelta(days=1))
    written: list[int] = []
    behind: list[int] = []
    ended = threading.Event()

    def neighbour() -> None:
        while not ended.is_set():
            number = ROWS - 13 * len(written) % ROWS
            touch(shop, number)
            written.append(number)

    def watch(_step: str, _counts: Counts) -> None:
        """After each batch, before the next one: two writes, so one that began now has gone through."""
        before = len(written)
        if not wait_until(lambda: len(written) >= before + 2, PATIENCE, pause=0.001):
            behind.append(before)

    with background() as start:
        writing = start(neighbour)
        try:
            run = run_job(engine, shop.purge(), at=NOON, limits=PATIENT, watch=watch)
        finally:
            ended.set()
        writing.result(PATIENCE)

    assert run.state == "succeeded"
    assert shop.count() == 0
    assert shop.runs()[0].batches > 2
    assert behind == [], "somebody keeps him out between two batches"


@pytest.mark.databases("postgres")
def test_q8_row_locks_are_held_for_one_batch_only(engine: Engine) -> None:
    """After each batch a neighbour who refuses to wait gets the very rows that are next, and those that follow."""
    shop = make_sessions(engine)
    shop.add(300, age=timedelta(days=1))
    free: list[Any] = []

    with session(engine) as customer:

        def watch(_step: str, counts: Counts) -> None:
            locked = "SELECT count(*) FROM (SELECT FROM sessions FOR UPDATE NOWAIT) AS rows"
            free.append((counts.changed, customer.execute(locked).fetchone()))

        run = run_job(engine, shop.purge(), at=NOON, watch=watch)

    assert run.total.changed == 300
    assert all(left is not None and changed + left[0] == 300 for changed, left in free)


def touch(shop: Sessions, number: int) -> None:
    """What a web request does to its own row."""
    with shop.engine.begin() as connection:
        connection.execute(update(shop.table).where(shop.table.c.id == number).values(status="seen"))
