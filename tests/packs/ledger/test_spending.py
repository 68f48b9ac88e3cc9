"""What a product does with the ledger: hold, complete, cancel, refund, by the rules of the jobs (PGC-6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from sexton import SextonError, ask_now
from sexton.packs.ledger.spending import NotEnough, OperationTooLate
from tests.support.accounts import Bank
from tests.support.market import later

DEADLINE = "2026-06-15 12:00"
TICK_AFTER = "2026-06-15 12:00:00.000001"


def test_pgc_6_lots_that_end_first_are_spent_first(bank: Bank) -> None:
    """PGC-6: those without an end last."""
    forever, late, soon = bank.lot(100), bank.lot(100, expires="2026-09-01"), bank.lot(100, expires="2026-07-01")

    bank.spend(150, when="2026-06-15")

    assert bank.left() == {forever: 100, late: 50, soon: 0}
    assert bank.entries("hold") == [(soon, "hold", -100), (late, "hold", -50)]
    assert bank.violations() == []


@pytest.mark.parametrize(("when", "spendable"), [(DEADLINE, 100), (TICK_AFTER, 0)])
def test_pgc_6_a_lot_past_its_deadline_is_refused_before_the_job_has_come(
    bank: Bank, when: str, spendable: int
) -> None:
    """PGC-6: the deadline decides, not the job."""
    lot = bank.lot(100, expires=DEADLINE)

    if spendable:
        bank.open(100, when=when)
    else:
        with pytest.raises(NotEnough, match="account 1 has 0 to spend, 100 is asked for"):
            bank.open(100, when=when)

    assert bank.left() == {lot: 100 - spendable}


def test_pgc_6_an_operation_opened_in_time_spends_a_lot_that_ended_meanwhile(bank: Bank) -> None:
    """PGC-6, the as-of rule: the deadline is compared with the time at which the operation was opened."""
    lot = bank.lot(100, expires=DEADLINE)
    operation = bank.open(60, when=DEADLINE, expires="2026-06-16")

    bank.run("lots", at="2026-06-15 13:00")
    bank.complete(operation, when="2026-06-15 23:00")
    bank.run("lots", at="2026-06-17")

    assert bank.entries("expiry") == [(lot, "expiry", -40)]
    assert (bank.operations(), bank.violations()) == ({operation: "completed"}, [])


def test_pgc_6_nobody_spends_more_than_there_is_nor_what_another_account_has(bank: Bank) -> None:
    """PGC-6: nothing is changed."""
    bank.lot(100)
    bank.lot(900, account=2)
    bank.open(70, when="2026-06-15")

    with pytest.raises(NotEnough, match="account 1 has 30 to spend, 31 is asked for"):
        bank.open(31, when="2026-06-15")

    assert (bank.balance(when="2026-06-15"), bank.balance(2, when="2026-06-15")) == (30, 900)
    assert len(bank.operations()) == 1
    for amount in (0, -5):
        with pytest.raises(ValueError, match="whole number above 0"):
            bank.open(amount, when="2026-06-15")


def test_pgc_6_a_completion_that_comes_late_says_so(bank: Bank) -> None:
    """PGC-6: whether or not the job has come by; twice in time changes nothing more."""
    bank.lot(100)
    late, done = (bank.open(10, when="2026-06-15 11:00", expires=DEADLINE) for _ in range(2))
    for _ in range(2):
        bank.complete(done, when=DEADLINE)

    with pytest.raises(OperationTooLate, match="could be completed until 2026-06-15T12:00:00"):
        bank.complete(late, when=TICK_AFTER)
    bank.run("operations", at=TICK_AFTER)
    with pytest.raises(OperationTooLate, match=f"operation {late} is expired: what it held has gone back"):
        bank.complete(late, when=TICK_AFTER)
    with pytest.raises(OperationTooLate, match=f"operation {late} is expired already"):
        bank.cancel(late, when=TICK_AFTER)
    with pytest.raises(OperationTooLate, match=f"operation {done} is completed already"):
        bank.cancel(done, when=TICK_AFTER)

    assert bank.operations() == {late: "expired", done: "completed"}
    assert (bank.balance(when=TICK_AFTER), bank.violations()) == (90, [])


def test_pgc_6_a_cancelled_operation_gives_back_as_the_job_does(bank: Bank) -> None:
    """PGC-6: once; into a lot past its time nothing comes back."""
    soon, forever = bank.lot(60, expires=DEADLINE), bank.lot(100)
    operation = bank.open(80, when="2026-06-15 11:00", expires="2026-06-16")

    for _ in range(2):
        bank.cancel(operation, when=TICK_AFTER)

    assert bank.left() == {soon: 0, forever: 100}
    back = [(soon, "expiry", -60), (soon, "release", 60), (forever, "release", 20)]
    assert sorted(bank.entries("release", "expiry")) == back
    assert bank.violations() == []
    with pytest.raises(OperationTooLate, match="is cancelled"):
        bank.complete(operation, when=TICK_AFTER)


def test_pgc_6_a_refund_into_a_lot_past_its_time_is_a_new_lot_with_grace(bank: Bank) -> None:
    """PGC-6: 30 days; what came out of lots that are good goes back there, first."""
    soon, good = bank.lot(60, expires=DEADLINE), bank.lot(100, expires="2026-12-01")
    operation = bank.spend(90, when="2026-06-15 11:00")
    bank.run("lots", at="2026-06-16")

    assert bank.refund(operation, 40, when="2026-06-16") == [good, 3]
    assert bank.refund(operation, when="2026-06-17") == [4]
    assert bank.refund(operation, when="2026-06-17") == []

    lots = bank.own.lots.c
    assert bank.left() == {soon: 0, good: 100, 3: 10, 4: 50}
    until = {row[0]: row[1] for row in bank.rows(select(lots.id, lots.expires_at))}
    assert (until[3], until[4]) == (later("2026-06-16", days=30), later("2026-06-17", days=30))
    assert bank.violations() == []


def test_pgc_6_never_more_is_refunded_than_was_taken(bank: Bank) -> None:
    """PGC-6"""
    bank.lot(100)
    operation, unfinished = bank.spend(90, when="2026-06-15"), bank.open(10, when="2026-06-15")
    bank.refund(operation, 50, when="2026-06-16")

    with pytest.raises(NotEnough, match=f"operation {operation} has 40 to give back, 41 is asked for"):
        bank.refund(operation, 41, when="2026-06-16")
    with pytest.raises(SextonError, match=f"operation {unfinished} is not completed"):
        bank.refund(unfinished, when="2026-06-16")
    with pytest.raises(ValueError, match="whole number above 0"):
        bank.refund(operation, 0, when="2026-06-16")

    assert (bank.balance(when="2026-06-16"), bank.violations()) == (50, [])


def test_pgc_6_an_operation_that_there_is_not_is_one_clear_line(bank: Bank) -> None:
    """PGC-6"""
    for call in (bank.complete, bank.cancel):
        with pytest.raises(SextonError, match="there is no operation 99"):
            call(99, when="2026-06-15")


def test_pgc_6_without_a_time_it_is_that_of_the_database(bank: Bank) -> None:
    """PGC-6: an operation is open for `operation_time`, 15 minutes."""
    with bank.engine.begin() as connection:
        begin = ask_now(connection)
        bank.ledger.grant(connection, 1, 100)
        operation = bank.ledger.open_operation(connection, 1, 40)
        assert bank.ledger.balance(connection, 1) == 60
        bank.ledger.complete(connection, operation)

    row = bank.rows(select(bank.own.operations))[0]
    assert row.expires_at - row.opened_at == timedelta(minutes=15)
    assert begin <= row.opened_at <= row.closed_at <= datetime.now(UTC) + timedelta(days=1)
