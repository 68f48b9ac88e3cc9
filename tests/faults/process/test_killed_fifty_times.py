"""kill -9 at fifty random statements, one slot, one long list of rows: nothing is lost, nothing is done twice."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

import pytest
from sqlalchemy import Engine

from sexton.testing import run_job
from tests.support.children import Break, run_shop_job
from tests.support.database_checks import assert_expired_once, is_free, let_leases_end, states
from tests.support.proxy import Proxy, Statement, cut, cut_after
from tests.support.sessions import NOON, Sessions, make_sessions
from tests.support.workers import Gate, Start, Worker

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
TIMES = 25
ROWS_AN_ATTEMPT = 30
Attempt = Callable[[int, datetime], Worker]
"""Start a run that is killed at a statement, for a slot."""


def survive(shop: Sessions, attempt: Attempt, chance: Random, *, first: int, latest: int) -> None:
    """Kill run after run at a statement from `first` to `latest`, then let one finish; judge after each."""
    ids: list[int] = []
    slot, kills = NOON, 0
    while kills < TIMES:
        ids += shop.add(ROWS_AN_ATTEMPT, age=HOUR, start=len(ids) + 1)
        let_leases_end(shop.engine)
        if attempt(chance.randint(first, latest), slot).wait() == -signal.SIGKILL:
            kills += 1
        else:
            slot += HOUR  # it was through before its statement came; on with the next slot
        assert_expired_once(shop, shop.ids(status="expired"))

    let_leases_end(shop.engine)
    last = run_job(shop.engine, shop.expire(), at=NOON, slot=slot + HOUR)

    assert last.state == "succeeded"
    assert_expired_once(shop, ids)
    assert set(states(shop)) == {"abandoned", "succeeded"}
    assert states(shop).count("abandoned") > TIMES / 5  # some were killed before they had claimed
    assert is_free(shop.engine, last.job)


@pytest.mark.databases("sqlite")
def test_killed_25_times_on_sqlite(engine: Engine, database: str, start: Start, chance: Random) -> None:
    shop = make_sessions(engine)

    def attempt(statement: int, slot: datetime) -> Worker:
        return start(run_shop_job, database, slot=slot, breaking=Break(statement=statement))

    survive(shop, attempt, chance, first=1, latest=90)


@pytest.mark.databases("postgres18")
def test_killed_25_times_on_postgresql(
    engine: Engine, database: str, open_proxy: Callable[[str], Proxy], start: Start, chance: Random
) -> None:
    shop = make_sessions(engine)
    proxy = open_proxy(database)
    victims: list[Worker] = []
    numbers = {"before": 0, "after": 0}

    def kill(_: Statement) -> None:
        victims[-1].send(signal.SIGKILL)

    proxy.on(lambda seen: seen.number == numbers["before"], cut(kill), times=TIMES)
    proxy.on(lambda seen: seen.number == numbers["after"], cut_after(kill), times=TIMES)

    def attempt(statement: int, slot: datetime) -> Worker:
        gate = Gate()
        victims.append(start(run_shop_job, proxy.url_for(database), slot=slot, gate=gate))
        moment, other = chance.sample(sorted(numbers), 2)
        numbers[moment], numbers[other] = len(proxy.statements) + statement, 0
        gate.open()
        return victims[-1]

    survive(shop, attempt, chance, first=15, latest=55)
