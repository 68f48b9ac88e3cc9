"""Who can start runs: some executors, clocks that agree, and a database that lets runs begin."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from sexton.engines.executor import process as executors
from sexton.engines.executor.process import Executor
from sexton.engines.worker import readiness
from sexton.engines.worker.readiness import Readiness
from tests.support.require import program

REFUSAL = "42501: permission denied for table runs"


class Watch:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.seconds


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """The clock by which it judges."""
    watch = Watch()
    monkeypatch.setattr(readiness, "time", watch)
    monkeypatch.setattr(executors, "time", watch)
    return watch


def candidate(said: list[tuple[str, Any]]) -> Readiness:
    """Of a worker with one executor, which is well."""
    executor = Executor(None, None)
    executor.ready = True
    return Readiness([executor], lambda event, reason=None: said.append((event, reason)))


def may_lead(candidate: Readiness) -> bool:
    """Whether it may now, by clocks that agree."""
    return candidate.may_lead(datetime.now(UTC), 0.0)


def test_who_is_let_begin_no_run_makes_room_and_tries_again_later(watch: Watch) -> None:
    """A right that was taken away, no connection left for executors: the worker's own connection is well."""
    said: list[tuple[str, Any]] = []
    worker = candidate(said)
    for _ in range(7):
        worker.was_refused(REFUSAL)
        assert worker.reason == ""
        watch.seconds += 1
    assert not may_lead(worker)
    assert worker.reason == "the database lets no run begin", "for strangers: nothing of what the database said"

    rests = []
    for _ in range(5):  # it tries, is refused, and rests
        began = watch.seconds
        while not may_lead(worker):
            watch.seconds += 1
        rests.append(round(watch.seconds - began))
        worker.was_refused(REFUSAL)
        assert not may_lead(worker)
    worker.has_begun()

    assert may_lead(worker)
    assert rests[1:] == [20, 40, 60, 60]
    assert said == [
        ("cannot start runs", f"the database lets no run begin: {REFUSAL}"),
        ("can start runs again", None),
    ]


def test_a_moment_without_connections_is_no_reason_to_resign(watch: Watch) -> None:
    said: list[tuple[str, Any]] = []
    worker = candidate(said)

    for _ in range(20):
        worker.was_refused(REFUSAL)
        watch.seconds += 0.2

    assert may_lead(worker)
    assert said == []


def test_who_was_refused_and_has_stood_by_since_is_well_again(watch: Watch) -> None:
    worker = candidate([])
    for _ in range(7):
        worker.was_refused(REFUSAL)
        watch.seconds += 1
    assert not may_lead(worker)

    watch.seconds += readiness.FORGOTTEN
    assert may_lead(worker)
    assert worker.reason == ""


def test_an_executor_that_gets_ready_and_dies_again_and_again_is_not_counted_on(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ready for a moment is no sign: its worker would lead and resign with each start."""
    monkeypatch.setattr(sys, "executable", program("false"))
    said: list[tuple[str, Any]] = []
    executor = Executor(None, None)
    worker = Readiness([executor], lambda event, reason=None: said.append((event, reason)))

    for _ in range(8):
        watch.seconds += executors.LONGEST_REST
        executor.start()
        executor.ready = True
        may_lead(worker)
        while executor.alive:
            list(executor.read())
        may_lead(worker)

    assert said == [("cannot start runs", "no executor can be started: its process ended with exit code 1")]
    executor.start()
    executor.ready = True
    watch.seconds += executors.STEADY
    assert may_lead(worker)
    executor.end(60.0)
