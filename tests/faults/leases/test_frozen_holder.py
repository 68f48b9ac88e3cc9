"""L2, L3: a holder is stopped past its lease, replaced, and wakes up: it commits nothing more, and blocked nobody."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, insert

from sexton import Job, Run
from sexton.db.connect import open_database
from sexton.runs.context import Limits
from sexton.runs.outcome import Outcome
from sexton.testing import run_job
from sexton.testing.processes import wait_until
from tests.support.children import Break, run_and_tell, run_shop_job, shop_of
from tests.support.database_checks import assert_expired_once, lease_row, states
from tests.support.patience import PATIENCE
from tests.support.proxy import Proxy, Statement, call
from tests.support.sessions import NOON, Sessions, make_sessions
from tests.support.workers import Gate, Start, Worker

HOUR = timedelta(hours=1)
LIMITS = Limits(lease=4.0, renew=0.2, rows=5, batch=0.002)
"""A lease that a test waits for, and the server nearly as long for a client that stands still in a transaction."""

JOB = "shop.expire_sessions"
OpenProxy = Callable[[str], Proxy]


def taken_over(engine: Engine, job: Job) -> Outcome:
    """The first run of another process that is not refused; fails when there is none."""
    outcomes: list[Outcome] = []

    def goes_through() -> bool:
        outcomes.append(run_job(engine, job, at=NOON, slot=NOON))
        return outcomes[-1].state != "held"

    assert wait_until(goes_through, PATIENCE, pause=0.05), "nobody could take over"
    return outcomes[-1]


class Moment(NamedTuple):
    """While the server executes the `nth` statement with these words, or the COMMIT after it."""

    words: str
    nth: int
    at_commit: bool = False


def frozen_at(moment: Moment, child: Callable[..., int], database: str, open_proxy: OpenProxy, start: Start) -> Worker:
    """A child stopped at that moment; the statement itself goes through."""
    proxy = open_proxy(database)
    gate = Gate()
    worker = start(child, proxy.url_for(database), gate=gate)
    seen: list[int] = []

    def is_the_one(statement: Statement) -> bool:
        if moment.words in statement.text and not statement.text.startswith("EXPLAIN"):
            seen.append(statement.number)
        return len(seen) == moment.nth and (not moment.at_commit or statement.text == "COMMIT")

    proxy.on(is_the_one, call(lambda _: worker.send(signal.SIGSTOP)))
    gate.open()
    worker.wait_until_frozen()
    return worker


def expire(database: str) -> int:
    """A child that expires sessions; its fences only look, however slow it is, so that there is a third such look."""
    return run_shop_job(database, slot=NOON, limits=replace(LIMITS, renew=PATIENCE))


MOMENTS = {
    "claim": Moment("INSERT INTO sexton.runs", 1),
    "fence": Moment("FOR SHARE", 3),
    "batch": Moment("UPDATE sessions", 2),
    "progress": Moment("UPDATE sexton.runs SET batches", 2),
    "between": Moment("UPDATE sexton.runs SET batches", 2, at_commit=True),
    "finish": Moment("UPDATE sexton.leases SET holder", 1),
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
@pytest.mark.databases("postgres")
def test_l2_l3_frozen_anywhere(
    moment: Moment, engine: Engine, database: str, open_proxy: OpenProxy, start: Start
) -> None:
    """Before the write, in it, after it, and while it takes or gives back the lease itself."""
    shop = make_sessions(engine)
    ids = shop.add(30, age=HOUR)
    frozen = frozen_at(moment, expire, database, open_proxy, start)

    second = taken_over(engine, shop.expire())
    frozen.resume()
    code = frozen.wait()

    assert second.state == "succeeded"
    assert code in (69, 75), frozen.output
    assert_expired_once(shop, ids)
    assert states(shop) == (["succeeded"] if moment == MOMENTS["claim"] else ["abandoned", "succeeded"])


def append(database: str, stop_at: int, inside: bool) -> int:
    """A child whose job adds ten rows, one a transaction, that nothing but the fence guards; it stops itself once."""
    engine = open_database(database)
    accesses = shop_of(engine).accesses

    def work(run: Run) -> None:
        for number in range(1, 11):
            with run.transaction() as connection:
                connection.execute(insert(accesses).values(session_id=1))
                if number == stop_at and inside:
                    os.kill(os.getpid(), signal.SIGSTOP)
            if number == stop_at and not inside:
                os.kill(os.getpid(), signal.SIGSTOP)

    return run_and_tell(engine, Job(JOB, work=work), slot=NOON, limits=LIMITS)


def think(database: str) -> int:
    """A child whose job is a function that is away for long, while a thread renews the lease."""

    def work(run: Run) -> None:
        while True:
            run.check()
            time.sleep(0.01)

    return run_and_tell(open_database(database), Job(JOB, work=work), slot=NOON, limits=LIMITS)


@pytest.mark.databases("postgres")
def test_l3_frozen_while_its_thread_renews_the_lease(
    engine: Engine, database: str, open_proxy: OpenProxy, start: Start
) -> None:
    shop = make_sessions(engine)
    ids = shop.add(3, age=HOUR)
    frozen = frozen_at(Moment("UPDATE sexton.leases SET expires_at", 1), think, database, open_proxy, start)

    second = taken_over(engine, shop.expire())
    frozen.resume()

    assert frozen.wait() == 75
    assert second.state == "succeeded"
    assert_expired_once(shop, ids)
    assert states(shop) == ["abandoned", "succeeded"]


def rows_after_a_takeover(shop: Sessions, database: str, start: Start, *, inside: bool) -> list[int]:
    """Rows when the first was stopped in its fourth transaction, after the second was through, and at the end."""
    frozen = start(append, database, 4, inside)
    frozen.wait_until_frozen()
    counts = [shop.count(shop.accesses)]
    work = Job(JOB, work=lambda run: None)
    assert taken_over(shop.engine, work).state == "succeeded"
    counts.append(shop.count(shop.accesses))
    frozen.resume()
    assert frozen.wait() == 75, frozen.output
    return [*counts, shop.count(shop.accesses)]


def test_l2_a_function_stopped_between_transactions_adds_nothing_more(
    engine: Engine, database: str, start: Start
) -> None:
    shop = make_sessions(engine)
    shop.add(1, age=HOUR)

    assert rows_after_a_takeover(shop, database, start, inside=False) == [4, 4, 4]


@pytest.mark.databases("postgres")
def test_l3_a_function_stopped_inside_a_transaction_adds_nothing_more(
    engine: Engine, database: str, start: Start
) -> None:
    """The server ends the transaction before the lease is over, so that the successor need not wait for a person."""
    shop = make_sessions(engine)
    shop.add(1, age=HOUR)

    assert rows_after_a_takeover(shop, database, start, inside=True) == [3, 3, 3]


def test_l2_a_holder_that_wakes_up_before_anybody_came_goes_on(engine: Engine, database: str, start: Start) -> None:
    """A lease that has run out and that nobody wanted is still ours: the epoch decides, not the clock."""
    shop = make_sessions(engine)
    ids = shop.add(30, age=HOUR)
    frozen = start(run_shop_job, database, slot=NOON, limits=LIMITS, breaking=Break(batch=2, number=signal.SIGSTOP))
    frozen.wait_until_frozen()
    assert wait_until(lambda: has_run_out(engine), PATIENCE)

    frozen.resume()

    assert frozen.wait() == 0
    assert_expired_once(shop, ids)
    assert states(shop) == ["succeeded"]


def has_run_out(engine: Engine) -> bool:
    """Whether the job's lease is over by the database's clock, and still in the name of its holder."""
    from sexton.db.server_clock import ask_now

    row = lease_row(engine, f"job:{JOB}")
    with engine.connect() as connection:
        return row is not None and row[0] is not None and row[2] < ask_now(connection)
