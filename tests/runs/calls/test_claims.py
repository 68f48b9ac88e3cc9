"""Claims: between a look and its claim somebody may be quicker; what a dead process leaves is no licence to charge."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, update

from sexton import Done
from sexton.calls.claims_in_calls import InCalls
from sexton.db.tables import own_tables
from sexton.runs.calls.call_threads import CallThreads
from tests.support.payments import DAY, HOUR, PAID, Payments, Script, make_payments
from tests.support.sessions import NOON


@pytest.mark.databases("postgres")
@pytest.mark.parametrize("given_back", [{"next_at": NOON + DAY, "attempts": 2}, {"next_at": None, "attempts": 2}])
def test_a_claim_that_was_made_and_given_back_since_our_look_counts(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, given_back: dict[str, Any]
) -> None:
    """Its row is not called for ahead of its time, nor with the number of an attempt that was made already."""
    shop = make_payments(engine)
    shop.add(1)
    calls = own_tables("postgresql").calls
    shop.run(Script(otherwise=Done()))
    with engine.begin() as connection:
        connection.execute(update(calls).values(state="waiting", attempts=1, next_at=NOON, closed_at=None))
    real = InCalls.claim
    quicker = [given_back]

    def claim(*arguments: Any) -> set[str]:
        while quicker:
            with engine.begin() as connection:
                connection.execute(update(calls).values(**quicker.pop()))
        return real(*arguments)

    monkeypatch.setattr(InCalls, "claim", claim)
    gateway = Script()
    shop.run(gateway, at=NOON + HOUR)
    at_once = list(gateway.made)
    shop.run(gateway, at=NOON + HOUR)

    assert at_once == []
    due = given_back["next_at"] is None
    assert gateway.made == [(1, "payment:1", 3)] * due
    assert shop.statuses() == {1: "paid" if due else "pending"}


@pytest.mark.parametrize("batch", [1, 2])
def test_charges_that_may_have_been_made_are_left_to_a_person(
    shop: Payments, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """With "stop", also in a batch; those of which nothing had begun are made, and nobody is held to be down."""
    shop.add(3)

    def die(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(CallThreads, "start", die)
        shop.run(Script(), batch=batch, concurrency=1)
    shop.let_claims_end()
    made: list[int] = []

    def charge(given: Any) -> Any:
        attempts = [given] if batch == 1 else given
        made.extend(attempt.row.id for attempt in attempts)
        outcomes = [Done(PAID) for _ in attempts]
        return outcomes[0] if batch == 1 else outcomes

    run = shop.run(charge, batch=batch, concurrency=1, on_unknown="stop")

    lost = list(range(1, batch + 1))
    assert made == [number for number in (1, 2, 3) if number not in lost]
    assert [shop.of(number).state for number in lost] == ["unknown"] * batch
    assert run.state == "partial"
    assert "rests" not in (run.note or "")


def test_a_column_of_the_product_that_is_not_mapped_stays_its_own(shop: Payments) -> None:
    shop.add(1)

    shop.run(Script())

    assert shop.statuses() == {1: "paid"}
    assert shop.row(1).closed_at is None
