"""The hard end of a call: signs of life move it on, as far as the claims cover it, and whoever is over is told why."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from sexton import Attempt
from sexton.errors import CallCancelled
from sexton.policies.hard_end import HardEnd
from tests.support.pace import Clockwork
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clockwork:
    """Stands still but where a test moves it, at 1000 s first."""
    clock = Clockwork()
    monkeypatch.setattr("sexton.policies.hard_end.time", clock)
    monkeypatch.setattr("sexton.policies.call_rule.time", clock)
    return clock


def attempt(ends: float | HardEnd) -> Attempt:
    row: Any = SimpleNamespace(id=7)
    return Attempt(row, "parcel:7", 1, now=NOON, destination="courier", ends=ends)


class Asked:
    """A call that began at 1000 s, ends at 1010, and has given one sign of life at 1004, in a thread of its own."""

    def __init__(self, clock: Clockwork, **options: Any) -> None:
        self.rung = threading.Event()
        self.raised: list[str] = []
        self.end = HardEnd(1010.0, timeout=10.0, ask=self.rung.set, **options)
        clock.forward(4)
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        assert self.rung.wait(PATIENCE)
        assert self.end.asks

    def _beat(self) -> None:
        try:
            self.end.beat()
        except CallCancelled as error:
            self.raised.append(str(error))

    def wait(self) -> None:
        """Until the sign of life has been answered."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def test_a_function_that_is_tested_without_a_run_may_give_signs_of_life(clock: Clockwork) -> None:
    call = attempt(clock.seconds + 10)

    clock.forward(8)
    call.heartbeat()
    clock.forward(8)

    assert call.left == 2
    assert not call.cancelled


def test_after_the_end_or_a_cancel_it_is_told_so(clock: Clockwork) -> None:
    late, cancelled = attempt(clock.seconds + 10), attempt(clock.seconds + 60)

    clock.forward(10)
    cancelled.cancel()

    assert late.cancelled
    with pytest.raises(CallCancelled, match="its time was over") as silent:
        late.heartbeat()
    with pytest.raises(CallCancelled, match="it was asked to end") as asked:
        cancelled.heartbeat()
    assert (silent.value.late, asked.value.late) == (True, False)


def test_the_first_sign_of_life_asks_the_run_and_those_that_are_covered_do_not(clock: Clockwork) -> None:
    call = Asked(clock)

    call.end.grant(call.end.farthest(clock.seconds, 5))
    call.wait()

    assert (call.raised, call.end.ends, call.end.asks) == ([], 1014, False)
    clock.forward(5)
    call.rung.clear()
    in_thread(call.end.beat)
    assert (call.end.ends, call.rung.is_set()) == (1019, False)


def test_one_that_is_given_in_time_is_answered_first_however_long_the_run_takes(clock: Clockwork) -> None:
    call = Asked(clock)

    clock.forward(56)
    let_go = call.end.expire(clock.seconds)
    call.end.grant(call.end.farthest(clock.seconds, 5))
    call.wait()

    assert not let_go
    assert (call.raised, call.end.ends) == ([], 1070)


def test_it_never_ends_later_than_the_run(clock: Clockwork) -> None:
    call = Asked(clock, limit=1012.0)

    clock.forward(5)
    call.end.grant(call.end.farthest(clock.seconds, 5))
    call.wait()
    in_thread(call.end.beat)

    assert call.end.ends == 1012
    assert call.end.expire(1012)
    with pytest.raises(CallCancelled, match="its time was over") as over:
        in_thread(call.end.beat)
    assert not over.value.late  # it was the run's time


def test_who_waits_for_the_answer_is_told_that_the_call_is_cancelled(clock: Clockwork) -> None:
    call = Asked(clock)

    call.end.cancel("stopped by SIGTERM")
    call.end.cancel("its run is over")
    call.wait()

    assert call.raised == ["stopped by SIGTERM"]
    assert call.end.cancelled
    with pytest.raises(CallCancelled, match="stopped by SIGTERM"):
        in_thread(call.end.beat)


def test_the_thread_that_answers_asks_nobody(clock: Clockwork) -> None:
    """It would wait for itself: what records an answer may hold the attempt."""
    end = HardEnd(1010.0, timeout=10.0, ask=lambda: pytest.fail("it asked"))

    clock.forward(5)
    end.beat()

    assert end.ends == 1010


def in_thread(work: Any) -> None:
    """As the function of a call would do it; raises what it raised."""
    raised: list[BaseException] = []

    def attempted() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=attempted, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    if raised:
        raise raised[0]
