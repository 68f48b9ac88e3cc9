"""`books.audit`: each rule finds what breaks it, and nothing in a ledger that was used as it should be."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, delete, update

from tests.support.accounts import Bank, open_bank
from tests.support.market import at

WHEN = "2026-06-15 11:00"


def entry(bank: Bank, **row: Any) -> None:
    """An entry that nobody should have written."""
    bank.add(bank.own.entries, created_at=at(WHEN), **row)


def change(bank: Bank, operation: int, status: str) -> None:
    """A state that nobody should have set."""
    operations = bank.own.operations
    with bank.engine.begin() as connection:
        connection.execute(update(operations).where(operations.c.id == operation).values(status=status))


def found(bank: Bank) -> list[tuple[str, str, int, int]]:
    """What the audit says."""
    return [(one.rule, one.subject, one.found, one.wanted) for one in bank.violations()]


@pytest.fixture
def used(bank: Bank) -> Bank:
    """Lot 1 with operation 1 open (10), 2 completed (20), 3 cancelled (30), 4 completed and refunded (40)."""
    bank.lot(500)
    bank.open(10, when=WHEN)
    bank.spend(20, when=WHEN)
    bank.cancel(bank.open(30, when=WHEN), when=WHEN)
    bank.refund(bank.spend(40, when=WHEN), when=WHEN)
    assert bank.left() == {1: 470}
    assert found(bank) == []
    return bank


def test_pgc_6_a_lot_that_gave_more_than_it_had(used: Bank) -> None:
    """PGC-6"""
    entry(used, lot_id=1, type="expiry", amount=-471, last_id=99)

    assert found(used) == [("negative", "1", -1, 0)]


def test_pgc_6_a_hold_without_its_entry_and_an_entry_without_its_hold(used: Bank) -> None:
    """PGC-6"""
    lot = used.lot(50)
    used.add(used.own.holds, operation_id=1, lot_id=lot, amount=5)
    with used.engine.begin() as connection:
        connection.execute(delete(used.own.holds).where(used.own.holds.c.operation_id == 2))

    assert found(used) == [
        ("unheld", "1, 2", 0, 5),
        ("unheld", "2, 1", 20, 0),
        ("unbalanced", "1", 470, 490),
        ("unbalanced", "2", 50, 45),
    ]


def test_pgc_6_a_hold_that_came_back_as_another_amount(used: Bank) -> None:
    """PGC-6: twice is refused by the index that the pack's own table has."""
    operation = used.open(60, when=WHEN)
    change(used, operation, "cancelled")
    entry(used, lot_id=1, operation_id=operation, type="release", amount=59)

    about = f"{operation}, 1"
    assert found(used) == [("returned", about, 59, 60), ("kept", about, 59, 60), ("unbalanced", "1", 469, 470)]


def test_pgc_6_a_hold_that_came_back_twice_in_a_table_without_the_index(engine: Engine) -> None:
    """PGC-6: a table of a product's own may lack it."""
    bank = open_bank(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX entries_released_once")
    bank.lot(500)
    operation = bank.open(60, when=WHEN)
    bank.cancel(operation, when=WHEN)
    entry(bank, lot_id=1, operation_id=operation, type="release", amount=60)

    rules = [one.rule for one in bank.violations()]

    assert rules == ["returned", "kept", "unbalanced"]


@pytest.mark.parametrize("status", ["cancelled", "expired"])
def test_pgc_6_an_operation_that_ended_and_kept(used: Bank, status: str) -> None:
    """PGC-6"""
    change(used, 2, status)

    assert found(used) == [("kept", "2, 1", 0, 20), ("unbalanced", "1", 470, 490)]


@pytest.mark.parametrize("status", ["open", "completed"])
def test_pgc_6_an_operation_that_goes_on_and_gave_back(used: Bank, status: str) -> None:
    """PGC-6"""
    change(used, 3, status)

    assert found(used) == [("leaked", "3, 1", 30, 0), ("unbalanced", "1", 470, 440)]


def test_pgc_6_more_was_refunded_than_was_taken(used: Bank) -> None:
    """PGC-6"""
    entry(used, lot_id=1, operation_id=4, type="credit", amount=1)

    assert found(used) == [("refunded", "4", 41, 40)]
