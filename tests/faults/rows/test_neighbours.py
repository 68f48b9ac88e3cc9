"""Q8: while many rows are purged, a neighbour's transaction goes on. Bounds are generous: machines are noisy."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, update

from sexton.runs.counts import Counts
from sexton.testing import run_job

from ...support.patience import PATIENCE
from ...support.sessions import NOON, Sessions, make_sessions
from ..database.rivals import background, session

ROWS = 5_000
LONGEST = 1.5
"""Seconds that no neighbour may wait; one giant statement holds its locks to the end, whatever its length."""


def test_q8_a_neighbour_writes_all_the_while_and_waits_but_shortly(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(ROWS, age=timedelta(days=1))
    waits: list[float] = []
    ended = threading.Event()

    def neighbour() -> None:
        number = ROWS
        while not ended.is_set() and number > 0:
            began = time.monotonic()
            touch(shop, number)
            waits.append(time.monotonic() - began)
            number -= 13
            time.sleep(0.001)

    with background() as start:
        writing = start(neighbour)
        try:
            run = run_job(engine, shop.purge(), at=NOON)
        finally:
            ended.set()
        writing.result(PATIENCE)

    assert run.state == "succeeded"
    assert shop.count() == 0
    assert shop.runs()[0].batches > 2
    assert max(waits) < LONGEST


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
