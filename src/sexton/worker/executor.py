"""The worker's end of one executor: start it, give it a run, see how it ends, end it when it does not.

ended ──start──> starting ──ready──> idle ──give──> busy ──"ended"──> idle
                                                      └── gone: crashed, killed, or ended by the hard limit
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..runs.claim import Due
from ..runs.hard_limit import ALARM
from .messages import Line

KILL = ALARM - 0.5
"""Seconds after its deadline at which an executor is killed: its own last word comes first, the alarm last."""

STARTING = 60.0
"""Seconds that an executor may need until it is ready; it imports the product's jobs."""


@dataclass(slots=True)
class Assignment:
    """What a busy executor does. claimed: its run row, once it is ours.  ends: monotonic time at which it is killed.

    last_word: what it said before it ended itself, as the run did not end.  outcome: its last message, or "gone".
    """

    due: Due
    ends: float
    claimed: dict[str, Any] | None = None
    last_word: dict[str, Any] | None = None
    outcome: dict[str, Any] | None = None


class Executor:
    """One process that executes runs, one at a time. arguments: of `sexton.worker.child` after the descriptor."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Line | None = None
        self._ready = False
        self._started = 0.0
        self._again = 0.0
        self._vain = 0
        self.assignment: Assignment | None = None
        self.unloaded: dict[str, str] | None = None
        """What the process that has just become ready could not load, and why; None: none did since `read` was called.
        """
        self.failed_start: int | None = None
        """Exit code of the last process, when it ended before it was ready."""

    def start(self) -> None:
        """Start the process, unless there is one; it is idle once it has said so.

        After one that never was, wait, up to half a minute.
        """
        if self.alive or time.monotonic() < self._again:
            return
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "sexton.worker.child", str(theirs.fileno()), *self._arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        theirs.close()
        self._line = Line(ours)
        self._ready = False
        self._started = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    @property
    def idle(self) -> bool:
        """Whether it can be given a run."""
        return self._ready and self.assignment is None

    @property
    def line(self) -> Line | None:
        """What to select on; None without a process."""
        return self._line

    def give(self, due: Due, *, quiet: bool = False) -> None:
        """Give it a run; quiet: it writes no line of log about it. When it is gone, `read` says so."""
        assert self._line is not None
        self.assignment = Assignment(due, time.monotonic() + due.job.time_limit.total_seconds() + KILL)
        slot = due.slot.isoformat() if due.slot else None
        wish = {"job": due.job.name, "slot": slot, "missed": due.missed, "queued": due.queued, "wall": due.wall}
        self._line.send({**wish, "quiet": quiet})

    def read(self) -> Iterator[Assignment]:
        """Take what it says; yields what it has ended or left. A process that is gone leaves `alive` false."""
        assert self._line is not None
        self.failed_start = self.unloaded = None
        for message in self._line.receive():
            if message is None:
                yield from self._gone()
            elif message["event"] == "ready":
                self._ready, self._vain, self.unloaded = True, 0, message["unloaded"]
            elif self.assignment is not None and message["event"] == "claimed":
                self.assignment.claimed = message
            elif self.assignment is not None and message["event"] == "overdue":
                self.assignment.last_word = message
            elif self.assignment is not None:
                done, self.assignment = self.assignment, None
                done.outcome = message
                yield done

    def _gone(self) -> Iterator[Assignment]:
        assert self._process is not None
        code = self._process.wait()
        if not self._ready:
            self.failed_start = code
            self._again = time.monotonic() + min(2.0**self._vain, 30.0)
            self._vain += 1
        self._forget()
        if self.assignment is not None:
            left, self.assignment = self.assignment, None
            left.outcome = {"event": "gone", "code": code}
            yield left

    def _forget(self) -> None:
        assert self._line is not None
        self._line.close()
        self._process = self._line = None
        self._ready = False

    def overdue(self) -> bool:
        """Whether it should be killed: its run does not end, or it never became ready."""
        if self._process is None:
            return False
        if self.assignment is not None:
            return time.monotonic() > self.assignment.ends
        return not self._ready and time.monotonic() > self._started + STARTING

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; SIGKILL also ends one that is stopped."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    def end(self, seconds: float) -> None:
        """Wait so long for the process to end by itself, then kill it."""
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self._process.wait()
        self._forget()

    def leave(self) -> None:
        """Hang up: an idle executor ends; a busy one has been sent a signal before."""
        if self._line is not None:
            self._line.channel.shutdown(socket.SHUT_WR)
