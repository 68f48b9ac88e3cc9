"""A product's own names, kinds of account ids and enums; the jobs as the ticket lists them (PGC-1, PGC-3)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from sqlalchemy import Engine

from sexton import SextonError
from sexton.packs.ledger import CLOSE_FIRST, KEYS_LAST, jobs
from sexton.packs.ledger.options import LEDGER_TABLES, LedgerOptions
from tests.support.accounts import Bank, open_bank

OPENED, LATER = "2026-06-15 11:00", "2026-06-16"
OTHER_TABLES = {
    "lots": "credit_lots",
    "entries": "journal",
    "operations": "checkouts",
    "holds": "reservations",
    "idempotency_keys": "request_keys",
    "outbox_events": "events",
}
OTHER_COLUMNS = {
    "lots": {"account_id": "merchantId", "expires_at": "validUntil"},
    "entries": {"lot_id": "lotId", "amount": "minorUnits", "last_id": "up to", "type": "kind", "created_at": "madeAt"},
    "operations": {"status": "state", "expires_at": "until", "account_id": "merchantId"},
    "holds": {"operation_id": "checkoutId", "amount": "minorUnits"},
    "idempotency_keys": {"key": "token", "status": "state", "finished_at": "doneAt"},
    "outbox_events": {"key": "dedup", "event_type": "type", "recipient": "for_whom"},
}


def outcome(bank: Bank, account: Any) -> list[Any]:
    """Something due for every job, and what comes of it."""
    bank.lot(100, expires="2026-06-15 12:00", account=account)
    bank.open(30, when=OPENED, expires="2026-06-15 12:00", account=account)
    bank.refund(bank.spend(50, when=OPENED, account=account), 20, when=LATER)
    bank.key("old", "completed", finished="2026-06-01")
    bank.key("stuck", "in_progress")
    states = [bank.run(name, at=LATER).state for name in ("operations", "lots", "keys")]
    told = [row[0] for event in ("operation_expired", "lot_expired") for row in recipients(bank, event)]
    return [set(states), bank.entries("release", "expiry"), bank.left(), bank.keys(), told, bank.violations()]


def recipients(bank: Bank, event: str) -> list[tuple[str]]:
    """Who is told."""
    return [(getattr(row, "recipient", None) or row[3],) for row in bank.sent(event)]


def expected(account: str) -> list[Any]:
    """The same under all names."""
    entries = [(1, "release", 30), (1, "expiry", -30), (1, "expiry", -20)]
    return [{"succeeded"}, entries, {1: 0, 2: 20}, ["stuck"], [account, account], []]


def test_pgc_1_the_pack_works_under_its_own_names(bank: Bank) -> None:
    """PGC-1"""
    assert outcome(bank, 7) == expected("7")


def test_pgc_1_a_product_may_have_other_names_and_an_outbox_of_its_own(engine: Engine) -> None:
    """PGC-1: one definition over each merchant's tables."""
    bank = open_bank(engine, tables=OTHER_TABLES, columns=OTHER_COLUMNS)

    assert outcome(bank, 7) == expected("7")
    assert bank.own.metadata.tables.keys() == set(OTHER_TABLES.values())


def test_pgc_1_ids_of_accounts_may_be_texts(engine: Engine) -> None:
    """PGC-1"""
    assert outcome(open_bank(engine, account_ids="text"), "acct:7") == expected("acct:7")


@pytest.mark.databases("postgres")
def test_pgc_1_ids_of_accounts_may_be_uuids_and_states_words_of_enums(engine: Engine) -> None:
    """PGC-1"""
    bank = open_bank(engine, account_ids="uuid")
    with engine.begin() as connection:
        for table, column, words in (
            ("entries", "type", "'credit', 'hold', 'release', 'expiry'"),
            ("operations", "status", "'open', 'completed', 'cancelled', 'expired'"),
            ("idempotency_keys", "status", "'in_progress', 'completed', 'failed'"),
        ):
            connection.exec_driver_sql(f"CREATE TYPE word_of_{table} AS ENUM ({words})")
            for name in PARTIAL.get(table, ()):
                connection.exec_driver_sql(f"DROP INDEX {name}")
            changed = f"ALTER {column} TYPE word_of_{table} USING {column}::word_of_{table}"
            connection.exec_driver_sql(f"ALTER TABLE {table} {changed}")
    account = "00000000-0000-0000-0000-000000000007"

    assert outcome(bank, account) == expected(account)


PARTIAL = {"entries": ("entries_released_once", "entries_expired_once", "entries_expired_once_with_operation")}
"""Indexes with words in their conditions, which PostgreSQL does not convert."""


def test_pgc_3_the_jobs_run_when_the_ticket_says() -> None:
    """PGC-3: each by a schedule that is part of its definition; operations first, what only deletes last."""
    listed = {job.name: (job.schedule.text if job.schedule else "", job.priority) for job in jobs(LedgerOptions(), "")}

    assert listed == {
        "ledger.ops_cleanup": ("every 5m", CLOSE_FIRST),
        "ledger.expire_lots": ("0 2 * * *", 0),
        "ledger.idempotency_cleanup": ("0 3 * * *", KEYS_LAST),
    }


def test_pgc_3_every_job_says_what_it_does_and_every_option_what_it_means() -> None:
    """PGC-3"""
    assert all(job.description for job in jobs(LedgerOptions(), ""))
    assert all(one.metadata["rule"].meaning for one in dataclasses.fields(LedgerOptions))
    assert set(LEDGER_TABLES) == set(OTHER_TABLES)


def test_pgc_1_a_mapped_column_that_the_pack_does_not_use_is_one_clear_line(engine: Engine) -> None:
    """PGC-1"""
    with pytest.raises(SextonError, match=r"pack\.ledger\.columns\.lots: no column 'owner'; it has id, account_id"):
        open_bank(engine, columns={"lots": {"owner": "merchant"}})


def test_pgc_1_two_tables_of_one_name_are_one_clear_line(engine: Engine) -> None:
    """PGC-1: also where one of them has its name from the pack."""
    for tables, name in (({"lots": "holds"}, "holds"), ({"lots": "app.x", "entries": "app.x"}, "app.x")):
        with pytest.raises(SextonError, match=rf"^pack\.ledger\.tables: two tables are named '{name}'$"):
            open_bank(engine, tables=tables)
