"""Q2: a batch is as large as was said, whatever plan the database takes for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sexton.policies.purge import Child
from sexton.runs.context import Limits
from sexton.testing import run_job
from tests.support.sessions import NOON, make_sessions

HOUR = timedelta(hours=1)

NAIVE = """
DELETE FROM sessions WHERE id IN
    (SELECT id FROM sessions WHERE expires_at < '2026-06-15T12:00Z' LIMIT 10 FOR UPDATE SKIP LOCKED)
"""
"""What many write, and what deletes far more than ten rows when the planner repeats the inner query."""

PLANS = [
    ("the planner's own", {}),
    ("nested loop", {"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_hashagg": "off"}),
]


@pytest.mark.databases("postgres")
@pytest.mark.parametrize("plan", [plan for _, plan in PLANS], ids=[name for name, _ in PLANS])
@pytest.mark.parametrize("kind", ["purge", "purge with children", "expire", "expire locked"])
def test_q2_no_plan_makes_a_batch_larger_than_its_limit(engine: Engine, plan: dict[str, str], kind: str) -> None:
    shop = make_sessions(engine)
    shop.add(200, age=HOUR)
    with engine.begin() as connection:
        for name, value in plan.items():
            connection.execute(text(f"ALTER DATABASE {engine.url.database} SET {name} = '{value}'"))
    engine.dispose()
    options: dict[str, Any] = {"lock_first": True} if kind == "expire locked" else {}
    if kind == "purge with children":
        options = {"children": (Child(shop.accesses, shop.accesses.c.session_id),)}

    run = run_job(engine, getattr(shop, kind.split()[0])(**options), at=NOON, limits=Limits(row_limit=10))

    assert (run.total.picked, run.total.changed) == (10, 10)
    assert shop.ids(status="open") == list(range(11, 201))


@pytest.mark.databases("postgres")
def test_q2_the_naive_statement_does_delete_more_here(engine: Engine) -> None:
    """So that the test above is known to provoke what it is about."""
    shop = make_sessions(engine)
    shop.add(200, age=HOUR)
    with engine.begin() as connection:
        for name in PLANS[1][1]:
            connection.execute(text(f"SET LOCAL {name} = off"))
        connection.execute(text("SET LOCAL enable_material = off"))
        connection.execute(text("SET LOCAL enable_sort = off"))
        assert connection.execute(text(NAIVE)).rowcount > 10


@pytest.mark.parametrize("kind", ["purge", "expire"])
@pytest.mark.parametrize("limit", [1, 7, 100])
def test_q2_a_limit_is_kept_over_several_batches_too(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, kind: str, limit: int
) -> None:
    monkeypatch.setattr("sexton.runs.sizing._STEP", 1.0)  # batches stay of one size
    shop = make_sessions(engine)
    shop.add(30, age=HOUR)

    run = run_job(engine, getattr(shop, kind)(), at=NOON, limits=Limits(rows=3, row_limit=limit))

    assert run.total.changed == min(limit, 30)
    assert shop.ids(status="open") == list(range(limit + 1, 31))
