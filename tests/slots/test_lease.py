"""The lease row: who may take it, what prolongs it, what a release frees."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, text, update

from sexton.db.server_clock import ask_now, database_now
from sexton.db.tables import own_tables
from sexton.slots.lease import Lease, acquire, release, renew
from sexton.testing.processes import wait_until
from tests.support.database_checks import lease_row, let_leases_end
from tests.support.patience import PATIENCE
from tests.support.waiters import somebody_waits

NAME = "job:shop.expire"

LENGTH = 3600.0
"""Seconds of a lease that does not run out during a test, however busy the machine is."""

A_WHILE = 300.0
"""Seconds; more than a test takes."""


def taken(engine: Engine, holder: str = "one", *, seconds: float = LENGTH, name: str = NAME) -> Lease | None:
    """Try to take the lease, in a transaction of its own."""
    with engine.begin() as connection:
        return acquire(connection, name, holder, seconds)


def held(engine: Engine, holder: str = "one", *, seconds: float = LENGTH) -> Lease:
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
    lease = held(engine, seconds=LENGTH)

    assert (lease.name, lease.holder, lease.epoch, lease.seconds) == (NAME, "one", 1, LENGTH)
    assert LENGTH - A_WHILE < seconds_left(engine) <= LENGTH


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
    """BJ-02.4"""
    held(engine, "one")
    let_leases_end(engine)

    lease = taken(engine, "two")

    assert lease is not None
    assert (lease.holder, lease.epoch) == ("two", 2)


@pytest.mark.parametrize(
    ("ends_in", "free"),
    [(-0.01, True), (A_WHILE, False), (598.0, False), (600.0 + A_WHILE, True), (3 * 3600.0, True)],
    ids=["over", "some minutes", "one of two minutes and a half", "too far ahead", "L12 three hours"],
)
def test_a_lease_of_ten_seconds_that_ends(ends_in: float, free: bool, engine: Engine) -> None:
    """L12: one that ends further ahead than anybody could have set it was made by a clock that has jumped back."""
    held(engine, "one", seconds=10)
    set_end(engine, ends_in)

    assert (taken(engine, "two", seconds=10) is not None) is free


def test_a_released_lease_is_free_at_once_and_keeps_its_epoch(engine: Engine) -> None:
    """BJ-02.4"""
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
    lease = held(engine, seconds=LENGTH)
    set_end(engine, 1)

    with engine.begin() as connection:
        assert renew(connection, lease)

    assert LENGTH - A_WHILE < seconds_left(engine) <= LENGTH


def test_renewing_what_has_run_out_but_nobody_took_is_allowed(engine: Engine) -> None:
    lease = held(engine)
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
    """The rival lets go once the renewal waits for him: it was begun before, and has its end after that."""
    lease = held(engine)
    let_go: list[float] = []
    with engine.connect() as rival:
        rival.execute(text("SELECT 1 FROM sexton.leases FOR UPDATE"))

        def let_him_wait() -> None:
            wait_until(lambda: somebody_waits(engine), PATIENCE)
            let_go.append(time.monotonic())
            rival.commit()

        letting_go = threading.Thread(target=let_him_wait)
        letting_go.start()
        began = time.monotonic()
        with engine.begin() as connection:
            assert renew(connection, lease)
        letting_go.join()

    assert began <= lease.renewed < let_go[0]


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
    held(engine, seconds=LENGTH - 700)
    row = lease_row(engine, NAME)

    assert row is not None
    assert isinstance(row[2], datetime)
    assert row[2].utcoffset() == timedelta(0)
    assert LENGTH - 700 - A_WHILE < seconds_left(engine) <= LENGTH - 700
