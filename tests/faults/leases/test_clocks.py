"""L9 to L12 and T2 for leases: the database's clock judges, and when it jumps, overlapping holders do no harm."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import Engine, insert

from sexton import Job, Run
from sexton.db.connect import open_database
from sexton.db.server_clock import ask_now
from sexton.errors import LeaseLost
from sexton.run_state import RunState
from sexton.runs.context import Limits
from sexton.runs.outcome import Outcome
from sexton.slots.claim import Claim, claim, finish
from sexton.slots.due_run import DueRun
from sexton.slots.ending import Ending
from sexton.testing import run_job
from sexton.testing.processes import wait_until
from tests.support.children import Break, run_and_tell, run_shop_job, shop_of
from tests.support.database_checks import assert_expired_once, is_free, lease_row, let_leases_end, states
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, Sessions, make_sessions
from tests.support.workers import Start

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
JOB = "shop.expire_sessions"
KEPT = 20.0
"""Seconds of a lease that is kept while a function is away for longer; it outlasts a machine that stands still."""


def claimed(engine: Engine, slot: datetime | None = None, *, seconds: float = PATIENCE) -> Claim:
    """A claim by another process."""
    return claim(engine, DueRun(JOB, slot, NOON), lease_seconds=seconds)


def test_l11_a_live_lease_that_looks_over_overlaps_without_harm(engine: Engine) -> None:
    """The database's clock jumps ahead while the holder is between two transactions; only the successor commits."""
    shop = make_sessions(engine)
    shop.add(1, age=HOUR)
    inner: list[Outcome] = []

    def add(run: Run) -> None:
        with run.transaction() as connection:
            connection.execute(insert(shop.accesses).values(session_id=1))

    def work(run: Run) -> None:
        add(run)
        let_leases_end(engine)  # the jump
        inner.append(run_job(engine, Job(JOB, work=add), at=NOON))
        add(run)

    outer = run_job(engine, Job(JOB, work=work), at=NOON)

    assert (outer.state, outer.exit_code) == ("held", 75)
    assert [run.state for run in inner] == ["succeeded"]
    assert shop.count(shop.accesses) == 2
    assert states(shop) == ["abandoned", "succeeded"]


def test_l12_a_lease_that_ends_in_three_hours_keeps_nobody_waiting(engine: Engine) -> None:
    shop = make_sessions(engine)
    ids = shop.add(3, age=HOUR)
    claimed(engine, NOON)
    let_leases_end(engine, seconds=3 * 3600)  # made before the clock was set back

    run = run_job(engine, shop.expire(), at=NOON, slot=NOON)

    assert run.state == "succeeded"
    assert_expired_once(shop, ids)
    assert states(shop) == ["abandoned", "succeeded"]


@pytest.mark.parametrize("ahead", [DAY, -DAY], ids=["ahead", "behind"])
def test_t2_our_own_clock_neither_ends_nor_prolongs_a_lease(ahead: timedelta, engine: Engine) -> None:
    """A process whose clock is a day off asks the database: what stands there stands, what is over is over."""
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)
    claimed(engine, NOON)

    with time_machine.travel(datetime.now(UTC) + ahead, tick=True):
        while_it_stands = run_job(engine, shop.expire(), at=NOON, slot=NOON)
        let_leases_end(engine)
        once_it_is_over = run_job(engine, shop.expire(), at=NOON, slot=NOON)

    assert (while_it_stands.state, once_it_is_over.state) == ("held", "succeeded")
    run = shop.runs()[-1]
    assert abs((run.finished_at - datetime.now(UTC)).total_seconds()) < 12 * 3600, "by the database's, a day off ours"


def test_l10_an_old_holder_that_finishes_late_does_not_free_its_successors_lease(engine: Engine) -> None:
    old = claimed(engine, NOON)
    let_leases_end(engine)
    new = claimed(engine, NOON)
    before = lease_row(engine, f"job:{JOB}")

    with pytest.raises(LeaseLost):
        finish(engine, old, Ending(RunState.SUCCEEDED), {})

    assert lease_row(engine, f"job:{JOB}") == before
    assert before is not None
    assert before[0] == new.lease.holder
    finish(engine, new, Ending(RunState.SUCCEEDED), {})
    assert is_free(engine, JOB)


def keep(database: str, seconds: float) -> int:
    """A child whose job does nothing for long; a thread keeps its lease."""
    limits = Limits(lease=KEPT, renew=0.1)

    def work(run: Run) -> None:
        with run.transaction() as connection:
            connection.execute(insert(accesses).values(session_id=1))
        print("away", flush=True)
        time.sleep(seconds)

    engine = open_database(database)
    accesses = shop_of(engine).accesses
    return run_and_tell(engine, Job(JOB, work=work), limits=limits)


@pytest.mark.databases("sqlite", "postgres18")
def test_a_holder_that_is_away_for_longer_than_its_lease_keeps_it(engine: Engine, database: str, start: Start) -> None:
    """The thread renews while the function is in a call; nobody can take over meanwhile."""
    shop = make_sessions(engine)
    shop.add(1, age=HOUR)
    worker = start(keep, database, KEPT + 2)
    worker.wait_for("away")

    refused: list[str] = []

    def has_come_back() -> bool:
        refused.append(run_job(engine, Job(JOB, work=lambda run: None), at=NOON).state)
        return not worker.runs

    assert wait_until(has_come_back, PATIENCE, pause=0.1)
    assert worker.exit_code == 0, worker.errors
    assert set(refused[:-1]) == {"held"}
    assert states(shop)[0] == "succeeded"


def untouched(shop: Sessions) -> bool:
    """Whether no session has expired."""
    return shop.ids(status="expired") == []


def test_a_dead_holder_is_replaced_when_its_lease_is_over_and_not_before(
    engine: Engine, database: str, start: Start
) -> None:
    """The only test that waits for a lease to end by itself."""
    shop = make_sessions(engine)
    ids = shop.add(3, age=HOUR)
    limits = Limits(lease=5.0, renew=0.3)
    start(run_shop_job, database, slot=NOON, limits=limits, breaking=Break(claimed=True)).wait()
    row = lease_row(engine, f"job:{JOB}")
    assert row is not None

    takeovers: list[datetime] = []

    def note(_: Claim) -> None:
        with engine.connect() as connection:
            takeovers.append(ask_now(connection))

    def took_over() -> bool:
        assert untouched(shop)
        run_job(engine, shop.expire(), at=NOON, slot=NOON, limits=limits, started=note)
        return bool(takeovers)

    assert wait_until(took_over, PATIENCE, pause=0.05)
    assert takeovers[0] >= row[2], "by the database's clock"
    assert_expired_once(shop, ids)
    assert states(shop) == ["abandoned", "succeeded"]
