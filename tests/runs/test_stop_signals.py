"""The wish to end: who may ask, what waiting on it means, and that signals may come at any instant."""

from __future__ import annotations

import os
import signal
import threading
import time
from select import select
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from sexton import Job, Run
from sexton.errors import Stopped
from sexton.runs.stop_signals import Stop, on_signals
from sexton.testing import run_job
from tests.support.database_checks import is_free
from tests.support.patience import PATIENCE
from tests.support.workers import Start


def waiting(stop: Stop, count: int = 1) -> tuple[list[threading.Thread], list[bool]]:
    """Threads that wait for an hour, and what they are told: whoever is not woken is still there when a test ends."""
    woken: list[bool] = []
    threads = [threading.Thread(target=lambda: woken.append(stop.wait(3600)), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, woken


def test_nobody_has_asked() -> None:
    stop = Stop()

    assert not stop.asked
    assert stop.reason == ""
    assert not stop.wait(0)


def test_the_first_reason_stays() -> None:
    stop = Stop()

    stop.ask("stopped by SIGTERM")
    stop.ask("stopped by SIGHUP")

    assert stop.asked
    assert stop.reason == "stopped by SIGTERM"


def test_ctrl_c_that_ends_a_function_is_the_reason_though_another_signal_came_before() -> None:
    """A terminal gives Ctrl-C to `run --due` and its executor, and the one may hand on its SIGTERM first."""
    stop = Stop()

    def work() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(PATIENCE)

    with on_signals(stop, silent=True), pytest.raises(Stopped, match="stopped by SIGINT"):
        stop.interrupting(work)


def test_waiting_ends_as_soon_as_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()

    def wait_and_tell(*arguments: Any) -> Any:
        begun.set()
        return select(*arguments)

    monkeypatch.setattr("sexton.runs.stop_signals.select", SimpleNamespace(select=wait_and_tell))
    stop = Stop()
    (thread,), woken = waiting(stop)

    assert begun.wait(PATIENCE)
    stop.ask("enough")
    thread.join(PATIENCE)

    assert woken == [True]


def test_waiting_lasts_as_long_as_it_should_and_no_longer() -> None:
    began = time.monotonic()

    assert not Stop().wait(0.05)
    assert 0.04 < time.monotonic() - began < PATIENCE


def test_once_asked_every_wait_returns_at_once() -> None:
    stop = Stop()
    stop.ask("enough")

    for _ in range(2):
        (thread,), woken = waiting(stop)
        thread.join(PATIENCE)
        assert woken == [True]


def test_all_who_wait_are_woken() -> None:
    stop = Stop()
    threads, woken = waiting(stop, 3)

    stop.ask("enough")
    for thread in threads:
        thread.join(PATIENCE)

    assert woken == [True, True, True]


def test_outside_the_main_thread_nothing_is_changed() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def look() -> None:
        with on_signals(Stop()):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()

    assert seen == [before]


def test_signals_that_come_while_it_waits_never_lock_it_up(start: Start) -> None:
    """P8: a handler runs between two instructions of the main thread, also of those inside `wait`."""
    worker = start(wait_under_fire)
    worker.wait_for("waiting")

    for _ in range(300):
        if worker.runs:
            worker.send(signal.SIGTERM)

    assert worker.wait() == 0
    assert worker.output.split() == ["waiting", "through"]


def wait_under_fire() -> int:
    """A child that waits over and over while signals rain down."""
    stop = Stop()
    with on_signals(stop):
        print("waiting", flush=True)
        ends = time.monotonic() + 0.3
        while time.monotonic() < ends:
            stop.wait(0.00001)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("through", flush=True)
        os._exit(0)


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("tidy", [False, True])
def test_ctrl_c_inside_the_library_ends_a_run_as_ctrl_c_does(tidy: bool, engine: Engine) -> None:
    """The library then gives the connection up, and whoever asks it once more is told that, not of the interruption."""
    stop = Stop()

    def press(*_: object) -> None:
        event.remove(engine, "do_execute", press)
        os.kill(os.getpid(), signal.SIGINT)

    def work(run: Run) -> None:
        with run.transaction() as connection:
            event.listen(engine, "do_execute", press)
            try:
                connection.execute(text("SELECT 1"))
            finally:
                if tidy:
                    connection.execute(text("SELECT 2"))

    with on_signals(stop):
        outcome = run_job(engine, Job("shop.odd", work=work), stop=stop)

    assert (outcome.state, outcome.error) == ("cancelled", "stopped by SIGINT")
    assert is_free(engine, "shop.odd")
