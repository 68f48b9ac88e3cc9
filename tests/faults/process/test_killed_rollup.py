"""kill -9 in a roll-up: sums, mark and messages of a window are all there, or none; the next run goes on from there."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import Engine, insert

from sexton import every
from tests.support.children import Break
from tests.support.database_checks import let_leases_end
from tests.support.sales import REPORT, Sales, at, open_sales, run_hours
from tests.support.workers import Start

START = at("2026-03-01 00:00")
HOURS = 40


def filled(engine: Engine) -> Sales:
    """An order at half past each of many hours, whose total is the hour's number; the first hour is done."""
    shop = open_sales(engine)
    with engine.begin() as connection:
        rows = [
            {"created_at": START + timedelta(hours=hour + 0.5), "currency": "INR", "total_minor": hour}
            for hour in range(HOURS)
        ]
        connection.execute(insert(shop.orders), rows)
    shop.run("2026-03-01 01:05", windows=every("1h"), tell=REPORT)
    return shop


def judge(shop: Sales, *, complete: bool = False) -> None:
    """Hours from the first on, each with its own order, told once, as far as the mark says."""
    sums = [int(line.split()[-1]) for line in shop.summary()]
    mark = shop.mark()
    assert mark is not None
    assert sums == list(range((mark.closed_to - START) // timedelta(hours=1)))
    assert [line.rpartition(" ")[2] for line in shop.told()] == [str(hour) for hour in sums]
    if complete:
        assert len(sums) == HOURS


@pytest.mark.slow
def test_p1_p2_killed_at_random_statements_nothing_is_lost_or_told_twice(
    engine: Engine, database: str, start: Start, chance: Random
) -> None:
    """P1, P2: between two windows, inside one, before a commit; thirty times over."""
    shop = filled(engine)
    kills = 0
    while kills < 30:
        let_leases_end(engine)
        if start(run_hours, database, now="2026-03-02 16:05", breaking=Break(statement=chance.randint(1, 120))).wait():
            kills += 1
            judge(shop)
        else:
            break

    let_leases_end(engine)
    assert start(run_hours, database, now="2026-03-02 16:05").wait() == 0
    judge(shop, complete=True)


@pytest.mark.parametrize("batch", [1, 2])
def test_p3_killed_after_a_commit_the_next_run_goes_on(
    batch: int, engine: Engine, database: str, start: Callable[..., object]
) -> None:
    """P3: what was committed is not done again."""
    shop = filled(engine)

    worker = start(run_hours, database, now="2026-03-02 16:05", breaking=Break(batch=batch))

    assert worker.wait() == -signal.SIGKILL  # type: ignore[attr-defined]
    assert len(shop.summary()) > 1
    judge(shop)
    let_leases_end(engine)
    shop.run("2026-03-02 16:05", windows=every("1h"), tell=REPORT)
    judge(shop, complete=True)
