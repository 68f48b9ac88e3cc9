"""Random spends, refunds, expiries, cancels and kills: the ledger goes as a plain model says, and its books balance."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from sexton.packs.ledger.spending import NotEnough, OperationTooLate
from sexton.testing.processes import wait_until
from tests.support.accounts import Bank
from tests.support.market import at
from tests.support.patience import PATIENCE
from tests.support.tellers import ACCOUNTS, STEP, Teller, tell, time_of
from tests.support.workers import Start, Worker

END_OF_TIME = at("2200-01-01")
GRACE = timedelta(days=30)


@dataclass
class ModelOperation:
    """holds: (lot, amount), lots that end first first."""

    until: datetime
    holds: list[tuple[int, int]]
    status: str = "open"
    refunded: int = 0


@dataclass
class Model:
    """The rules in plain Python: what is left of each lot, until when it is good, and the operations."""

    left: dict[int, int] = field(default_factory=dict)
    until: dict[int, datetime] = field(default_factory=dict)
    operations: dict[int, ModelOperation] = field(default_factory=dict)

    def grant(self, amount: int, until: datetime) -> None:
        """A lot."""
        number = len(self.left) + 1
        self.left[number], self.until[number] = amount, until

    def open(self, amount: int, now: datetime, until: datetime) -> None:
        """NotEnough, or it is held."""
        lots = sorted((lot for lot in self.left if self.until[lot] >= now), key=lambda lot: (self.until[lot], lot))
        if sum(self.left[lot] for lot in lots) < amount:
            raise NotEnough
        holds = []
        for lot in lots:
            if part := min(self.left[lot], amount):
                holds.append((lot, part))
                self.left[lot] -= part
                amount -= part
        self.operations[len(self.operations) + 1] = ModelOperation(until, holds)

    def complete(self, number: int, now: datetime) -> None:
        """OperationTooLate, or it is spent."""
        operation = self.operations[number]
        if operation.status == "completed":
            return
        if operation.status != "open" or operation.until < now:
            raise OperationTooLate
        operation.status = "completed"

    def cancel(self, number: int, now: datetime) -> None:
        """OperationTooLate, or what it holds goes back."""
        operation = self.operations[number]
        if operation.status == "cancelled":
            return
        if operation.status != "open":
            raise OperationTooLate
        self.give_back(operation, now, "cancelled")

    def give_back(self, operation: ModelOperation, now: datetime, status: str) -> None:
        """Into lots that are good; into others nothing."""
        operation.status = status
        for lot, amount in operation.holds:
            self.left[lot] += amount if self.until[lot] >= now else 0

    def refund(self, number: int, amount: int, now: datetime) -> None:
        """NotEnough, or unit after unit goes back, lots that end last first."""
        operation = self.operations[number]
        units = [lot for lot, held in sorted(operation.holds, key=lambda hold: self.last(hold[0])) for _ in range(held)]
        chosen = units[operation.refunded : operation.refunded + amount]
        if operation.status != "completed" or len(chosen) < amount:
            raise NotEnough
        operation.refunded += amount
        gone = [lot for lot in chosen if self.until[lot] < now]
        for lot in chosen:
            self.left[lot] += self.until[lot] >= now
        if gone:
            self.grant(len(gone), now + GRACE)

    def last(self, lot: int) -> tuple[timedelta, int]:
        """Sorts lots that end last first."""
        return END_OF_TIME - self.until[lot], -lot

    def clean_operations(self, now: datetime) -> None:
        """The job."""
        for operation in self.operations.values():
            if operation.status == "open" and operation.until < now:
                self.give_back(operation, now, "expired")

    def expire_lots(self, now: datetime) -> None:
        """The job."""
        for lot, until in self.until.items():
            if until < now:
                self.left[lot] = 0


def same(real: Callable[[], object], model: Callable[[], object]) -> None:
    """Both do it, or both refuse it."""
    said: list[type[Exception] | None] = []
    for one in (real, model):
        try:
            one()
        except (NotEnough, OperationTooLate) as refused:
            said.append(type(refused))
        else:
            said.append(None)
    assert said[0] is said[1]


def do_both(bank: Bank, model: Model, chance: random.Random, deed: int) -> None:
    """One random deed, at its time."""
    now = time_of(deed)
    kind = chance.choice(["grant", "open", "open", "open", "complete", "complete", "cancel", "refund", "jobs"])
    number = chance.randint(max(1, len(model.operations) - 8), max(1, len(model.operations)))
    until = now + chance.randint(0, 30) * STEP
    amount = chance.randint(1, 120)
    if kind == "grant":
        ends = chance.choice([None, until])
        bank.lot(amount * 3, expires=ends, given=now)
        model.grant(amount * 3, ends or END_OF_TIME)
    elif kind == "open":
        same(lambda: bank.open(amount, when=now, expires=until), lambda: model.open(amount, now, until))
    elif kind == "jobs":
        assert {bank.run(name, at=now).state for name in ("operations", "lots")} == {"succeeded"}
        model.clean_operations(now)
        model.expire_lots(now)
    elif number in model.operations and kind == "complete":
        same(lambda: bank.complete(number, when=now), lambda: model.complete(number, now))
    elif number in model.operations and kind == "cancel":
        same(lambda: bank.cancel(number, when=now), lambda: model.cancel(number, now))
    elif number in model.operations and model.operations[number].status == "completed":
        some = amount // 4 + 1
        same(lambda: bank.refund(number, some, when=now), lambda: model.refund(number, some, now))


@pytest.mark.parametrize("deeds", [300, pytest.param(3000, marks=pytest.mark.slow)])
def test_pgc_6_the_ledger_goes_as_a_plain_model_says(bank: Bank, chance: random.Random, deeds: int) -> None:
    """PGC-6: which calls are refused, what is left of each lot, the states of operations; and the books balance."""
    model = Model()
    for deed in range(deeds):
        do_both(bank, model, chance, deed)
        if deed % 25 == 0:
            assert bank.left() == model.left

    assert bank.left() == model.left
    assert bank.operations() == {number: operation.status for number, operation in model.operations.items()}
    assert {operation.status for operation in model.operations.values()} == {
        "open",
        "completed",
        "cancelled",
        "expired",
    }
    assert any(operation.refunded for operation in model.operations.values())
    assert (bank.violations(), bank.poison()) == ([], [])


def check_books(bank: Bank, deed: int) -> None:
    """Once the jobs have come by: nothing wrong, no lot past its time has anything left, every hold came back once."""
    end = time_of(deed) + timedelta(days=2)
    for name in ("operations", "lots"):
        assert wait_until(lambda name=name: bank.run(name, at=end).state == "succeeded", PATIENCE)  # type: ignore[misc]
    lots, operations = bank.own.lots.c, bank.own.operations.c
    left = bank.left()
    expired = [row[0] for row in bank.rows(select(lots.id).where(lots.expires_at < end))]
    ended = select(func.count()).select_from(bank.own.holds).join(bank.own.operations)
    ended = ended.where(operations.status.in_(["cancelled", "expired"]))

    assert (bank.violations(), bank.poison()) == ([], [])
    assert min(left.values()) >= 0
    assert {left[lot] for lot in expired} == {0}
    assert sum(left.values()) == sum(bank.balance(account, when=end) for account in ACCOUNTS)
    assert bank.rows(ended)[0][0] == len(bank.entries("release")) > 0


def test_pgc_6_the_books_balance_after_random_deeds(bank: Bank, chance: random.Random) -> None:
    """PGC-6: the deeds of the tellers below, in this process."""
    teller = Teller(bank, chance)
    for deed in range(250):
        teller.do(deed)

    check_books(bank, 250)


@pytest.mark.slow
@pytest.mark.databases("postgres18")
def test_pgc_6_the_books_balance_after_ten_thousand_deeds_and_kills(
    bank: Bank, chance: random.Random, start: Start
) -> None:
    """PGC-6: two processes at once, each killed in the middle of whatever it does, again and again."""
    done, kills = do_and_kill(bank, chance, start, 8_500)

    check_books(bank, done)
    expired = list(bank.operations().values()).count("expired") + len(bank.entries("expiry"))
    assert (done + expired >= 10_000, kills >= 15) == (True, True)


@pytest.mark.slow
@pytest.mark.databases("sqlite", "postgres15")
def test_pgc_6_the_books_balance_after_kills_on_every_kind_of_database(
    bank: Bank, chance: random.Random, start: Start
) -> None:
    """PGC-6: fewer deeds show what differs between databases."""
    done, kills = do_and_kill(bank, chance, start, 1_500)

    check_books(bank, done)
    assert kills >= 15


def do_and_kill(bank: Bank, chance: random.Random, start: Start, deeds: int) -> tuple[int, int]:
    """Two tellers at once until so much is done, the killed one replaced at once; deeds done, and kills."""
    url = bank.engine.url.render_as_string(hide_password=False)
    done = kills = 0
    working: list[tuple[Worker, int]] = []
    while done < deeds or working:
        while done < deeds and len(working) < 2:
            teller = start(tell, url, f"{chance.random()}", done, 10 * deeds)
            working.append((teller, chance.randint(deeds // 100, deeds // 12)))
        for teller, wanted in list(working):
            assert teller.runs, f"a teller has ended by itself: {teller.errors}"
            if teller.output.count("\n") >= wanted:
                teller.kill()
                kills += 1
                done += teller.output.count("\n")
                working.remove((teller, wanted))
        time.sleep(0.01)
    return done, kills
