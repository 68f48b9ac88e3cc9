"""`ledger.expire_lots`: what is left of a lot past its time goes by one counter-entry (PGC-6)."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from sexton import Counts
from sexton.runs.context import Limits
from tests.support.accounts import Bank
from tests.support.market import at

DEADLINE = "2026-06-15 02:00"
TICK_BEFORE, TICK_AFTER = "2026-06-15 01:59:59.999999", "2026-06-15 02:00:00.000001"


@pytest.mark.parametrize(("now", "left"), [(TICK_BEFORE, 500), (DEADLINE, 500), (TICK_AFTER, 0)])
def test_pgc_6_a_lot_expires_one_tick_after_its_deadline(bank: Bank, now: str, left: int) -> None:
    """PGC-6: `expires_at < now`, as spending asks the opposite of."""
    lot = bank.lot(500, expires=DEADLINE)

    run = bank.run("lots", at=now)

    assert run.state == "succeeded"
    assert bank.left() == {lot: left}
    assert bank.balance(when=now) == left


def test_pgc_6_what_is_left_goes_by_one_entry_against_it_and_twice_finds_nothing(bank: Bank) -> None:
    """PGC-6: no entry is changed, which the database would refuse; a lot for ever and an empty one stay as they are."""
    lot, empty, forever = bank.lot(500, expires=DEADLINE), bank.lot(70, expires=DEADLINE), bank.lot(30)
    bank.spend(120, when="2026-06-10")
    assert bank.left() == {lot: 380, empty: 70, forever: 30}
    bank.spend(450, when="2026-06-11")
    bank.lot(9, expires=DEADLINE)

    predicted = bank.preview("lots", at="2026-06-15 02:01")
    run = bank.run("lots", at="2026-06-15 02:01")
    again = bank.run("lots", at="2026-06-15 02:01")

    assert run.total == predicted.total == Counts(picked=1, told=1, also={"entries": 1})
    assert again.total == Counts()
    assert bank.left() == {lot: 0, empty: 0, forever: 30, 4: 0}
    assert bank.entries("expiry") == [(4, "expiry", -9)]
    assert bank.violations() == []


def test_pgc_6_the_owner_is_told_of_each_amount_once(bank: Bank) -> None:
    """PGC-6: a lot that comes to something again is told again, one that does not is not."""
    lot = bank.lot(500, expires=DEADLINE, account=7)
    bank.run("lots", at="2026-06-16")
    bank.add(bank.own.entries, lot_id=lot, type="credit", amount=25, created_at=at("2026-06-16 12:00"))

    for day in ("2026-06-17", "2026-06-18"):
        bank.run("lots", at=day)

    said = [(row.recipient, row.payload["lot_id"], row.payload["amount"]) for row in bank.sent("lot_expired")]
    assert said == [("7", lot, 500), ("7", lot, 25)]


def test_pgc_6_what_an_open_operation_holds_is_not_expired(bank: Bank) -> None:
    """PGC-6: its entry has lowered the balance; what is released goes, what is completed is spent."""
    lot = bank.lot(500, expires=DEADLINE)
    kept = bank.open(100, when="2026-06-15 01:00", expires="2026-06-15 06:00")
    lost = bank.open(30, when="2026-06-15 01:00", expires="2026-06-15 05:00")

    first = bank.run("lots", at="2026-06-15 02:01")
    bank.complete(kept, when="2026-06-15 05:59")
    bank.run("operations", at="2026-06-15 05:01")
    second = bank.run("lots", at="2026-06-16 02:00")

    assert (first.total.also, second.total) == ({"entries": 1}, Counts())
    assert bank.entries("expiry") == [(lot, "expiry", -370), (lot, "expiry", -30)]
    assert bank.operations() == {kept: "completed", lost: "expired"}
    assert (bank.left(), bank.violations()) == ({lot: 0}, [])


def test_pgc_6_it_heals_itself(bank: Bank) -> None:
    """PGC-6: what came into a lot past its time, by whatever way, goes with the next run: the entries alone decide."""
    lot = bank.lot(500, expires=DEADLINE)
    bank.run("lots", at="2026-06-16")
    bank.add(bank.own.entries, lot_id=lot, type="credit", amount=25, created_at=at("2026-06-16 12:00"))

    run = bank.run("lots", at="2026-06-17")

    assert (run.total.picked, bank.left(), bank.violations()) == (1, {lot: 0}, [])


@pytest.mark.by_python("looks at each batch from the process")
def test_pgc_5_many_lots_go_in_small_batches_each_committed(bank: Bank) -> None:
    """PGC-5"""
    lots = [bank.lot(amount, expires=DEADLINE) for amount in range(1, 41)]
    batches: list[int] = []

    run = bank.run(
        "lots", at="2026-06-16", limits=Limits(rows=7), watch=lambda _, counts: batches.append(counts.picked)
    )

    assert (run.state, run.total.picked, run.total.also) == ("succeeded", 40, {"entries": 40})
    assert len(batches) > 1
    assert set(bank.left().values()) == {0}
    assert len(lots) == len(bank.entries("expiry"))


def test_pgc_6_a_lot_whose_entries_came_to_less_than_nothing_is_left_alone(bank: Bank) -> None:
    """PGC-6: it is no balance to expire; the audit names it."""
    lot = bank.lot(10, expires=DEADLINE)
    bank.add(bank.own.entries, lot_id=lot, type="expiry", amount=-15, last_id=1, created_at=at("2026-06-02"))

    run = bank.run("lots", at="2026-06-16")

    assert (run.total, bank.left()) == (Counts(), {lot: -5})
    assert [(found.rule, found.subject) for found in bank.violations()] == [("negative", f"{lot}")]


def test_pgc_6_the_same_balance_is_never_written_off_twice(bank: Bank) -> None:
    """PGC-6: the database refuses it, also to whom does not lock the lot."""
    lot = bank.lot(500, expires=DEADLINE)
    bank.run("lots", at="2026-06-16")
    entries = bank.own.entries.c
    counted = bank.rows(select(entries.last_id).where(entries.type == "expiry"))[0][0]

    with pytest.raises(IntegrityError):
        bank.add(
            bank.own.entries,
            lot_id=lot,
            type="expiry",
            amount=-500,
            last_id=counted,
            created_at=at("2026-06-16"),
        )
