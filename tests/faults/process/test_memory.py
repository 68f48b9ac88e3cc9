"""P9: memory does not grow with the table, neither ours nor that of a host that grants little of it."""

from __future__ import annotations

import resource
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from sexton.runs import sizing
from tests.support.children import run_shop_job
from tests.support.pace import UNHURRIED
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, Sessions, make_sessions
from tests.support.workers import Start

pytestmark = pytest.mark.slow

ALLOWANCE = 64 * 1024**2
"""Bytes of address space that a child may take on top of what it was born with."""

SLACK = 5_000
"""Kilobytes that two runs may differ by; the list of all keys would take more."""

PAGE_CACHE = 32_000
"""Kilobytes that SQLite itself keeps of the file's pages; filled as needed, never more."""


def fill(shop: Sessions, count: int) -> None:
    """Sessions that ended before NOON; made by the database, as a test could not hold so many either."""
    ended = f"{NOON - timedelta(days=1):%Y-%m-%d %H:%M:%S.%f}"
    numbers = f"(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {count}) SELECT i FROM n) AS n"
    if shop.engine.dialect.name == "postgresql":
        ended += "+00"
        numbers = f"generate_series(1, {count}) AS n(i)"
    rows = f"SELECT i, 'open', '{ended}', '{ended}' FROM {numbers}"
    with shop.engine.begin() as connection:
        connection.execute(text(f"INSERT INTO sessions (id, status, expires_at, created_at) {rows}"))


def frugal(database: str, job: str) -> int:
    """A child that may take little memory; says how much it took, in kilobytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + ALLOWANCE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    sizing._STEP = 1.0  # a batch may be larger in one of two runs
    code = run_shop_job(database, job, limits=replace(UNHURRIED, rows=500))
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return code


@pytest.mark.databases("sqlite", "postgres18")
@pytest.mark.parametrize(("job", "few"), [("purge", 10_000), ("expire", 6_000)])
def test_p9_ten_times_the_rows_take_no_more_memory(
    job: str, few: int, engine: Engine, database: str, start: Start
) -> None:
    shop = make_sessions(engine)
    peaks = []
    for count in (few, 10 * few):
        fill(shop, count)
        worker = start(frugal, database, job)
        assert worker.wait(5 * PATIENCE) == 0, worker.errors
        assert f"'changed': {count}," in worker.output
        peaks.append(int(worker.output.split()[-1]))
        with engine.begin() as connection:
            connection.execute(shop.table.delete())
            for table in ("effects", "outbox_events"):
                name = f"sexton.{table}" if engine.dialect.name == "postgresql" else f"sexton_{table}"
                connection.execute(text(f"DELETE FROM {name}"))

    print(peaks)
    assert peaks[1] - peaks[0] < SLACK + (PAGE_CACHE if engine.dialect.name == "sqlite" else 0)
