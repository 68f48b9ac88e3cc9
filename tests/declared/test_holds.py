"""Holds on rows: one that is set during the run holds, whether it is committed or not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from sexton.run_counts import Counts
from sexton.testing import run_job

from .shop import Shop

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1
CASCADE = "REFERENCES orders (id) ON DELETE CASCADE"


HELD: dict[str, Any] = {"by": "ends", "unit": "s", "only": {"hold": False}, "batch": 2, "max_share": 1.0}


@pytest.fixture
def holds(shop: Shop) -> Shop:
    """Ten rows that are due."""
    shop.do("CREATE TABLE files (id int PRIMARY KEY, ends bigint, hold boolean NOT NULL, name text)")
    for number in range(10):
        shop.do(f"INSERT INTO files VALUES ({number}, {PAST - 100 + number}, false, 'x')")
    return shop


@pytest.mark.parametrize("action", [{"purge": "files"}, {"anonymise": "files", "clear": ["name"]}])
def test_q15_a_hold_that_is_set_during_the_run_holds(action: dict[str, Any], holds: Shop) -> None:
    def hold(_step: str, counts: Counts) -> None:
        if counts.changed >= 4:  # not the last two, which are the newest
            holds.do("UPDATE files SET hold = true WHERE id >= 8")

    outcome = run_job(holds.engine, holds.armed(**action, **HELD), at=NOON, watch=hold)

    assert (outcome.state, outcome.total.changed) == ("succeeded", 8)
    assert holds.ids("files", "hold AND name IS NOT NULL") == [8, 9]


@pytest.mark.databases("postgres")
def test_q15_a_hold_that_is_not_yet_committed_holds(holds: Shop) -> None:
    job = holds.armed(purge="files", **HELD)
    with holds.engine.connect() as lawyer:
        lawyer.execute(text("UPDATE files SET hold = true WHERE id = 3"))
        outcome = run_job(holds.engine, job, at=NOON)
        lawyer.commit()

    assert (outcome.state, outcome.total.changed, outcome.total.skipped) == ("partial", 9, 1)
    assert run_job(holds.engine, job, at=NOON).total.picked == 0
    assert holds.ids("files") == [3]
