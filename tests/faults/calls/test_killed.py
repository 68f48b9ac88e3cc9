"""kill -9 at every step of claim, call and record (P6): at least once, with one key, attempts right, nothing twice."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine

from sexton.testing import run_job
from tests.support.database_checks import let_leases_end
from tests.support.mortal_calls import (
    HEARTBEAT_STEPS,
    STATEMENT,
    STEPS,
    Receiver,
    assert_called_as_promised,
    call_until_death,
    make_witnesses,
    payment_calls,
)
from tests.support.payments import DAY, MINUTE, Payments, make_payments
from tests.support.sessions import NOON
from tests.support.workers import Start

ROUNDS = 50
"""Of each kind; over both databases and both places of the claim, 200."""

CALLED = STEPS.index("call has arrived")


def let_all_end(shop: Payments) -> None:
    """As if the dead had been dead for long."""
    let_leases_end(shop.engine)
    shop.let_claims_end()


@pytest.fixture(params=["ours", "whole"])
def shop(request: pytest.FixtureRequest, engine: Engine) -> Payments:
    made = make_payments(engine, request.param)
    make_witnesses(made)
    return made


@pytest.mark.parametrize("step", STEPS)
def test_p6_killed_once_at_each_step(shop: Payments, database: str, tmp_path: Path, start: Start, step: str) -> None:
    ids = shop.add(1)
    receiver = Receiver(tmp_path / "received")

    child = start(call_until_death, database, shop.kept, str(receiver.file), NOON, step, 1)
    assert child.wait() == -signal.SIGKILL, child.output + child.errors
    let_all_end(shop)
    run = run_job(shop.engine, payment_calls(shop, receiver), at=NOON + MINUTE)

    place = STEPS.index(step)
    before = int(place >= CALLED)  # it had come in, when the process died
    again = int(step != "record is committed")
    assert run.state == "succeeded"
    assert run.total.picked == again
    attempts = [number for _, _, number in receiver.noted()]
    second = 1 if step in ("claim begins", "claim is written", "claim commits") else 2
    assert attempts == [1] * before + [second] * again
    assert_called_as_promised(shop, ids, receiver)


@pytest.mark.parametrize("step", [*HEARTBEAT_STEPS, "record begins"])
def test_p6_killed_around_a_heartbeat_the_claim_ends_as_it_was_extended_last(
    shop: Payments, database: str, tmp_path: Path, start: Start, step: str
) -> None:
    """A claim stands for 3.5 minutes, extended for a third more of that; until then nobody else calls for the row."""
    ids = shop.add(1)
    receiver = Receiver(tmp_path / "received")
    plain, extended = timedelta(seconds=210), timedelta(seconds=280)

    before = shop.now()
    child = start(call_until_death, database, shop.kept, str(receiver.file), NOON, step, 1, alive=True)
    assert child.wait() == -signal.SIGKILL, child.output + child.errors
    until, after = shop.leased_until(1), shop.now()
    let_leases_end(shop.engine)
    early = run_job(shop.engine, payment_calls(shop, receiver, alive=True), at=NOON + MINUTE)
    let_all_end(shop)
    run = run_job(shop.engine, payment_calls(shop, receiver, alive=True), at=NOON + MINUTE)

    counts = plain if step in HEARTBEAT_STEPS[:-1] else extended
    assert before + counts <= until <= after + counts
    assert (early.total.picked, run.total.picked) == (0, 1)
    assert receiver.noted() == [(1, "payment:1", 1), (1, "payment:1", 2)]
    assert_called_as_promised(shop, ids, receiver)


@pytest.mark.slow
def test_p6_killed_fifty_times(shop: Payments, database: str, tmp_path: Path, start: Start, chance: Random) -> None:
    receiver = Receiver(tmp_path / "received")
    ids: list[int] = []
    at = NOON
    kills = 0

    while kills < ROUNDS:
        ids += shop.add(3, start=len(ids) + 1)
        at += timedelta(minutes=2)
        let_all_end(shop)
        step = chance.choice([*STEPS, STATEMENT])
        number = chance.randint(1, 60 if step == STATEMENT else 6)
        child = start(call_until_death, database, shop.kept, str(receiver.file), at, step, number)
        code = child.wait()
        assert code in (-signal.SIGKILL, 0), child.output + child.errors
        kills += code != 0
    let_all_end(shop)
    runs = [run_job(shop.engine, payment_calls(shop, receiver), at=at + days * DAY) for days in (1, 2, 3)]

    assert [run.state for run in runs] == ["succeeded"] * 3
    assert_called_as_promised(shop, ids, receiver)
