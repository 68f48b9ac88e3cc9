"""`ledger.ops_cleanup`: operations past their time are closed, and give back what they hold, once (PGC-6)."""

from __future__ import annotations

import pytest

from sexton import Counts
from tests.support.accounts import Bank
from tests.support.market import at

UNTIL = "2026-06-15 12:00"
TICK_BEFORE, TICK_AFTER = "2026-06-15 11:59:59.999999", "2026-06-15 12:00:00.000001"


@pytest.mark.parametrize(("now", "status"), [(TICK_BEFORE, "open"), (UNTIL, "open"), (TICK_AFTER, "expired")])
def test_pgc_6_an_operation_is_closed_one_tick_after_its_deadline(bank: Bank, now: str, status: str) -> None:
    """PGC-6: the tick up to which it can be completed."""
    bank.lot(500)
    operation = bank.open(100, when="2026-06-15 11:00", expires=UNTIL)

    run = bank.run("operations", at=now)

    assert run.state == "succeeded"
    assert bank.operations() == {operation: status}
    assert bank.balance(when=now) == (500 if status == "expired" else 400)


def test_pgc_6_what_it_held_goes_back_by_an_entry_a_lot_and_twice_finds_nothing(bank: Bank) -> None:
    """PGC-6: the preview says the same; the owner hears of it once."""
    first, second = bank.lot(80, expires="2026-07-01"), bank.lot(500)
    operation = bank.open(100, when="2026-06-15 11:00", expires=UNTIL, account=1)
    bank.open(10, when="2026-06-15 11:30", expires="2026-06-15 13:00")

    predicted = bank.preview("operations", at=TICK_AFTER)
    run = bank.run("operations", at=TICK_AFTER)
    again = bank.run("operations", at=TICK_AFTER)

    assert run.steps == predicted.steps
    assert run.total == Counts(picked=1, changed=1, told=1, also={"entries": 2})
    assert again.total == Counts()
    assert sorted(bank.entries("release")) == [(first, "release", 80), (second, "release", 20)]
    assert bank.left() == {first: 80, second: 490}
    told = [(row.recipient, row.payload["operation_id"]) for row in bank.sent("operation_expired")]
    assert (told, bank.violations()) == ([("1", operation)], [])


@pytest.mark.parametrize(
    ("lot_until", "left"),
    [(TICK_BEFORE, 0), (UNTIL, 0), (TICK_AFTER, 100), ("2026-06-15 12:00:00.000002", 100)],
)
def test_pgc_6_what_is_released_into_a_lot_past_its_time_goes_at_once(bank: Bank, lot_until: str, left: int) -> None:
    """PGC-6: a released hold never revives a lot: two entries of one statement, whatever else the lot has left."""
    lot = bank.lot(100, expires=lot_until)
    operation = bank.open(100, when="2026-06-15 11:00", expires=UNTIL)

    run = bank.run("operations", at=TICK_AFTER)

    gone = [] if left else [(lot, "expiry", -100)]
    assert run.total.also == {"entries": 1 + len(gone)}
    assert bank.entries("release", "expiry") == [(lot, "release", 100), *gone]
    assert bank.left() == {lot: left}
    assert (bank.operations(), bank.violations()) == ({operation: "expired"}, [])


def test_pgc_6_operations_that_ended_otherwise_are_left_alone(bank: Bank) -> None:
    """PGC-6"""
    bank.lot(500)
    completed = bank.open(100, when="2026-06-15 11:00", expires=UNTIL)
    cancelled = bank.open(10, when="2026-06-15 11:00", expires=UNTIL)
    bank.complete(completed, when="2026-06-15 11:01")
    bank.cancel(cancelled, when="2026-06-15 11:01")

    run = bank.run("operations", at="2026-06-16")

    assert run.total == Counts()
    assert bank.operations() == {completed: "completed", cancelled: "cancelled"}
    assert bank.balance(when="2026-06-16") == 400


def test_pgc_6_no_hold_is_released_twice_even_by_hand(bank: Bank) -> None:
    """PGC-6: an operation whose hold came back already is set aside, and no other waits for it."""
    lot = bank.lot(500)
    wrong, right = (bank.open(amount, when="2026-06-15 11:00", expires=UNTIL) for amount in (100, 10))
    by_hand = {"lot_id": lot, "operation_id": wrong, "type": "release", "amount": 100}
    bank.add(bank.own.entries, created_at=at("2026-06-15 11:30"), **by_hand)

    run = bank.run("operations", at="2026-06-16")

    assert (run.state, bank.poison()) == ("partial", [f"{wrong}"])
    assert bank.operations() == {wrong: "open", right: "expired"}
    assert bank.entries("release") == [(lot, "release", 100), (lot, "release", 10)]
    assert [found.rule for found in bank.violations()] == ["leaked", "unbalanced"]


def test_pgc_6_many_operations_of_one_lot_go_in_one_batch_each_once(bank: Bank) -> None:
    """PGC-5, PGC-6"""
    lot = bank.lot(1000, expires=UNTIL)
    for amount in range(1, 31):
        bank.open(amount, when="2026-06-15 11:00", expires="2026-06-15 11:10")

    run = bank.run("operations", at="2026-06-15 11:11")

    assert (run.total.picked, run.total.also) == (30, {"entries": 30})
    assert (bank.left(), bank.violations()) == ({lot: 1000}, [])


def test_pgc_6_keys_in_progress_for_long_are_told_once_and_stay(bank: Bank) -> None:
    """PGC-6: an hour and a tick; one that was taken up again is told again."""
    for name, locked in (("stuck", "2026-06-15 10:59:59.999999"), ("hour", "2026-06-15 11:00"), ("new", UNTIL)):
        bank.key(name, "in_progress", locked=locked)
    bank.key("over", "failed", locked="2026-06-01", finished="2026-06-01")

    first = bank.run("operations", at=UNTIL)
    again = bank.run("operations", at=UNTIL)

    assert (first.steps["stuck"].told, again.steps["stuck"].told) == (1, 0)
    assert [(row.recipient, row.payload["key"]) for row in bank.sent("idempotency_key_stuck")] == [("admin", "stuck")]
    assert bank.keys() == ["hour", "new", "over", "stuck"]
