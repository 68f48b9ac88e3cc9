"""Spenders and jobs at work on the same lots and operations: whoever commits second sees the first (promise 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine

from sexton import Plan, Policy, SextonError
from sexton.db.connect import open_database
from sexton.packs.ledger.spending import NotEnough, OperationTooLate
from sexton.runs.context import Limits
from sexton.statements.batch_strategy import Request
from sexton.statements.postgresql_batch import CteBatches
from sexton.testing.processes import wait_until
from tests.support.accounts import Bank
from tests.support.market import at
from tests.support.patience import PATIENCE
from tests.support.waiters import somebody_waits

pytestmark = pytest.mark.databases("postgres")

DEADLINE, BEFORE, AFTER = "2026-06-15 12:00", "2026-06-15 11:59", "2026-06-15 12:01"
PATIENT = Limits(lock_wait=PATIENCE)


@contextmanager
def other_session(bank: Bank) -> Iterator[Connection]:
    """A second transaction; rolled back at the end unless it was committed."""
    engine = open_database(bank.engine.url.render_as_string(hide_password=False))
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{PATIENCE:.0f}s'")
            yield connection
    finally:
        engine.dispose()


@contextmanager
def meanwhile(bank: Bank, work: Callable[[], Any]) -> Iterator[Future[Any]]:
    """`work` in a thread; the block goes on once it waits for a lock, and it has ended after the block."""
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(work)
        assert wait_until(lambda: future.done() or somebody_waits(bank.engine), PATIENCE)
        yield future


def one_batch(bank: Bank, connection: Connection, name: str, now: str) -> int:
    """What a job does in one transaction, which is left open; how many rows were picked."""
    work: Any = bank.job(name).work
    plan: Plan = work[0].plan()
    return CteBatches(plan).execute(connection, Request(500, None, at(now), bank.job(name).name, None)).picked


def test_pgc_6_what_is_spent_while_the_job_waits_for_the_lot_is_not_written_off(bank: Bank) -> None:
    """PGC-6, RACE spend: the lot's row is the same as before, only its entries are more; the job reads them anew."""
    lot = bank.lot(500, expires=DEADLINE)

    with other_session(bank) as spender:
        operation = bank.ledger.open_operation(spender, 1, 120, expires_at=at("2026-06-16"), at=at(BEFORE))
        with meanwhile(bank, lambda: bank.run("lots", at=AFTER, limits=PATIENT)) as job:
            spender.commit()
    bank.complete(operation, when=AFTER)

    assert job.result().state == "succeeded"
    assert bank.entries("hold", "expiry") == [(lot, "hold", -120), (lot, "expiry", -380)]
    assert (bank.left(), bank.violations()) == ({lot: 0}, [])


@dataclass(frozen=True)
class InOneStatement:
    """The same policy without a lock of its own before it."""

    policy: Policy

    def plan(self) -> Plan:
        """The plan."""
        return replace(self.policy.plan(), lock_first=False)


@pytest.mark.by_python("runs a policy of its own making")
def test_pgc_6_one_statement_would_be_too_few(bank: Bank) -> None:
    """PGC-6: it judges the entries by a snapshot older than its lock, and writes off what was just spent."""
    lot = bank.lot(500, expires=DEADLINE)
    work: Any = bank.job("lots").work
    bank.jobs["lots"] = replace(bank.job("lots"), work=[InOneStatement(policy) for policy in work])

    with other_session(bank) as spender:
        bank.ledger.open_operation(spender, 1, 120, expires_at=at("2026-06-16"), at=at(BEFORE))
        with meanwhile(bank, lambda: bank.run("lots", at=AFTER, limits=PATIENT)) as job:
            spender.commit()

    assert job.result().state == "succeeded"
    assert bank.left() == {lot: -120}
    assert {found.rule for found in bank.violations()} == {"negative"}


def test_pgc_6_a_lot_that_is_spent_whole_while_the_job_waits_gets_no_entry(bank: Bank) -> None:
    """PGC-6, RACE spend"""
    lot = bank.lot(500, expires=DEADLINE)

    with other_session(bank) as spender:
        bank.ledger.open_operation(spender, 1, 500, expires_at=at("2026-06-16"), at=at(BEFORE))
        with meanwhile(bank, lambda: bank.run("lots", at=AFTER, limits=PATIENT)) as job:
            spender.commit()

    assert (job.result().state, sum(job.result().total.also.values())) == ("succeeded", 0)
    assert bank.entries("expiry") == []
    assert bank.left() == {lot: 0}


def test_pgc_6_who_spends_while_the_job_has_the_lot_finds_nothing_left(bank: Bank) -> None:
    """PGC-6, RACE spend: the other way round."""
    lot = bank.lot(500, expires=DEADLINE)

    with other_session(bank) as job:
        assert one_batch(bank, job, "lots", AFTER) == 1
        with meanwhile(bank, lambda: bank.open(120, when=BEFORE)) as spender:
            job.commit()

    with pytest.raises(NotEnough, match="has 0 to spend"):
        spender.result()
    assert (bank.left(), bank.operations(), bank.violations()) == ({lot: 0}, {}, [])


def test_pgc_6_two_who_spend_the_same_lot_come_one_after_the_other(bank: Bank) -> None:
    """PGC-6"""
    lot = bank.lot(100)

    with other_session(bank) as first:
        bank.ledger.open_operation(first, 1, 80, at=at(BEFORE))
        with meanwhile(bank, lambda: bank.open(80, when=BEFORE)) as second:
            first.commit()

    with pytest.raises(NotEnough, match="has 20 to spend"):
        second.result()
    assert (bank.left(), bank.violations()) == ({lot: 20}, [])


def test_pgc_6_an_operation_completed_while_the_job_waits_is_not_expired(bank: Bank) -> None:
    """PGC-6, RACE complete: the job asks for `open` again, and finds no row."""
    bank.lot(100)
    operation = bank.open(80, when=BEFORE, expires=DEADLINE)

    with other_session(bank) as customer:
        bank.ledger.complete(customer, operation, at=at(DEADLINE))
        with meanwhile(bank, lambda: bank.run("operations", at=AFTER, limits=PATIENT)) as job:
            customer.commit()

    assert (job.result().state, job.result().total.changed) == ("succeeded", 0)
    assert (bank.operations(), bank.entries("release")) == ({operation: "completed"}, [])
    assert (bank.sent("operation_expired"), bank.violations()) == ([], [])


def test_pgc_6_who_completes_while_the_job_has_the_operation_is_told_it_is_late(bank: Bank) -> None:
    """PGC-6, RACE complete: the loser changes no row, and says so."""
    bank.lot(100)
    operation = bank.open(80, when=BEFORE, expires=DEADLINE)

    with other_session(bank) as job:
        assert one_batch(bank, job, "operations", AFTER) == 1
        with meanwhile(bank, lambda: bank.complete(operation, when=DEADLINE)) as customer:
            job.commit()

    with pytest.raises(OperationTooLate, match="is expired: what it held has gone back"):
        customer.result()
    assert (bank.operations(), bank.balance(when=AFTER), bank.violations()) == ({operation: "expired"}, 100, [])


def test_pgc_6_who_cancels_while_the_job_has_the_operation_releases_nothing(bank: Bank) -> None:
    """PGC-6: no hold is released twice."""
    lot = bank.lot(100)
    operation = bank.open(80, when=BEFORE, expires=DEADLINE)

    with other_session(bank) as job:
        assert one_batch(bank, job, "operations", AFTER) == 1
        with meanwhile(bank, lambda: bank.cancel(operation, when=AFTER)) as customer:
            job.commit()

    with pytest.raises(OperationTooLate, match="is expired already"):
        customer.result()
    assert (bank.entries("release"), bank.violations()) == ([(lot, "release", 80)], [])


def test_pgc_6_a_lot_and_an_operation_that_holds_it_expire_at_once(bank: Bank) -> None:
    """PGC-6: both jobs, in two sessions; each unit goes once."""
    lot = bank.lot(100, expires=DEADLINE)
    bank.open(30, when=BEFORE, expires=DEADLINE)

    with other_session(bank) as cleanup:
        assert one_batch(bank, cleanup, "operations", AFTER) == 1
        with meanwhile(bank, lambda: bank.run("lots", at=AFTER, limits=PATIENT)) as job:
            cleanup.commit()

    assert job.result().state == "succeeded"
    assert bank.entries("release", "expiry") == [(lot, "release", 30), (lot, "expiry", -30), (lot, "expiry", -70)]
    assert (bank.left(), bank.violations()) == ({lot: 0}, [])


def test_pgc_6_a_transaction_that_would_not_see_what_others_spend_is_refused(bank: Bank) -> None:
    """PGC-6: in REPEATABLE READ the sum would be that of its first statement, however long the lock was waited for."""
    bank.lot(100)
    operation = bank.spend(80, when=BEFORE)
    engine = create_engine(bank.engine.url, isolation_level="REPEATABLE READ")

    try:
        with engine.begin() as connection:
            with pytest.raises(SextonError, match="not in REPEATABLE READ"):
                bank.ledger.open_operation(connection, 1, 20, at=at(BEFORE))
            with pytest.raises(SextonError, match="not in REPEATABLE READ"):
                bank.ledger.refund(connection, operation, at=at(BEFORE))
    finally:
        engine.dispose()
    assert (bank.left(), bank.violations()) == ({1: 20}, [])


def test_pgc_6_two_refunds_of_one_operation_come_one_after_the_other(bank: Bank) -> None:
    """PGC-6"""
    lot = bank.lot(100)
    operation = bank.spend(80, when=BEFORE)

    with other_session(bank) as first:
        bank.ledger.refund(first, operation, 50, at=at(AFTER))
        with meanwhile(bank, lambda: bank.refund(operation, 50, when=AFTER)) as second:
            first.commit()

    with pytest.raises(NotEnough, match="has 30 to give back"):
        second.result()
    assert (bank.left(), bank.violations()) == ({lot: 70}, [])
