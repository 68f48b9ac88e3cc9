"""The fence: first statement of a data transaction, which only the holder of the lease gets past."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, text

from sexton.db.tables import own_tables
from sexton.errors import LeaseLost
from sexton.slots.lease import Lease, acquire, fence, release
from sexton.testing.processes import wait_until
from tests.support.database_checks import lease_row, let_leases_end
from tests.support.patience import PATIENCE
from tests.support.waiters import somebody_waits

from .test_lease import A_WHILE, LENGTH, NAME, held, seconds_left, set_end, taken

NEVER = float("inf")


def test_the_fence_lets_the_holder_through(engine: Engine) -> None:
    lease = held(engine)
    before = lease_row(engine, NAME)

    with engine.begin() as connection:
        fence(connection, lease, {}, renew_after=NEVER)

    assert lease_row(engine, NAME) == before


def test_the_fence_renews_when_it_is_time(engine: Engine) -> None:
    lease = held(engine)
    set_end(engine, 1)

    with engine.begin() as connection:
        fence(connection, lease, {}, renew_after=0)

    assert seconds_left(engine) > LENGTH - A_WHILE


@pytest.mark.parametrize("renew_after", [NEVER, 0.0], ids=["only asked", "to be renewed"])
@pytest.mark.parametrize("what", ["taken over", "released", "gone"])
def test_the_fence_stops_who_holds_it_no_longer(what: str, renew_after: float, engine: Engine) -> None:
    lease = held(engine, "one")
    let_leases_end(engine)
    with engine.begin() as connection:
        if what == "taken over":
            acquire(connection, NAME, "two", 10)
        elif what == "released":
            release(connection, lease)
        else:
            connection.execute(own_tables(engine.dialect.name).leases.delete())

    with engine.begin() as connection, pytest.raises(LeaseLost, match="taken over"):
        fence(connection, lease, {}, renew_after=renew_after)


def test_the_fence_stops_an_earlier_term_of_the_same_holder(engine: Engine) -> None:
    old = held(engine, "one")
    let_leases_end(engine)
    held(engine, "one")

    with engine.begin() as connection, pytest.raises(LeaseLost):
        fence(connection, old, {}, renew_after=NEVER)


@pytest.mark.parametrize("renew_after", [NEVER, 0.0], ids=["only asked", "to be renewed"])
@pytest.mark.databases("postgres")
def test_limits_of_the_fence_hold_for_its_transaction_only(renew_after: float, engine: Engine) -> None:
    """R7: a setting that is local to no transaction would do nothing, or stay."""
    lease = held(engine)
    with engine.connect() as connection:
        with connection.begin():
            fence(connection, lease, {"lock_timeout": "1234ms", "statement_timeout": "2s"}, renew_after=renew_after)
            inside = [shown(connection, name) for name in ("lock_timeout", "statement_timeout")]
        after = [shown(connection, name) for name in ("lock_timeout", "statement_timeout")]

    assert inside == ["1234ms", "2s"]
    assert after == ["0", "0"]


def shown(connection: Connection, name: str) -> str:
    """A setting as PostgreSQL shows it."""
    return str(connection.execute(text(f"SHOW {name}")).scalar_one())


@contextmanager
def inside_the_fence(engine: Engine, lease: Lease) -> Iterator[Connection]:
    """A data transaction of the holder, under way."""
    with engine.begin() as connection:
        fence(connection, lease, {}, renew_after=NEVER)
        yield connection


@pytest.mark.databases("postgres")
def test_a_successor_waits_for_a_transaction_under_way(engine: Engine) -> None:
    """The fence is a lock: what it let through is committed before anybody else may begin."""
    lease = held(engine, "one")
    let_leases_end(engine)
    found: list[tuple[float, Lease | None]] = []

    def succeed() -> None:
        successor = taken(engine, "two")
        found.append((time.monotonic(), successor))

    with inside_the_fence(engine, lease):
        thread = threading.Thread(target=succeed)
        thread.start()
        assert wait_until(lambda: bool(found) or somebody_waits(engine), PATIENCE)
        assert not found
        committing = time.monotonic()
    thread.join(PATIENCE)

    at, successor = found[0]
    assert at > committing
    assert successor is not None
    assert successor.epoch == 2


@pytest.mark.databases("postgres")
def test_two_transactions_of_one_holder_do_not_wait_for_each_other(engine: Engine) -> None:
    lease = held(engine)

    with inside_the_fence(engine, lease) as first, inside_the_fence(engine, lease) as second:
        assert first.execute(text("SELECT 1")).scalar() == second.execute(text("SELECT 1")).scalar()
