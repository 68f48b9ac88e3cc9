"""Q9: with a real standby: a run rests while it is behind, doctor names it, and nobody runs on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from sexton.db.connect import open_database
from sexton.db.faults import describe
from sexton.db.migrate import migrate
from sexton.doctor import vacuum_holders
from sexton.runs import throttle
from sexton.testing import run_job
from sexton.testing.postgres import Server
from sexton.testing.processes import wait_until
from tests.declared.shop import Shop
from tests.support.findings import about, of_database
from tests.support.patience import PATIENCE
from tests.support.standby import follow

from .test_throttle import NOON, PAST, REST, looks, run


@dataclass(frozen=True)
class Pair:
    """A shop on a primary, and the engine of the same database on its standby."""

    shop: Shop
    second: Engine

    def replay(self, what: str) -> None:
        """ "pause" or "resume" the standby."""
        with self.second.connect() as connection:
            connection.execute(text(f"SELECT pg_wal_replay_{what}()"))


@pytest.fixture
def pair(start_server: Callable[..., Server]) -> Iterator[Pair]:
    """Forty rows that are due."""
    primary, standby = start_server(15), start_server(15)
    url = primary.create_database("shop")
    engine = open_database(url)
    migrate(engine)
    shop = Shop(engine, url)
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, ends bigint)")
    shop.do(f"INSERT INTO sessions SELECT number, {PAST} FROM generate_series(1, 40) AS number")
    engine.dispose()
    follow(standby, primary)
    second = open_database(standby.url_of("shop"))
    yield Pair(shop, second)
    engine.dispose()
    second.dispose()


def lag(shop: Shop) -> float:
    """Seconds, as a run sees them."""
    with shop.engine.connect() as connection:
        return float(connection.execute(text(throttle.LAG)).scalar_one())


@pytest.mark.databases("postgres15")
def test_q9_a_run_rests_while_a_standby_is_behind(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(throttle, "EVERY", REST)
    monkeypatch.setattr(vacuum_holders, "MAX_STANDBY_LAG_SECONDS", 0.5)
    shop = pair.shop
    pair.replay("pause")
    shop.do("CREATE TABLE something (id int)")
    assert wait_until(lambda: lag(shop) > 1, PATIENCE)
    seen = looks(request, shop, throttle.LAG, until=4, then=lambda: pair.replay("resume"))

    assert "standby second is " in about(of_database(shop.engine), "standbys")[0].text
    outcome = run(shop, replica_lag=1.0)

    assert (outcome.state, outcome.total.changed) == ("succeeded", 40)
    assert [left for left, _ in seen[:4]] == [40] * 4
    assert wait_until(lambda: rows_on(pair.second) == 0, PATIENCE)


@pytest.mark.databases("postgres15")
def test_q9_nothing_runs_on_a_standby(pair: Pair) -> None:
    assert [finding.level for finding in about(of_database(pair.second), "server")] == ["ok", "wrong"]
    job = pair.shop.armed(purge="sessions", by="ends", unit="s", max_share=1.0)

    with pytest.raises(DBAPIError) as refused:
        run_job(pair.second, job, at=NOON)
    assert describe(refused.value).endswith("is it a standby? `database` names the primary")
    assert rows_on(pair.second) == 40


def rows_on(engine: Engine) -> int:
    """Sessions."""
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM sessions")).scalar_one())
