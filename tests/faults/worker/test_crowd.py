"""S7: a thousand jobs are due at once: all run, those with priority first, on as many connections as ever.

First means early: a process that is slow to note its start is overtaken by the other, which already has the next job.
They are registered last: without their priority they would be the last of all, and by chance not all in the first half.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text

from sexton.db.tables import own_tables
from tests.support.patience import PATIENCE
from tests.support.worker import LONG, assert_no_slot_twice, make_yard
from tests.support.workers import Start

pytestmark = pytest.mark.slow


@pytest.mark.databases("postgres18")
def test_s7_a_thousand_jobs_at_midnight(engine: Engine, database: str, tmp_path: Path, start: Start) -> None:
    yard = make_yard(engine, database, tmp_path, start, jobs="tests.support.crowd_jobs", lease=LONG)
    runs = own_tables(engine.dialect.name).runs
    ended = select(func.count()).select_from(runs).where(runs.c.state == "succeeded", runs.c.job.not_like("sexton.%"))
    sessions = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
    )
    most = 0

    worker = yard.worker("--concurrency=2")

    def done() -> bool:
        nonlocal most
        _ = worker.output  # read: its pipe would fill up and hold it
        with engine.connect() as connection:
            most = max(most, connection.execute(sessions).scalar_one())
            return bool(connection.execute(ended).scalar_one() == 1000)

    yard.wait_until(done, 5 * PATIENCE)

    order = [run.job for run in yard.runs()]
    assert worker.runs
    assert worker.errors == ""
    assert max(order.index(f"urgent.number_{number}") for number in range(10)) < 500, order
    assert most <= 3 + 2 * 2 + 1, "the worker's, and the one that asks"
    assert_no_slot_twice(yard.runs())
