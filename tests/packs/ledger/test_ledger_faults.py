"""What the ticket's own functions did wrong, and the ledger's jobs do not (PGC-5, PGC-6)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import delete, event, update
from sqlalchemy.exc import DBAPIError

from sexton import Counts
from sexton.db.tables import own_tables
from sexton.packs.ledger import pack
from sexton.runs.runner import planned
from tests.support.accounts import Bank

OPENED, LATER = "2026-06-15 11:00", "2026-06-16"
CHANGES_ENTRIES = re.compile(r"\b(?:UPDATE|DELETE FROM)\s+\"?entries\b", re.IGNORECASE)


def use(bank: Bank) -> None:
    """Every call and every job, each with something to do."""
    bank.lot(500, expires="2026-06-15 12:00")
    bank.open(30, when=OPENED, expires="2026-06-15 11:30")
    bank.cancel(bank.open(40, when=OPENED), when=OPENED)
    bank.refund(bank.spend(50, when=OPENED), when=LATER)
    bank.key("old", "failed", finished="2026-06-01")
    bank.key("unfinished", "in_progress", locked="2020-01-01")
    for name in ("operations", "lots", "keys"):
        assert bank.run(name, at=LATER).state == "succeeded"


def test_pgc_6_no_entry_is_ever_changed_or_deleted(bank: Bank) -> None:
    """PGC-6: not by a job and not by a call; the tests' databases refuse it anyway, as is shown here."""
    seen: list[str] = []
    event.listen(bank.engine, "before_cursor_execute", lambda *said: seen.append(said[2]))

    use(bank)

    assert [text for text in seen if CHANGES_ENTRIES.search(text)] == []
    assert any("INSERT INTO entries" in text for text in seen)
    for wrong in (update(bank.own.entries).values(amount=0), delete(bank.own.entries)):
        with pytest.raises(DBAPIError, match="no entry is changed"), bank.engine.begin() as connection:
            connection.execute(wrong)
    assert bank.violations() == []


def test_pgc_6_what_a_job_does_follows_from_the_ledger_alone(bank: Bank) -> None:
    """PGC-6: all that Sexton remembers is lost, facts, messages and runs; nothing is done a second time."""
    use(bank)
    before = bank.entries(), bank.operations(), bank.keys()
    own = own_tables(bank.engine.dialect.name)
    with bank.engine.begin() as connection:
        for table in (own.effects, own.outbox_events, own.poison, own.runs):
            connection.execute(delete(table))

    again = [bank.run(name, at=LATER) for name in ("operations", "lots", "keys")]

    assert [run.total for run in again] == [Counts(picked=1, told=1), Counts(), Counts()]
    assert (bank.entries(), bank.operations(), bank.keys()) == before
    assert before[2] == ["unfinished"]


def test_pgc_5_no_job_needs_python_or_one_giant_transaction(bank: Bank) -> None:
    """PGC-5: each step is a policy over rows, done in batches; no function, no call to the outside."""
    steps: list[Any] = [plan for job in pack.jobs(bank.options, "postgresql") for plan in planned(job)]

    assert [step.step for step in steps] == ["expire", "stuck", "expire", "purge"]
    assert [step for step in steps if step.call or step.rollup or step.archive or step.limit] == []
