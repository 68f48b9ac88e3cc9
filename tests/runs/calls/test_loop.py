"""The loop: concurrency, fairness, hard ends, stopping, batches, keys of all kinds, several processes, dry runs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Engine, MetaData, Table, Text, insert, select

from sexton import Again, Attempt, Call, CallOutcome, Done, Down, Job, PolicyError, UtcDateTime, text_key
from sexton.db.column_types import BigKey
from sexton.runs.calls.listed_calls import open_calls
from sexton.runs.context import Limits
from sexton.runs.runner import planned
from sexton.runs.stop_signals import Stop
from sexton.testing import preview_job, run_job
from tests.support.database_checks import lease_row, let_leases_end
from tests.support.mortal_calls import Receiver, assert_called_as_promised, call_until_death, make_witnesses
from tests.support.pace import UNHURRIED
from tests.support.patience import PATIENCE
from tests.support.payments import DAY, HOUR, JOB, PAID, Payments, Script, make_payments
from tests.support.sessions import NOON
from tests.support.workers import Gate, Start


@pytest.fixture
def let_go() -> Iterator[threading.Event]:
    """Calls that hang wait for it; it comes at the end of the test at the latest."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def small(engine: Engine) -> Payments:
    """A shop that keeps nothing itself, for what does not depend on who keeps what."""
    return make_payments(engine)


class Crowd:
    """Counts who is under way at once."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self._lock = threading.Lock()

    def enter(self, name: str) -> None:
        """One more."""
        with self._lock:
            self.now[name] += 1
            self.most[name] = max(self.most[name], self.now[name])

    def leave(self, name: str) -> None:
        """One less."""
        with self._lock:
            self.now[name] -= 1


def test_so_many_calls_are_made_at_once_and_never_more(small: Payments) -> None:
    small.add(12)
    crowd, together = Crowd(), threading.Barrier(3)

    def call(_: Attempt) -> Done:
        crowd.enter("all")
        together.wait(PATIENCE)  # three at once come through, two never would
        crowd.leave("all")
        return Done(PAID)

    run = small.run(call, concurrency=3)

    assert run.total.changed == 12
    assert crowd.most["all"] == 3


@pytest.mark.slow
def test_w8_one_destination_with_ten_thousand_rows_that_hangs_leaves_the_others_their_turn(
    small: Payments, let_go: threading.Event
) -> None:
    """W8: two calls hang; all others are made, and let the two go on."""
    small.add(10_000, shop="slow")
    names = [f"shop {number}" for number in range(30)]
    for place, name in enumerate(names):
        small.add(1, start=20_000 + place, shop=name)
    crowd, others = Crowd(), threading.Semaphore(0)

    def call(attempt: Attempt) -> CallOutcome:
        crowd.enter(attempt.destination)
        if attempt.destination == "slow":
            if not let_go.is_set():
                for _ in names:
                    assert others.acquire(timeout=PATIENCE)
            let_go.set()
            crowd.leave(attempt.destination)
            return Down("it hung")
        others.release(2)
        return Done(PAID)

    run = small.run(call, destination=small.table.c.shop, concurrency=4, timeout="3m", job_timeout="1h")

    assert crowd.most["slow"] <= 2
    assert run.total.also["done"] == 30
    assert {small.statuses()[20_000 + place] for place in range(30)} == {"paid"}


def test_one_that_hangs_is_let_go_and_the_other_99_have_their_call(small: Payments, let_go: threading.Event) -> None:
    """G2: it never ends by itself; the run does, and nobody waits for it longer than one call may take."""
    small.add(100)

    def call(attempt: Attempt) -> Done:
        if attempt.row.id == 1:
            let_go.wait()
        return Done(PAID)

    run = small.run(call, timeout="1s")

    assert (run.state, run.total.changed) == ("succeeded", 99)
    assert run.total.also == {"done": 99, "overdue": 1}
    assert small.of(1).state == "claimed"


def test_a_row_that_was_let_go_is_called_again_once_its_claim_ends(small: Payments, let_go: threading.Event) -> None:
    small.add(1)
    gateway = Script({1: [lambda _: let_go.wait() and Done(PAID), Done(PAID)]})

    small.run(gateway, timeout="1s")
    still = small.run(gateway, at=NOON + HOUR, timeout="1s")
    small.let_claims_end()
    small.run(gateway, at=NOON + HOUR, timeout="1s")

    assert still.total.picked == 0  # by the database's clock the claim stands, whatever the run's time
    assert gateway.made == [(1, "payment:1", 1), (1, "payment:1", 2)]
    assert gateway.uncertain == [1]
    assert small.statuses() == {1: "paid"}


def test_calls_that_cannot_be_ended_end_the_run_before_they_are_too_many(
    small: Payments, let_go: threading.Event
) -> None:
    small.add(20)

    run = small.run(lambda _: let_go.wait() and Done(PAID), timeout="1s", concurrency=2, job_timeout="1h")

    assert run.state == "failed"
    assert "4 calls went on past 1 s and cannot be ended" in (run.error or "")
    assert run.total.picked == 4


def test_as_many_as_may_be_made_at_once_hang_and_the_others_have_their_call(
    small: Payments, let_go: threading.Event
) -> None:
    small.add(20)

    def call(attempt: Attempt) -> Done:
        if attempt.row.id in (1, 2):
            let_go.wait()
        return Done(PAID)

    run = small.run(call, timeout="1s", concurrency=2)

    assert run.total.also == {"done": 18, "overdue": 2}


def test_those_under_way_are_recorded_when_the_run_is_asked_to_stop(small: Payments) -> None:
    """SIGTERM: nothing new begins, the function is told, what it answers is kept."""
    small.add(10)
    stop = Stop()

    def call(attempt: Attempt) -> Done:
        stop.ask("stopped by SIGTERM")
        while not attempt.cancelled:
            time.sleep(0.001)
        return Done(PAID)

    run = small.run(call, concurrency=2, timeout="3m", job_timeout="1h", running={"stop": stop})

    assert run.state == "cancelled"
    assert 1 <= run.total.changed == run.total.picked <= 2
    assert small.claimed() == 0


def test_no_call_begins_that_could_not_end_within_the_run(small: Payments) -> None:
    small.add(3)

    with pytest.raises(PolicyError, match=r"one call may take 10 s"):
        small.run(Script(), job_timeout="15s")


def test_a_dry_run_calls_nobody_and_predicts_who_is_called(shop: Payments) -> None:
    shop.add(2)
    shop.run(Script({1: [Again("not yet")]}), retry=["1d"])
    shop.add(2, start=3)
    shop.add(1, start=5, status="cancelled")
    gateway = Script()

    foreseen = preview_job(shop.engine, shop.job(gateway), at=NOON + HOUR)
    made = list(gateway.made)
    run = shop.run(gateway, at=NOON + HOUR)

    assert made == []
    assert foreseen.total.picked == run.total.picked == 2
    assert gateway.ids == [3, 4]


def test_rows_that_name_nobody_are_neither_foreseen_nor_called_and_say_so(shop: Payments) -> None:
    for number, name in enumerate((None, "", "gateway"), 1):
        shop.add(1, start=number, shop=name)
    job = shop.job(Script(), destination=shop.table.c.shop)

    foreseen = preview_job(shop.engine, job, at=NOON)
    run = run_job(shop.engine, job, at=NOON)
    with shop.engine.connect() as connection:
        listed = open_calls(connection, job.name, planned(job)[0], 9)

    assert foreseen.total.picked == run.total.picked == 1
    assert [(one.subject, one.why) for one in listed] == [
        ("1", "its destination is empty: nobody to call"),
        ("2", "its destination is empty: nobody to call"),
    ]


def test_two_processes_call_for_each_row_once(small: Payments, database: str, tmp_path: Path, start: Start) -> None:
    """The second waits for no lease here: it takes over in the middle, again and again, as if the first had frozen."""
    make_witnesses(small)
    ids = small.add(40)
    receiver = Receiver(tmp_path / "received")
    gate = Gate()
    arguments = (database, small.kept, str(receiver.file), NOON, "never", 1)

    children = [start(call_until_death, *arguments, gate=gate) for _ in range(2)]
    gate.open()
    while any(child.runs for child in children):
        let_leases_end(small.engine)
    codes = sorted(child.wait() for child in children)
    let_leases_end(small.engine)
    last = start(call_until_death, database, small.kept, str(receiver.file), NOON + HOUR, "never", 1)

    assert last.wait() == 0, last.errors
    assert codes[0] == 0 or 75 in codes
    assert_called_as_promised(small, ids, receiver)
    calls = Counter((one, number) for one, _, number in receiver.noted())
    assert set(calls.values()) == {1}


BATCHES: dict[str, Any] = {
    "a list": lambda calls: [Done(PAID) for _ in calls],
    "a tuple": lambda calls: tuple(Done(PAID) for _ in calls),
    "a generator": lambda calls: (Done(PAID) for _ in calls),
    "too many": lambda calls: [Done(PAID) for _ in calls] * 2,
}


@pytest.mark.parametrize("function", BATCHES.values(), ids=BATCHES)
def test_a_batch_gets_an_outcome_for_each(shop: Payments, function: Any) -> None:
    shop.add(11)

    run = shop.run(function, batch=4, concurrency=1)

    assert (run.total.picked, run.total.changed) == (11, 11)
    assert set(shop.statuses().values()) == {"paid"}


def failing_generator(calls: Sequence[Attempt]) -> Iterator[CallOutcome]:
    """Two go well, the third one raises."""
    yield Done(PAID)
    yield Done(PAID)
    raise RuntimeError("cut")


def ending_generator(calls: Sequence[Attempt]) -> Iterator[CallOutcome]:
    """Two go well, and no word about the others."""
    yield Done(PAID)
    yield Done(PAID)


def failing_list(calls: Sequence[Attempt]) -> list[CallOutcome]:
    """Nobody knows how far it came."""
    raise RuntimeError("cut")


def short_list(calls: Sequence[Attempt]) -> list[CallOutcome]:
    """Nothing about the last two."""
    return [Done(PAID)] * (len(calls) - 2)


@pytest.mark.parametrize(
    ("function", "paid", "attempts"),
    [
        (failing_generator, 2, [1, 0]),  # of the last one nothing had begun
        (ending_generator, 2, [0, 0]),
        (failing_list, 0, [1, 1, 1, 1]),
        (short_list, 2, [1, 1]),
        (lambda calls: None, 0, [1, 1, 1, 1]),
    ],
    ids=["generator that raises", "generator that ends", "list that raises", "short list", "no list"],
)
def test_a_batch_that_ends_too_soon(shop: Payments, function: Any, paid: int, attempts: list[int]) -> None:
    shop.add(4)

    shop.run(function, batch=4, concurrency=1, retry=["1h"])

    assert list(shop.statuses().values()) == ["paid"] * paid + ["pending"] * (4 - paid)
    assert [shop.of(one).attempts for one in range(paid + 1, 5)] == attempts
    assert {shop.of(one).state for one in range(paid + 1, 5)} == {"waiting"}
    assert shop.claimed() == 0


def test_more_rows_in_one_claim_than_a_statement_of_sqlite_has_parameters(small: Payments) -> None:
    small.add(4000)

    run = small.run(lambda calls: [Done(PAID) for _ in calls], batch=2000, concurrency=2)

    assert run.total.changed == 4000
    assert small.rows_of_calls() == {}


def test_composite_and_text_keys(engine: Engine) -> None:
    """Also with commas, quotes, tildes and spaces in them."""
    metadata = MetaData()
    table = Table(
        "parcels",
        metadata,
        Column("shop", Text, primary_key=True),
        Column("number", BigKey, primary_key=True),
        Column("status", Text, nullable=False),
        Column("made_at", UtcDateTime, nullable=False),
    )
    metadata.create_all(engine)
    keys = [("a", 1), ("a", 2), ("a,2", 1), ("~a", 1), ("o'b", 1), ("", 1), ("ü \\ %", 1)]
    with engine.begin() as connection:
        rows = [{"shop": shop, "number": number, "status": "new", "made_at": NOON - HOUR} for shop, number in keys]
        connection.execute(insert(table), rows)
    seen: list[tuple[str, int]] = []

    def call(attempt: Attempt) -> CallOutcome:
        again = (attempt.row.shop, attempt.row.number) not in seen
        seen.append((attempt.row.shop, attempt.row.number))
        return Again("not yet") if again else Done({"status": "sent"})

    key = text_key("parcel", table.c.shop, table.c.number)
    work = Call(table, by=table.c.made_at, call=call, key=key, when=table.c.status == "new", retry=["1h"], jitter=0.0)
    job = Job("shop.send_parcels", work=work, guard=None)
    for at in (NOON, NOON + DAY):
        run_job(engine, job, at=at)

    assert sorted(seen) == sorted([*keys, *keys])
    with engine.connect() as connection:
        assert set(connection.execute(select(table.c.status)).scalars()) == {"sent"}


def test_leases_are_judged_by_the_database_and_what_is_due_by_the_run(small: Payments) -> None:
    """A run at another time, as `--now` makes one, takes nobody's row."""
    small.add(1)
    inner: list[int] = []

    def call(_: Attempt) -> Done:
        let_leases_end(small.engine)
        inner.append(small.run(Script(), at=NOON + 30 * DAY).total.picked)
        return Done(PAID)

    small.run(call)

    assert inner == [0]
    assert small.statuses() == {1: "paid"}


def test_a_run_keeps_its_lease_while_a_call_takes_long(small: Payments) -> None:
    """The call ends once the lease has been renewed; if it never were, this would never end."""
    small.add(1)

    def call(_: Attempt) -> Done:
        first = lease_row(small.engine, f"job:{JOB}")
        end = time.monotonic() + PATIENCE
        while lease_row(small.engine, f"job:{JOB}") == first:
            assert time.monotonic() < end
            time.sleep(0.01)
        return Done(PAID)

    limits = Limits(lease=UNHURRIED.lease, renew=0.01, statement=PATIENCE)
    run = small.run(call, timeout="5m", job_timeout="1h", running={"limits": limits})

    assert (run.state, run.total.changed) == ("succeeded", 1)


def test_what_a_process_that_died_had_claimed_is_taken_with_all_its_attempts(small: Payments) -> None:
    """A claim whose time is over is free, whoever held it; the horizon counts from the first attempt of all."""
    small.add(2)
    small.run(Script({1: [Again("not yet")], 2: [Again("not yet")]}), retry=["1h"], give_up_after="2h")
    gateway = Script(otherwise=Again("not yet"))

    small.run(gateway, at=NOON + 3 * HOUR, retry=["1h"], give_up_after="2h")

    assert {small.of(one).state for one in (1, 2)} == {"gave_up"}


def test_new_rows_beside_an_old_one_have_their_own_horizon(shop: Payments) -> None:
    shop.add(1)
    shop.run(Script(otherwise=Again("not yet")), retry=["1h"], give_up_after="3h")
    shop.add(3, start=2)

    shop.run(
        lambda calls: [Again("not yet") for _ in calls], at=NOON + 4 * HOUR, retry=["1h"], give_up_after="3h", batch=4
    )

    assert [shop.of(one).state for one in (1, 2, 3, 4)] == ["gave_up", "waiting", "waiting", "waiting"]
