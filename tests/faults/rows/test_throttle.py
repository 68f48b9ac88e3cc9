"""Q9: a run rests while replicas lag, or while the operator's query says so, keeps its lease, and goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from sexton.db.tables import own_tables
from sexton.runs import throttle
from sexton.runs.context import Limits
from sexton.testing import run_job
from tests.declared.shop import Shop
from tests.faults.database.rivals import Hurried

pytestmark = pytest.mark.slow

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1
REST = 6.0
"""Seconds between two looks, as a run is told; `Hurried` waits less. A look, and a renewal, may take as long."""

BRAKE = "SELECT max(busy) FROM brake"


@pytest.fixture
def shop(engine: Engine, database: str) -> Shop:
    """Forty rows that are due, and a brake."""
    shop = Shop(engine, database)
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, ends bigint)", "CREATE TABLE brake (busy int)")
    shop.do("INSERT INTO brake VALUES (1)")
    for number in range(40):
        shop.do(f"INSERT INTO sessions VALUES ({number}, {PAST})")
    return shop


def run(shop: Shop, **limits: Any) -> Any:
    """One run in batches of four."""
    job = shop.armed(purge="sessions", by="ends", unit="s", batch=4, max_share=1.0)
    return run_job(shop.engine, job, at=NOON, limits=Limits(**limits), stop=Hurried())


def looks(
    request: pytest.FixtureRequest, shop: Shop, query: str, *, until: int, then: Callable[[], object] | None = None
) -> list[tuple[int, Any]]:
    """Rows left, and the lease's end, at each look; at look `until` the brake is let go, or `then` is called."""
    let_go = then or (lambda: shop.do("UPDATE brake SET busy = 0"))
    seen: list[tuple[int, Any]] = []
    lease = own_tables(shop.engine.dialect.name).leases

    def look(connection: Any, _c: Any, sql: str, _p: Any, _x: Any, _m: Any) -> None:
        if query in sql:
            seen.append((0, None))
            with shop.engine.connect() as other:
                left = other.execute(text("SELECT count(*) FROM sessions")).scalar_one()
                ends = other.execute(lease.select()).one().expires_at
            seen[-1] = (left, ends)
            if len(seen) == until:
                let_go()

    event.listen(Engine, "before_cursor_execute", look)  # the query has a session of its own
    request.addfinalizer(lambda: event.remove(Engine, "before_cursor_execute", look))
    return seen


def test_q9_a_query_of_the_operator_holds_a_run_which_keeps_its_lease_meanwhile(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(throttle, "EVERY", REST)
    seen = looks(request, shop, BRAKE, until=8)

    outcome = run(shop, pause_while=BRAKE, renew=0.0)

    assert (outcome.state, outcome.total.changed) == ("succeeded", 40)
    assert {left for left, _ in seen[:8]} == {40}
    assert len({ends for _, ends in seen[:8]}) > 2, "the lease was renewed while it waited"


@pytest.mark.databases("postgres")
def test_q9_the_lag_of_no_replica_is_none(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "EVERY", REST)
    with shop.engine.connect() as connection:
        assert connection.execute(text(throttle.LAG)).scalar_one() == 0
    assert run(shop, replica_lag=1.0).total.changed == 40


def test_q9_a_query_that_cannot_be_asked_ends_the_run_before_its_first_row(shop: Shop) -> None:
    outcome = run(shop, pause_while="SELECT nonsense FROM nowhere")

    assert outcome.state == "failed"
    assert "run.pause_while" in (outcome.error or "")
    assert len(shop.ids("sessions")) == 40


def test_sec_8_a_query_that_would_end_its_transaction_is_never_sent(shop: Shop) -> None:
    outcome = run(shop, pause_while="COMMIT; DELETE FROM brake; SELECT false")

    assert outcome.state == "failed"
    assert outcome.error == ("run.pause_while holds more than one statement; write one SELECT that returns one value")
    assert shop.ids("brake", key="busy") == [1]
