"""One executor, seen from outside: start it, give it a run, see how it ends, end it when it does not.

ended ──start──> starting ──ready──> idle ──give──> busy ──"ended"──> idle
                                                      └── gone: crashed, killed, or ended by the hard limit
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from ...jobs.modules import python
from ...runs.hard_limit import ALARM
from ...slots.due_run import DueRun
from .assignments import Assignment, ShiftAssignment
from .in_hand import InHand, shared_number
from .messages import JsonPipe, in_form

KILL = ALARM - 0.5
"""Seconds after its deadline at which an executor is killed: its own last word comes first, the alarm last."""

STARTING = 60.0
"""Seconds that an executor may need until it is ready; it imports the product's jobs."""

SLOW = 30.0
"""Seconds without being ready after which nobody counts on it any more."""

MAX_FAILED_STARTS = 3
"""Starts in vain after which nobody counts on it any more; it is started again and again all the same."""

LONGEST_REST = 8.0
"""Seconds between two starts in vain; about one after the first."""

HUNG_UP = 2.0
"""Seconds in which a process has to end that has closed its line."""

RENEWED_AFTER = 30.0
"""Seconds after which a process that could not load all jobs makes room for one that may: somebody mends them."""

STEADY = 10.0
"""Seconds that one has to live, or a run that it has to end, for its start to count as good."""


class Executor:
    """One process that executes runs, one at a time. config, database: as we were given them.

    jobs: the modules of the settings, for where this process finds them; the other looks in no working directory.

    ready: whether its process has said that it can take runs.
    failure: why its last process could not start, or did not last; empty once one has.  said: what was told of that.
    """

    def __init__(self, config: str | None, database: str | None, jobs: Sequence[str] = ()) -> None:
        self._jobs = jobs
        self._place = {"config": config, "database": database}
        self._process: subprocess.Popen[bytes] | None = None
        self._line: JsonPipe | None = None
        self._in_hand: InHand | None = None
        self.ready = False
        self._started = self._loaded = 0.0
        self._unready = time.monotonic()
        self._again = 0.0
        self._vain = 0
        self._partial = self._leaving = False
        self.assignment: Assignment | None = None
        self.shift: ShiftAssignment | None = None
        self.failure = self.said = ""
        self.unloaded: dict[str, str] | None = None
        """What the process that has just become ready could not load, and why; None: none did since `read` was called.
        """

    def start(self) -> None:
        """Start the process, unless there is one; it is idle once it has said so.

        After one in vain, wait, up to 8 seconds.
        """
        if self.alive or time.monotonic() < self._again:
            return
        self._started = time.monotonic()
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            self._in_vain(str(error.strerror or error))
            return
        with theirs:
            try:
                with shared_number() as number:
                    self._in_hand = InHand(number.fileno())
                    inherited = [theirs.fileno(), number.fileno()]
                    command = python("sexton.engines.executor.child", *map(str, inherited), jobs=self._jobs)
                    self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=inherited)
            except OSError as error:  # no program, no memory, too many processes
                ours.close()
                self._in_vain(str(error.strerror or error))
                return
        self._line = JsonPipe(ours)
        # Over the line, as every user of this host can read arguments, and a URL may hold a password.
        self._line.send(self._place)

    def _in_vain(self, why: str) -> None:
        self.failure = why
        self._again = time.monotonic() + LONGEST_REST / 2 ** max(3 - self._vain, 0)
        self._vain += 1

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    @property
    def idle(self) -> bool:
        """Whether it can be given a run."""
        return self.ready and not self._busy

    @property
    def _busy(self) -> bool:
        return self.assignment is not None or self.shift is not None

    @property
    def hopeless(self) -> bool:
        """Whether it has failed to start too often, or for too long, to be counted on.

        Ready for a moment is no sign.
        """
        if self.ready:
            return self._vain >= MAX_FAILED_STARTS and time.monotonic() - self._started < STEADY
        return self._vain >= MAX_FAILED_STARTS or time.monotonic() - self._unready > SLOW

    @property
    def line(self) -> JsonPipe | None:
        """What to select on; None without a process."""
        return self._line

    def give(self, due: DueRun, seconds: float, *, quiet: bool = False) -> None:
        """Give it a run that may take so long; quiet: it writes no line of log about it.

        When its process is gone, `read` says so.
        """
        assert self._line is not None
        self.assignment = Assignment(due, time.monotonic() + seconds + KILL)
        self._line.send({"due": due.to_json(), "quiet": quiet})

    def give_shift(self, holder: str, seconds: float, longest: float) -> None:
        """Let it take requests for so long, as `holder`; one of them may take `longest` seconds."""
        self._give_shift(holder, seconds + longest, {"holder": holder, "seconds": seconds})

    def give_requests(self, ids: Sequence[int], engine: str, holder: str, longest: float) -> None:
        """Let it take those of these requests that are free, as `holder`; `engine` has brought their numbers.

        longest: seconds that one of them may take; those behind one that takes its time are given back.
        """
        wish = {"holder": holder, "seconds": 0.0, "ids": list(ids), "engine": engine}
        self._give_shift(holder, longest * len(ids), wish)

    def _give_shift(self, holder: str, seconds: float, wish: dict[str, Any]) -> None:
        assert self._line is not None
        self.shift = ShiftAssignment(holder, time.monotonic() + seconds + KILL)
        self._line.send({"shift": wish})

    def enough(self) -> None:
        """Let it end its shift after the request in hand: something else is due."""
        if self._line is not None and self.shift is not None and not self.shift.ending:
            self.shift.ending = True
            self._line.send({"enough": True})

    def read(self) -> Iterator[Assignment]:
        """Take what it says; yields what it has ended or left. A process that is gone leaves `alive` false."""
        assert self._line is not None
        self.unloaded = None
        for message in self._line.receive():
            if message is None or not in_form(message):
                if message is not None or self._line.broken:  # a job has written into the line: nothing holds any more
                    self.signal(signal.SIGKILL)
                yield from self._gone()
                return
            if message["event"] == "ready":
                self.ready, self.unloaded = True, message["unloaded"]
                self._partial, self._loaded = bool(self.unloaded), time.monotonic()
            elif message["event"] == "shift over":
                self._shift_over(message["more"])
            elif self.assignment is not None:
                yield from self._heard(self.assignment, message)

    def _heard(self, assignment: Assignment, message: dict[str, Any]) -> Iterator[Assignment]:
        if message["event"] == "begun":
            assignment.begun = True
        elif message["event"] == "claimed":
            assignment.claimed = message
        elif message["event"] == "overdue":
            assignment.last_word = message
        else:
            self.assignment, assignment.outcome = None, message
            self._vain, self.failure = 0, ""
            yield assignment

    def _shift_over(self, more: bool) -> None:
        if self.shift is not None:
            self.shift.over, self.shift.more = True, more
            self._vain, self.failure = 0, ""

    def _gone(self) -> Iterator[Assignment]:
        # One that has closed its line and lives on all the same (its code did that) is killed.
        code = self._exit_code(HUNG_UP)
        if self._leaving:
            self._leaving = False
        elif not self.ready or (not self._busy and time.monotonic() - self._started < STEADY):
            self._in_vain(f"its process {'was killed by signal' if code < 0 else 'ended with exit code'} {abs(code)}")
        else:
            self._vain, self.failure = 0, ""
        self._forget()
        if self.shift is not None:
            self.shift.over = self.shift.gone = True
            self.shift.in_hand = self._in_hand.get() if self._in_hand is not None else 0
            self.shift.overdue = code == -signal.SIGALRM
        if self.assignment is not None:
            left, self.assignment = self.assignment, None
            left.outcome = {"event": "gone", "code": code}
            yield left

    def _exit_code(self, seconds: float) -> int:
        """Wait so long for the process to end by itself, then kill it."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            return self._process.wait()

    def _forget(self) -> None:
        assert self._line is not None
        self._line.close()
        self._process = self._line = None
        if self.ready:
            self._unready = time.monotonic()
        self.ready = False

    def renew(self) -> None:
        """End an idle process that could not load all jobs, once it has lasted: the next one loads them anew."""
        if self.idle and self._partial and time.monotonic() > self._loaded + RENEWED_AFTER:
            self.ready, self._leaving, self._unready = False, True, time.monotonic()
            self.leave()

    def overdue(self) -> bool:
        """Whether it should be killed: its run does not end, or it never became ready."""
        if self._process is None or self._ended_unheard():
            return False
        if self.assignment is not None:
            return time.monotonic() > self.assignment.ends
        if self.shift is not None:
            return time.monotonic() > self.shift.ends
        return not self.ready and time.monotonic() > self._started + STARTING

    def _ended_unheard(self) -> bool:
        """Whether the process has ended. What a run left behind may hold the other end of the line: ours ends it."""
        assert self._process is not None
        assert self._line is not None
        if self._process.poll() is None:
            return False
        with suppress(OSError):
            self._line.channel.shutdown(socket.SHUT_RDWR)  # what it has said is still read
        return True

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; SIGKILL also ends one that is stopped."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    def end(self, seconds: float) -> None:
        """Wait so long for the process to end by itself, then kill it."""
        if self._process is None:
            return
        self._exit_code(seconds)
        self._forget()

    def leave(self) -> None:
        """Hang up: an idle executor ends; a busy one has been sent a signal before."""
        if self._line is not None:
            self._line.channel.shutdown(socket.SHUT_WR)
