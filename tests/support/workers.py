"""Processes that tests start, watch, freeze and kill.

    worker = start(run_shop_job, database, "expire")     # calls the function in a process of its own
    worker.wait_for("claimed")                           # a line on its output
    worker.send(signal.SIGTERM)
    assert worker.wait() == 3

`gate = Gate()` lets several begin in the same millisecond: `start(..., gate=gate)`, then `gate.open()`.
`fixtures`: a conftest imports `nursery` and `start` from here.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from .nursery import ENDED, RUNNING, STOPPED, receive, send
from .patience import PATIENCE

ROOT = Path(__file__).parents[2]


class Gate:
    """Children that wait before it begin together when it opens."""

    def __init__(self) -> None:
        self.descriptor, self._writing = os.pipe()

    def open(self) -> None:
        """Let them go. Again does nothing."""
        if self._writing >= 0:
            os.close(self._writing)
            os.close(self.descriptor)
            self._writing = -1


class Worker:
    """One child. Its output is kept in pipes of 64 KB: where it says more, somebody has to wait for it, or `listen`."""

    def __init__(self, nursery: Nursery, pid: int, output: int, errors: int) -> None:
        self.pid = pid
        self.exit_code: int | None = None
        self._nursery = nursery
        self._output, self._errors = output, errors
        self._said = {output: b"", errors: b""}
        for descriptor in self._said:
            os.set_blocking(descriptor, False)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.exit_code is None, "it has ended"
        os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self.wait()

    def freeze(self) -> None:
        """SIGSTOP, and wait until it has stopped."""
        self.send(signal.SIGSTOP)
        self.wait_until_frozen()

    def resume(self) -> None:
        """SIGCONT."""
        self.send(signal.SIGCONT)

    def wait_until_frozen(self) -> None:
        """Wait until a signal has stopped it."""
        state, number = self._await(PATIENCE, stops=True)
        assert state == STOPPED, f"not stopped but {state} ({number}): {self.output} {self.errors}"

    def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for its end; its exit code, negative for a signal. Fails when it does not end."""
        if self.exit_code is None:
            self._await(seconds, stops=False)
        assert self.exit_code is not None, f"still running after {seconds} s: {self.output} {self.errors}"
        return self.exit_code

    def _await(self, seconds: float, *, stops: bool) -> tuple[str, int]:
        """What becomes of it within `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            self.listen()
            state, number = self._look(stops=stops)
            if state != RUNNING or time.monotonic() > deadline:
                return state, number
            time.sleep(0.003)

    def _look(self, *, stops: bool) -> tuple[str, int]:
        """What it does now. Its end is told once, so that is kept, whoever asks."""
        state, number = self._nursery.ask(self.pid, stops=stops)
        if state == ENDED:
            self.exit_code = number
        return state, number

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        if self.exit_code is None:
            self._look(stops=False)
        return self.exit_code is None

    def wait_for(self, text: str) -> None:
        """Wait until it has said `text` on its output."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.output:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._output], [], [], max(left, 0))
            mute = left <= 0 or (bool(ready) and not self._drain(self._output))
            assert not mute, f"never said {text!r}: {self.output} {self.errors}"

    @property
    def output(self) -> str:
        """What it has printed so far."""
        self._drain(self._output)
        return self._said[self._output].decode()

    @property
    def errors(self) -> str:
        """What it has said on standard error so far."""
        self._drain(self._errors)
        return self._said[self._errors].decode()

    def listen(self) -> None:
        """Take what it has said out of its pipes: full ones would hold it."""
        for descriptor in self._said:
            self._drain(descriptor)

    def _drain(self, descriptor: int) -> bool:
        """Read what is there; whether there was anything."""
        before = len(self._said[descriptor])
        try:
            while chunk := os.read(descriptor, 65536):
                self._said[descriptor] += chunk
        except BlockingIOError:
            pass
        return len(self._said[descriptor]) > before

    def close(self) -> None:
        """End it if it still runs, and give its pipes back."""
        if self.runs:
            self.kill()
        os.close(self._output)
        os.close(self._errors)


class Nursery:
    """The warm process of this test process, see `nursery.py`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channel, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.support.nursery", str(theirs.fileno())]
        self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], start_new_session=True)
        theirs.close()

    def start(
        self, function: Callable[..., int | None], *arguments: Any, gate: Gate | None = None, **options: Any
    ) -> Worker:
        """Call a function of a module in a child of its own; what it returns is the exit code (None: 0)."""
        payload = pickle.dumps((function, arguments, options))
        here, there = zip(os.pipe(), os.pipe(), strict=True)
        silence = os.open(os.devnull, os.O_RDONLY) if gate is None else os.dup(gate.descriptor)
        _, pid = self._request(("start", payload), (silence, *there))
        for descriptor in (silence, *there):
            os.close(descriptor)
        return Worker(self, pid, *here)

    def ask(self, pid: int, *, stops: bool) -> tuple[str, int]:
        """What a child does now, or how it has ended."""
        return self._request(("look", (pid, stops)))

    def _request(self, message: Any, descriptors: tuple[int, ...] = ()) -> tuple[str, int]:
        with self._lock:  # threads of a proxy may ask, too
            send(self._channel, message, descriptors)
            received = receive(self._channel)
        assert received is not None, "the nursery is gone"
        state, number = received[0]
        return str(state), int(number)

    def close(self) -> None:
        """End it and all its children."""
        self._channel.close()
        self._process.wait(PATIENCE)


class Start(Protocol):
    """`start(function, *arguments, gate=None, **options)`: a Worker that is ended with the test."""

    def __call__(
        self, function: Callable[..., int | None], /, *arguments: Any, gate: Gate | None = None, **options: Any
    ) -> Worker:
        """Start it."""


class _Shared:
    """One nursery a test process, however many folders use it."""

    nursery: Nursery | None = None
    users = 0


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """The warm process, started when first asked for."""
    _Shared.nursery = _Shared.nursery or Nursery()
    _Shared.users += 1
    yield _Shared.nursery
    _Shared.users -= 1
    if _Shared.users == 0:
        _Shared.nursery.close()
        _Shared.nursery = None


@pytest.fixture
def start(nursery: Nursery) -> Iterator[Start]:
    """Start children; what still runs at the end of the test is killed."""
    started: list[Worker] = []

    def start_one(
        function: Callable[..., int | None], /, *arguments: Any, gate: Gate | None = None, **options: Any
    ) -> Worker:
        started.append(nursery.start(function, *arguments, gate=gate, **options))
        return started[-1]

    yield start_one
    for worker in started:
        worker.close()


def sexton(*words: str, more: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
    """`python -m sexton.cli.main` from scratch: half a second. A context manager; `options` as Popen takes.

    more: variables of its environment besides ours.
    """
    command = [sys.executable, "-m", "sexton.cli.main", *words]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(more or {})}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.Popen(command, env=environment, text=True, **{**pipes, **options})
