"""The ledger's jobs compile: inside PostgreSQL they write the same entries as from Python (PGC-6)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import select

from sexton.db.connect import open_database
from sexton.packs.ledger.demo import demonstration
from tests.support.accounts import LEDGER_JOBS, Bank, open_bank
from tests.support.databases import Databases
from tests.support.inside import call, install
from tests.support.market import at
from tests.support.pace import UNHURRIED

pytestmark = pytest.mark.databases("postgres")

NOW = "2026-06-15 02:00"


@pytest.fixture
def twins(databases: Databases, database_kind: str) -> Iterator[tuple[Bank, Bank]]:
    """Two databases with the very same rows, those of the demonstration."""
    with ExitStack() as stack:
        banks = []
        for _ in range(2):
            engine = open_database(stack.enter_context(databases.fresh(database_kind, migrated=True)))
            stack.callback(engine.dispose)
            demonstration().seed(engine, at(NOW), 1)
            banks.append(open_bank(engine, make=False))
        yield banks[0], banks[1]


def books(bank: Bank) -> list[Any]:
    """Entries without their numbers, states, keys, messages without their order."""
    entries = bank.own.entries.c
    columns = (entries.lot_id, entries.operation_id, entries.type, entries.amount, entries.created_at)
    told = [
        (row.event_type, row.recipient, row.payload)
        for event in ("operation_expired", "lot_expired", "idempotency_key_stuck")
        for row in bank.sent(event)
    ]
    return [
        sorted(map(str, bank.rows(select(*columns)))),
        bank.left(),
        bank.operations(),
        bank.keys(),
        sorted(map(str, told)),
    ]


def test_pgc_6_the_ledger_is_the_same_from_python_and_from_inside_the_database(twins: tuple[Bank, Bank]) -> None:
    """PGC-6, PGC-5: a COMMIT after each batch, in a session of another time zone; no job needs Python."""
    python, inside = twins
    before = books(python)
    assert books(inside) == before
    for name in LEDGER_JOBS:
        procedure = install(inside.engine, inside.job(name), UNHURRIED, most=7)
        assert call(inside.engine, procedure, at(NOW), settings=["SET TimeZone = 'Asia/Jerusalem'"]) is None
        assert python.run(name, at=NOW).state == "succeeded"

    with inside.engine.connect() as connection:
        runs = connection.exec_driver_sql("SELECT batches, outcome FROM sexton.job_runs ORDER BY id").all()
    assert min(row.batches for row in runs) > 2
    assert {row.outcome for row in runs} == {"succeeded"}
    assert books(inside) == books(python) != before
    assert (inside.violations(), python.violations()) == ([], [])
