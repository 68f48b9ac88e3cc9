"""The lease row: who may take it, what prolongs it, what the fence lets through, what a release frees."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text, update

from sexton.db.moment import ask_now, database_now
from sexton.db.tables import own_tables
from sexton.errors import LeaseLost
from sexton.runs.lease import Lease, acquire, fence, release, renew
from sexton.testing.processes import wait_until
from tests.support.once import lease_row, let_leases_end

NEVER = float("inf")
NAME = "job:shop.expire"


def taken(engine: Engine, holder: str = "one", *, seconds: float = 10.0, name: str = NAME) -> Lease | None:
    """Try to take the lease, in a transaction of its own."""
    with engine.begin() as connection:
        return acquire(connection, name, holder, seconds)


def held(engine: Engine, holder: str = "one", *, seconds: float = 10.0) -> Lease:
    """Take the lease, which is free."""
    lease = taken(engine, holder, seconds=seconds)
    assert lease is not None
    return lease


def seconds_left(engine: Engine) -> float:
    """How long the lease still stands, by the database's clock."""
    row = lease_row(engine, NAME)
    assert row is not None
    with engine.connect() as connection:
        return (row[2] - ask_now(connection)).total_seconds()


def set_end(engine: Engine, seconds: float) -> None:
    """Let the lease end `seconds` from now."""
    leases = own_tables(engine.dialect.name).leases
    with engine.begin() as connection:
        connection.execute(update(leases).values(expires_at=database_now(engine.dialect.name, seconds)))


def test_a_lease_that_nobody_has_had_is_free(engine: Engine) -> None:
    lease = held(engine, seconds=10)

    assert (lease.name, lease.holder, lease.epoch, lease.seconds) == (NAME, "one", 1, 10)
    assert 8 < seconds_left(engine) <= 10


@pytest.mark.parametrize("again", ["two", "one"], ids=["somebody else", "the same name"])
def test_a_lease_that_is_held_is_not_free_for_anybody(again: str, engine: Engine) -> None:
    held(engine, "one")
    before = lease_row(engine, NAME)

    assert taken(engine, again) is None
    assert lease_row(engine, NAME) == before


def test_leases_of_other_names_do_not_matter(engine: Engine) -> None:
    held(engine)

    other = taken(engine, "two", name="job:shop.purge")

    assert other is not None
    assert other.epoch == 1


def test_a_lease_that_has_run_out_is_taken_with_the_next_epoch(engine: Engine) -> None:
    held(engine, "one")
    let_leases_end(engine)

    lease = taken(engine, "two")

    assert lease is not None
    assert (lease.holder, lease.epoch) == ("two", 2)


@pytest.mark.parametrize(
    ("ends_in", "free"),
    [(-0.01, True), (1.0, False), (39.0, False), (42.0, True), (3 * 3600.0, True)],
    ids=["over", "one second", "nearly four lengths", "more than four lengths", "L12 three hours"],
)
def test_a_lease_of_ten_seconds_that_ends(ends_in: float, free: bool, engine: Engine) -> None:
    """L12: one that ends further ahead than anybody could have set it was made by a clock that has jumped back."""
    held(engine, "one", seconds=10)
    set_end(engine, ends_in)

    assert (taken(engine, "two", seconds=10) is not None) is free


def test_a_released_lease_is_free_at_once_and_keeps_its_epoch(engine: Engine) -> None:
    lease = held(engine, "one")
    with engine.begin() as connection:
        assert release(connection, lease)

    row = lease_row(engine, NAME)
    assert row is not None
    assert row[:2] == (None, 1)
    assert held(engine, "two").epoch == 2


def test_l10_a_late_release_leaves_the_successors_lease(engine: Engine) -> None:
    old = held(engine, "one")
    let_leases_end(engine)
    held(engine, "two")
    before = lease_row(engine, NAME)

    with engine.begin() as connection:
        assert not release(connection, old)

    assert lease_row(engine, NAME) == before


def test_l10_a_release_from_an_earlier_term_of_the_same_holder_frees_nothing(engine: Engine) -> None:
    old = held(engine, "one")
    let_leases_end(engine)
    held(engine, "one")

    with engine.begin() as connection:
        assert not release(connection, old)

    assert taken(engine, "two") is None


def test_renewing_prolongs_from_now(engine: Engine) -> None:
    lease = held(engine, seconds=10)
    set_end(engine, 1)

    with engine.begin() as connection:
        assert renew(connection, lease)

    assert 8 < seconds_left(engine) <= 10


def test_renewing_what_has_run_out_but_nobody_took_is_allowed(engine: Engine) -> None:
    lease = held(engine, seconds=10)
    let_leases_end(engine)

    with engine.begin() as connection:
        assert renew(connection, lease)

    assert taken(engine, "two") is None


def test_renewing_what_was_taken_over_changes_nothing(engine: Engine) -> None:
    old = held(engine, "one")
    let_leases_end(engine)
    held(engine, "two")
    before, renewed = lease_row(engine, NAME), old.renewed

    with engine.begin() as connection:
        assert not renew(connection, old)

    assert lease_row(engine, NAME) == before
    assert old.renewed == renewed


@pytest.mark.databases("postgres")
def test_l9_a_slow_renewal_counts_from_its_start(engine: Engine) -> None:
    lease = held(engine)
    with engine.begin() as rival:
        rival.execute(text("SELECT 1 FROM sexton.leases FOR UPDATE"))
        threading.Timer(0.3, rival.commit).start()
        began = time.monotonic()
        with engine.begin() as connection:
            assert renew(connection, lease)

        assert time.monotonic() - began > 0.25
        assert lease.renewed - began < 0.2


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

    assert seconds_left(engine) > 8


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
    lease = held(engine, "one", seconds=0.05)
    assert wait_until(lambda: seconds_left(engine) < 0, 5)
    found: list[tuple[float, Lease | None]] = []

    def succeed() -> None:
        successor = taken(engine, "two")
        found.append((time.monotonic(), successor))

    with inside_the_fence(engine, lease):
        thread = threading.Thread(target=succeed)
        thread.start()
        assert not wait_until(lambda: bool(found), 0.2)
        committing = time.monotonic()
    thread.join(5)

    at, successor = found[0]
    assert at > committing
    assert successor is not None
    assert successor.epoch == 2


@pytest.mark.databases("postgres")
def test_two_transactions_of_one_holder_do_not_wait_for_each_other(engine: Engine) -> None:
    lease = held(engine)

    with inside_the_fence(engine, lease) as first, inside_the_fence(engine, lease) as second:
        assert first.execute(text("SELECT 1")).scalar() == second.execute(text("SELECT 1")).scalar()


def test_the_epoch_only_grows(engine: Engine) -> None:
    epochs: list[int] = []
    for number in range(4):
        lease = held(engine, str(number))
        epochs.append(lease.epoch)
        if number % 2:
            let_leases_end(engine)
        else:
            with engine.begin() as connection:
                release(connection, lease)

    assert epochs == [1, 2, 3, 4]


def test_the_end_of_a_lease_is_the_databases_time(engine: Engine) -> None:
    """Aware, UTC, and a length from the database's now."""
    held(engine, seconds=7)
    row = lease_row(engine, NAME)

    assert row is not None
    assert isinstance(row[2], datetime)
    assert row[2].utcoffset() == timedelta(0)
    assert 5 < seconds_left(engine) <= 7
