"""Calls that say they are alive: they outlast their timeout, their claims stand, and they are told when to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from sexton import Attempt, CallOutcome, Done, Down, PolicyError
from sexton.calls.destinations import health_of
from sexton.calls.health import DestinationHealth
from sexton.errors import CallCancelled
from sexton.runs.calls.extending import Extending
from sexton.runs.stop_signals import Stop
from tests.support.pace import UNHURRIED, Clockwork
from tests.support.patience import PATIENCE
from tests.support.payments import DAY, MINUTE, PAID, STEP, Payments, Script, make_payments
from tests.support.sessions import NOON

TIMED = (
    *("policies.call_rule", "policies.hard_end"),
    *("runs.calls.call_threads", "runs.calls.caller", "runs.calls.extending", "runs.context"),
)
"""Parts that ask how long a call has taken."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clockwork:
    """The clock of this process stands still but where a test moves it; that of the database goes on."""
    clock = Clockwork()
    clock.seconds = time.monotonic()  # a run's deadline is made of the real one
    for part in TIMED:
        monkeypatch.setattr(f"sexton.{part}.time", clock)
    return clock


@pytest.fixture
def extended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many claims each transaction found to extend."""
    found: list[int] = []
    real = Extending.extend

    def extend(*arguments: Any) -> int:
        found.append(real(*arguments))
        return found[-1]

    monkeypatch.setattr(Extending, "extend", extend)
    return found


def run(shop: Payments, call: Any, **options: Any) -> Any:
    """Calls of five minutes at most, in a run of hours whose lease outlasts the test."""
    given = {"timeout": "5m", "job_timeout": "3h", "running": {"limits": UNHURRIED}, **options}
    return shop.run(call, **given)


def test_a_call_outlasts_its_timeout_and_few_signs_of_life_are_written(
    shop: Payments, clock: Clockwork, extended: list[int]
) -> None:
    """A third of its lease is 110 s: of ten minutes with a sign every minute each second one is written."""
    shop.add(1)

    def call(attempt: Attempt) -> Done:
        for _ in range(10):
            clock.forward(60)
            attempt.heartbeat()
            attempt.heartbeat()
            assert attempt.left == pytest.approx(300)
        return Done(PAID)

    done = run(shop, call)

    assert (done.state, done.total.also, shop.statuses()) == ("succeeded", {"done": 1}, {1: "paid"})
    assert extended == [1] * 5


def test_its_claim_stands_past_whatever_it_may_take_from_then_on(shop: Payments, clock: Clockwork) -> None:
    shop.add(1)
    ends: list[datetime] = []
    before: list[datetime] = []

    def call(attempt: Attempt) -> Done:
        for _ in range(2):
            clock.forward(60)
            before.append(shop.now())
            attempt.heartbeat()
            ends.append(shop.leased_until(1))
        return Done(PAID)

    run(shop, call)

    assert ends[0] == ends[1]
    assert ends[0] >= before[0] + timedelta(seconds=300 + 110 + 30)


def test_all_rows_of_a_call_are_extended(shop: Payments, clock: Clockwork, extended: list[int]) -> None:
    shop.add(3)
    ends: list[list[datetime]] = []

    def call(attempts: Sequence[Attempt]) -> list[Done]:
        ends.append([shop.leased_until(number) for number in (1, 2, 3)])
        clock.forward(60)
        attempts[1].heartbeat()
        assert [attempt.left for attempt in attempts] == pytest.approx([300] * 3)
        ends.append([shop.leased_until(number) for number in (1, 2, 3)])
        return [Done(PAID) for _ in attempts]

    done = run(shop, call, batch=3)

    assert (done.total.changed, extended) == (3, [3])
    assert len(set(ends[0])) == len(set(ends[1])) == 1
    assert ends[1][0] > ends[0][0]


def test_one_whose_row_somebody_else_has_by_now_is_told_and_records_nothing(shop: Payments, clock: Clockwork) -> None:
    shop.add(1)
    told: list[str] = []

    def call(attempt: Attempt) -> Done:
        shop.take_claim(1)
        clock.forward(60)
        try:
            attempt.heartbeat()
        except CallCancelled as error:
            told.append(str(error))
            assert attempt.cancelled
            raise
        return Done(PAID)

    done = run(shop, call)

    assert told == ["its rows are no longer its own"]
    assert done.total.also == {"late": 1}
    assert (shop.of(1).claim, shop.statuses()) == ("other", {1: "pending"})


def test_of_several_rows_those_that_are_still_ours_are_called_for(
    shop: Payments, clock: Clockwork, extended: list[int]
) -> None:
    shop.add(3)

    def call(attempts: Sequence[Attempt]) -> list[Done]:
        shop.take_claim(2)
        clock.forward(60)
        attempts[0].heartbeat()
        return [Done(PAID) for _ in attempts]

    done = run(shop, call, batch=3)

    assert extended == [2]
    assert done.total.also == {"done": 2, "late": 1}
    assert shop.statuses() == {1: "paid", 2: "pending", 3: "paid"}


def until_told(attempt: Attempt, end: float) -> CallOutcome:
    """Signs of life until it has to end."""
    while time.monotonic() < end:
        attempt.heartbeat()
        time.sleep(0.001)
    return Done(PAID)


@pytest.mark.parametrize(("on_unknown", "state"), [("again", "waiting"), ("stop", "unknown")])
def test_a_run_that_is_asked_to_stop_tells_its_calls_and_nobody_knows_what_they_did(
    shop: Payments, on_unknown: Any, state: str
) -> None:
    """Whoever was called has no part in it, and is not taken to be down."""
    shop.add(4)
    stop, end = Stop(), time.monotonic() + PATIENCE

    def call(attempt: Attempt) -> CallOutcome:
        stop.ask("stopped by SIGTERM")
        return until_told(attempt, end)

    stopped = run(shop, call, concurrency=4, on_unknown=on_unknown, retry=["1h"], running={"stop": stop})

    made = stopped.total.picked
    assert stopped.state == "cancelled"
    assert {shop.of(one).state for one in range(1, made + 1)} == {state}
    assert {shop.of(one).error for one in range(1, made + 1)} == {"ended before its answer came: stopped by SIGTERM"}
    assert shop.claimed() == 0
    assert "raised" not in (stopped.note or "")
    assert health(shop) == DestinationHealth()
    again = Script()
    run(shop, again, at=NOON + DAY)
    assert again.uncertain == (list(range(1, made + 1)) if state == "waiting" else [])


def test_three_calls_that_are_silent_for_too_long_have_whoever_is_called_rest(shop: Payments, clock: Clockwork) -> None:
    """The other side is slow, whether the run lets go of such a call or the call itself finds that it is late."""
    shop.add(5)

    def call(attempt: Attempt) -> Done:
        clock.forward(301)
        attempt.heartbeat()
        return Done(PAID)

    silent = run(shop, call, concurrency=1, retry=["1h"])

    assert f"{STEP} rests: " in (silent.note or "")
    assert health(shop).rest_until is not None
    assert set(shop.statuses().values()) == {"pending"}


def test_the_end_of_a_run_is_the_end_of_its_calls(shop: Payments, clock: Clockwork) -> None:
    shop.add(1)
    lasted: list[float] = []

    def call(attempt: Attempt) -> Done:
        began = clock.seconds
        try:
            while clock.seconds < began + 4 * 3600:
                clock.forward(60)
                attempt.heartbeat()
        finally:
            lasted.append(clock.seconds - began)
        return Done(PAID)

    ended = run(shop, call, job_timeout="1h")

    assert ended.state == "timed_out"
    assert 3540 <= lasted[0] <= 3660 + PATIENCE
    assert shop.statuses() == {1: "pending"}


def test_a_list_that_is_told_to_end_leaves_all_its_rows_uncertain(shop: Payments) -> None:
    shop.add(3)
    stop, end = Stop(), time.monotonic() + PATIENCE

    def call(attempts: Sequence[Attempt]) -> list[CallOutcome]:
        stop.ask("stopped by SIGTERM")
        return [until_told(attempt, end) for attempt in attempts]

    stopped = run(shop, call, batch=3, retry=["1h"], running={"stop": stop})

    assert stopped.total.also == {"uncertain": 3}


def test_a_generator_that_is_told_to_end_leaves_the_one_in_hand_uncertain_and_gives_others_back(shop: Payments) -> None:
    shop.add(4)
    stop, end = Stop(), time.monotonic() + PATIENCE

    def call(attempts: Sequence[Attempt]) -> Iterator[CallOutcome]:
        yield Done(PAID)
        stop.ask("stopped by SIGTERM")
        for attempt in attempts[1:]:
            yield until_told(attempt, end)

    stopped = run(shop, call, batch=4, retry=["1h"], running={"stop": stop})

    assert stopped.total.also == {"done": 1, "uncertain": 1, "again": 2}
    assert [shop.of(number).attempts for number in (2, 3, 4)] == [1, 0, 0]


def test_threads_of_the_call_may_say_it_all_at_once(shop: Payments, clock: Clockwork, extended: list[int]) -> None:
    shop.add(1)

    def call(attempt: Attempt) -> Done:
        clock.forward(60)
        threads = [threading.Thread(target=attempt.heartbeat, daemon=True) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in threads)
        return Done(PAID)

    done = run(shop, call)

    assert (done.total.also, extended) == ({"done": 1}, [1])


def test_what_is_recorded_may_hold_the_attempt(shop: Payments, clock: Clockwork) -> None:
    """A sign of life in there waits for nobody: the thread that records is the one that answers."""
    shop.add(1)

    def call(attempt: Attempt) -> Done:
        clock.forward(60)
        return Done(PAID, then=lambda _connection: attempt.heartbeat())

    done = run(shop, call)

    assert (done.state, done.total.also) == ("succeeded", {"done": 1})


def test_a_call_that_is_over_is_told_so_whoever_goes_on_with_it(shop: Payments, clock: Clockwork) -> None:
    shop.add(1)
    kept: list[Attempt] = []

    def call(attempt: Attempt) -> Done:
        kept.append(attempt)
        return Done(PAID)

    run(shop, call)

    raised: list[str] = []

    def beat() -> None:
        try:
            kept[0].heartbeat()
        except CallCancelled as error:
            raised.append(str(error))

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert raised == ["it has had its answer"]


def test_the_one_call_that_finds_out_whether_somebody_is_back_may_take_long(small: Payments, clock: Clockwork) -> None:
    """Its probe is its own for as long as its claim: nobody else calls meanwhile."""
    small.add(1)
    run(small, Script({1: [Down("refused")]}))
    until: list[Any] = []

    def call(attempt: Attempt) -> Done:
        until.append(health(small).probe_until)
        clock.forward(60)
        attempt.heartbeat()
        until.append(health(small).probe_until)
        return Done(PAID)

    done = run(small, call, at=NOON + MINUTE)

    assert done.total.also == {"done": 1}
    assert until[1] - until[0] == timedelta(seconds=60 + 110)


@pytest.fixture
def small(engine: Engine) -> Payments:
    """A shop that keeps nothing itself."""
    return make_payments(engine)


@pytest.fixture
def whole(engine: Engine) -> Payments:
    """A shop whose rows keep all of it."""
    return make_payments(engine, "whole")


def health(shop: Payments) -> DestinationHealth:
    """Of whoever is called."""
    with shop.engine.connect() as connection:
        return health_of(connection, [STEP]).get(STEP, DestinationHealth())


class Rival:
    """Holds a row in a transaction of its own; `met` once somebody else had to give up on it."""

    def __init__(self, shop: Payments, number: int) -> None:
        self.met = threading.Event()
        event.listen(shop.engine, "handle_error", lambda _: self.met.set())
        self._connection = shop.engine.connect()
        row = select(shop.table).where(shop.table.c.id == number)
        self._connection.execute(row.with_for_update())

    def go(self) -> None:
        """Let go of it."""
        self._connection.rollback()
        self._connection.close()


@pytest.mark.databases("postgres")
def test_a_row_that_somebody_holds_is_extended_once_he_has_let_go(whole: Payments, extended: list[int]) -> None:
    whole.add(1)

    def call(attempt: Attempt) -> Done:
        rival = Rival(whole, 1)
        beating = threading.Thread(target=attempt.heartbeat, daemon=True)
        beating.start()
        assert rival.met.wait(PATIENCE)
        assert beating.is_alive()
        rival.go()
        beating.join(PATIENCE)
        assert not beating.is_alive()
        return Done(PAID)

    done = run(whole, call)

    assert (done.total.also, extended) == ({"done": 1}, [1])


@pytest.mark.databases("postgres")
def test_a_call_whose_row_stays_locked_is_told_when_its_time_is_over(whole: Payments, clock: Clockwork) -> None:
    whole.add(1)
    told: list[str] = []

    def beat(attempt: Attempt) -> None:
        try:
            attempt.heartbeat()
        except CallCancelled as error:
            told.append(str(error))

    def call(attempt: Attempt) -> Done:
        rival = Rival(whole, 1)
        clock.forward(1)
        beating = threading.Thread(target=beat, args=(attempt,), daemon=True)
        beating.start()
        assert rival.met.wait(PATIENCE)
        clock.forward(300)
        beating.join(PATIENCE)
        rival.go()
        return Done(PAID)

    done = run(whole, call)

    assert told[0].startswith("its claim could not be extended: ")
    assert done.total.also == {"done": 1}  # a late answer for a row that nobody has taken is kept
    assert whole.statuses() == {1: "paid"}


LONGER = "new.leased_until > old.leased_until"

REFUSING = {
    "sqlite": f"CREATE TRIGGER refuse BEFORE UPDATE ON payments WHEN {LONGER} BEGIN SELECT RAISE(ABORT, 'no'); END",
    "postgresql": f"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON payments FOR EACH ROW WHEN ({LONGER}) EXECUTE FUNCTION refuse()
    """,
}
"""A product whose trigger lets nobody move the end of a claim."""


def test_a_claim_that_the_product_lets_nobody_extend_ends_its_call_at_once(whole: Payments) -> None:
    whole.add(1)
    with whole.engine.begin() as connection:
        connection.exec_driver_sql(REFUSING[whole.engine.dialect.name])
    end = time.monotonic() + PATIENCE

    done = run(whole, lambda attempt: until_told(attempt, end), retry=["1h"])

    assert done.total.also == {"uncertain": 1}
    assert "its claim could not be extended" in (whole.of(1).error or "")


@pytest.mark.parametrize("seconds", ["301s", "1h"])
def test_a_timeout_of_more_than_five_minutes_is_refused_and_the_line_says_what_to_do(
    small: Payments, seconds: str
) -> None:
    with pytest.raises(PolicyError, match="is 5m at most; a call that takes longer calls heartbeat"):
        small.call(Script(), timeout=seconds).plan()
    assert small.call(Script(), timeout="5m").plan().call is not None
