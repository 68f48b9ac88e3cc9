"""P1, P2, P3: a run killed at a chosen statement of a batch leaves all of that batch or nothing of it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from sexton.testing import run_job
from tests.support.children import SMALL, Break, run_shop_job
from tests.support.database_checks import assert_expired_once, let_leases_end, states
from tests.support.proxy import Proxy, Statement, cut, cut_after
from tests.support.sessions import NOON, Sessions, make_sessions
from tests.support.workers import Gate, Start, Worker

HOUR = timedelta(hours=1)
SLOT = NOON
FIRST_BATCH = 5  # rows, see SMALL

IN_SQLITE = {
    "begins": 1,
    "checks the fence": 2,
    "picks": 5,
    "puts on record": 11,
    "writes messages": 12,
    "changes rows": 13,
    "notes progress": 14,
}
"""A batch on SQLite has 14 statements, BEGIN included; each is where a batch could be torn."""


def expire_and_recover(shop: Sessions) -> None:
    """The next process, once the lease of the dead one has ended."""
    let_leases_end(shop.engine)
    run = run_job(shop.engine, shop.expire(), at=NOON, slot=SLOT, limits=SMALL)
    assert run.state == "succeeded"


def killed_through(proxy: Proxy, database: str, start: Start, action: Callable[..., object], *, at: int) -> Worker:
    """A child that was killed at statement `at` of its second batch: 1 is BEGIN, 5 is COMMIT."""
    gate = Gate()
    worker = start(run_shop_job, proxy.url_for(database), slot=SLOT, gate=gate)
    batches: list[int] = []

    def kill(_: Statement) -> None:
        worker.send(signal.SIGKILL)

    def is_the_one(statement: Statement) -> bool:
        if "WITH picked" in statement.text and not statement.text.startswith("EXPLAIN"):
            batches.append(statement.number)
        # The first batch ends with statement + 2 (progress, COMMIT); the second begins after it.
        return bool(batches) and statement.number == batches[0] + 2 + at

    proxy.on(is_the_one, action(kill))  # type: ignore[arg-type]
    gate.open()
    assert worker.wait() == -signal.SIGKILL
    return worker


@pytest.mark.databases("postgres")
@pytest.mark.parametrize("statement", [1, 2, 3, 4, 5], ids=["BEGIN", "fence", "batch", "progress", "COMMIT"])
def test_p1_p2_killed_before_a_statement_of_the_second_batch(
    statement: int, engine: Engine, database: str, open_proxy: Callable[[str], Proxy], start: Start
) -> None:
    """P1 at the first statement, P2 at each later one: status, effects and messages are all there, or none."""
    shop = make_sessions(engine)
    ids = shop.add(20, age=HOUR)

    killed_through(open_proxy(database), database, start, cut, at=statement)

    assert_expired_once(shop, ids[:FIRST_BATCH])
    expire_and_recover(shop)
    assert_expired_once(shop, ids)
    assert states(shop) == ["abandoned", "succeeded"]


@pytest.mark.databases("postgres")
@pytest.mark.parametrize("statement", [3, 4], ids=["batch", "progress"])
def test_p2_killed_after_the_server_executed_a_statement(
    statement: int, engine: Engine, database: str, open_proxy: Callable[[str], Proxy], start: Start
) -> None:
    shop = make_sessions(engine)
    ids = shop.add(20, age=HOUR)

    killed_through(open_proxy(database), database, start, cut_after, at=statement)

    assert_expired_once(shop, ids[:FIRST_BATCH])
    expire_and_recover(shop)
    assert_expired_once(shop, ids)


@pytest.mark.databases("postgres")
def test_p3_killed_after_commit_was_sent_before_the_answer(
    engine: Engine, database: str, open_proxy: Callable[[str], Proxy], start: Start
) -> None:
    shop = make_sessions(engine)
    ids = shop.add(20, age=HOUR)

    killed_through(open_proxy(database), database, start, cut_after, at=5)

    done = shop.ids(status="expired")
    assert len(done) > FIRST_BATCH
    assert_expired_once(shop, done)
    expire_and_recover(shop)
    assert_expired_once(shop, ids)
    assert states(shop) == ["abandoned", "succeeded"]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("statement", IN_SQLITE.values(), ids=IN_SQLITE)
def test_p1_p2_killed_before_a_statement_of_the_second_batch_in_sqlite(
    statement: int, engine: Engine, database: str, start: Start
) -> None:
    shop = make_sessions(engine)
    ids = shop.add(20, age=HOUR)
    breaking = Break(statement=statement, after_batch=1)

    worker = start(run_shop_job, database, slot=SLOT, breaking=breaking)

    assert worker.wait() == -signal.SIGKILL
    assert_expired_once(shop, ids[:FIRST_BATCH])
    expire_and_recover(shop)
    assert_expired_once(shop, ids)
    assert states(shop) == ["abandoned", "succeeded"]


@pytest.mark.databases("sqlite")
def test_p3_killed_at_once_after_a_commit_in_sqlite(engine: Engine, database: str, start: Start) -> None:
    shop = make_sessions(engine)
    ids = shop.add(20, age=HOUR)

    worker = start(run_shop_job, database, slot=SLOT, breaking=Break(batch=2))

    assert worker.wait() == -signal.SIGKILL
    done = shop.ids(status="expired")
    assert len(done) > FIRST_BATCH
    assert_expired_once(shop, done)
    expire_and_recover(shop)
    assert_expired_once(shop, ids)
