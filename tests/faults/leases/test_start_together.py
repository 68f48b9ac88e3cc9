"""L1: twenty processes that start in the same millisecond make one run (BJ-02.1, BJ-02.2, BJ-02.3)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine

from sexton.runs.context import Limits
from tests.support.children import Break, run_shop_job
from tests.support.database_checks import assert_expired_once, is_free, lease_row, let_leases_end, states
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, make_sessions
from tests.support.workers import Gate, Start

TWENTY = 20
LONG = Limits(lease=2 * PATIENCE, rows=5)
"""Twenty processes on few processors may be away for longer than a short lease."""


def test_l1_twenty_for_one_slot(engine: Engine, database: str, start: Start) -> None:
    """Nobody has ever held this lease, so all of them insert its first row."""
    shop = make_sessions(engine)
    ids = shop.add(20, age=timedelta(hours=1))
    gate = Gate()
    workers = [start(run_shop_job, database, slot=NOON, limits=LONG, gate=gate) for _ in range(TWENTY)]

    gate.open()
    codes = [worker.wait() for worker in workers]

    said = [worker.output for worker in workers]
    assert sum("claimed" in output for output in said) == 1, said
    assert set(codes) <= {0, 75}
    assert [worker.errors for worker in workers] == [""] * TWENTY
    assert_expired_once(shop, ids)
    assert states(shop) == ["succeeded"]
    assert is_free(engine, "shop.expire_sessions")


def test_l1_five_after_a_dead_holder(engine: Engine, database: str, start: Start) -> None:
    """A lease that has run out is taken once, too: the epoch grows by one."""
    shop = make_sessions(engine)
    ids = shop.add(20, age=timedelta(hours=1))
    dead = start(run_shop_job, database, slot=NOON, limits=LONG, breaking=Break(claimed=True))
    dead.wait()
    let_leases_end(engine)
    gate = Gate()
    workers = [start(run_shop_job, database, slot=NOON, limits=LONG, gate=gate) for _ in range(5)]

    gate.open()
    codes = [worker.wait() for worker in workers]

    assert set(codes) <= {0, 75}
    assert_expired_once(shop, ids)
    assert states(shop) == ["abandoned", "succeeded"]
    row = lease_row(engine, "job:shop.expire_sessions")
    assert row is not None
    assert row[:2] == (None, 2)
