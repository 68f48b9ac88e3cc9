"""The product's calls on connections, rows and amounts as a product has them, not as ours are (PGC-6)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, insert, update

from sexton import SextonError
from tests.support.accounts import Bank
from tests.support.market import at

WHEN, DEADLINE = "2026-06-15 11:00", "2026-06-15 12:00"


@contextmanager
def engine_of_the_product(bank: Bank, **options: Any) -> Iterator[Engine]:
    """Opened by SQLAlchemy alone, as a product opens its database."""
    engine = create_engine(bank.engine.url, **options)
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.mark.parametrize("amount", [12.5, 12.0, Decimal("7.5"), float("nan"), True, 2**63, -1], ids=repr)
def test_pgc_6_an_amount_is_a_whole_number_and_nothing_is_rounded(bank: Bank, amount: Any) -> None:
    """PGC-6: PostgreSQL would store 12 for 12.5, and 8 for 7.5; SQLite 12.5."""
    lot = bank.lot(100)
    operation = bank.spend(40, when=WHEN)

    for call in (
        lambda: bank.lot(amount),
        lambda: bank.open(amount, when=WHEN),
        lambda: bank.refund(operation, amount, when=WHEN),
    ):
        with pytest.raises(ValueError, match="an amount is a whole number above 0 and at most 9223372036854775807"):
            call()

    assert (bank.left(), bank.operations(), bank.violations()) == ({lot: 60}, {operation: "completed"}, [])


def test_pgc_6_a_connection_that_commits_each_statement_is_refused(bank: Bank) -> None:
    """PGC-6: its locks are gone before the entries are read, and a kill would leave half of what was written."""
    lot = bank.lot(100)
    spent, opened = bank.spend(40, when=WHEN), bank.open(10, when=WHEN)

    def calls(connection: Connection) -> list[Any]:
        ledger = bank.ledger
        return [
            lambda: ledger.grant(connection, 1, 5, at=at(WHEN)),
            lambda: ledger.open_operation(connection, 1, 5, at=at(WHEN)),
            lambda: ledger.cancel(connection, opened, at=at(WHEN)),
            lambda: ledger.refund(connection, spent, 5, at=at(WHEN)),
        ]

    with engine_of_the_product(bank, isolation_level="AUTOCOMMIT") as engine, engine.connect() as connection:
        for call in calls(connection):
            with pytest.raises(SextonError, match="is to be called in a transaction; this connection commits each"):
                call()

    assert bank.left() == {lot: 50}
    assert bank.operations() == {spent: "completed", opened: "open"}
    with engine_of_the_product(bank) as engine, engine.begin() as connection:
        for call in calls(connection):
            call()
    assert bank.violations() == []


@pytest.mark.databases("sqlite")
def test_pgc_6_two_who_spend_by_a_driver_that_begins_late_do_not_spend_the_same(bank: Bank) -> None:
    """PGC-6: on SQLite Python's driver begins before the first row is written, which is after the sums are read."""
    lot = bank.lot(100)
    with ExitStack() as stack:
        engine = stack.enter_context(engine_of_the_product(bank, connect_args={"timeout": 0}))
        first, second = (stack.enter_context(engine.connect()) for _ in range(2))
        refused: list[Exception] = []

        def other_spends(*said: Any) -> None:
            """When the first has read what is left."""
            if "sum(" in said[2] and said[0] is first and not refused:
                try:
                    bank.ledger.open_operation(second, 1, 80, at=at(WHEN))
                    second.commit()
                except Exception as error:
                    refused.append(error)
                    second.rollback()

        event.listen(engine, "after_cursor_execute", other_spends)
        bank.ledger.open_operation(first, 1, 80, at=at(WHEN))
        first.commit()

    assert [f"{error.orig}" for error in refused if hasattr(error, "orig")] == ["database is locked"]
    assert (bank.left(), bank.violations()) == ({lot: 20}, [])


def test_pgc_6_lots_that_are_spent_are_neither_locked_nor_in_the_way(bank: Bank) -> None:
    """PGC-6: an account may have had more lots than a statement takes parameters."""
    number = 70_000
    lots = [{"id": lot, "account_id": 1, "created_at": at(WHEN)} for lot in range(1, number + 1)]
    entry = {"created_at": at(WHEN)}
    entries = [{"lot_id": lot, "type": "credit", "amount": 100, **entry} for lot in range(1, number + 1)]
    spent = [{"lot_id": lot, "type": "spent by hand", "amount": -100, **entry} for lot in range(1, number - 1)]
    with bank.engine.begin() as connection:
        connection.execute(insert(bank.own.lots), lots)
        connection.execute(insert(bank.own.entries), entries)
        connection.execute(insert(bank.own.entries), spent)

    operation = bank.open(150, when=WHEN)

    assert bank.entries("hold") == [(number - 1, "hold", -100), (number, "hold", -50)]
    assert (bank.balance(when=WHEN), bank.operations()) == (50, {operation: "open"})


@pytest.mark.databases("postgres")
def test_pgc_6_an_operation_without_an_end_can_be_completed_and_never_expires(bank: Bank) -> None:
    """PGC-6: in a table of the product's own that allows it."""
    operations = bank.own.operations
    with bank.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE operations ALTER expires_at DROP NOT NULL")
    bank.lot(100)
    first, second = bank.open(10, when=WHEN, expires=DEADLINE), bank.open(20, when=WHEN, expires=DEADLINE)
    with bank.engine.begin() as connection:
        connection.execute(update(operations).values(expires_at=None))

    assert bank.run("operations", at="2036-01-01").total.picked == 0
    bank.complete(first, when="2036-01-01")
    bank.cancel(second, when="2036-01-01")

    assert bank.operations() == {first: "completed", second: "cancelled"}
    assert bank.violations() == []
