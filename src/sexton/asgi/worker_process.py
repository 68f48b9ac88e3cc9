"""The worker process of a server process: started, started again after a rest when it ends, ended within a limit.

It is `sexton worker`, so that a job can neither slow down the requests nor take the server along. It ends with the
server process: by its standard input, which the server holds, and on Linux by the kernel.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..jobs.modules import python

SERVER_STOP_SECONDS = 10.0
"""Seconds in which the worker has ended once the server process ends, or has lost its lease."""

SERVER_BATCH_SECONDS = 6.0
"""Seconds of these that its runs have to end their batch in; the worker itself ends within three more."""

KILLED_SECONDS = 0.5
"""Seconds of these that are left for a worker that has to be killed."""

FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 1.0, 60.0
"""Seconds between the end of a worker and the start of the next one: doubled with each that did not last."""

LASTING_SECONDS = 60.0
"""Seconds that a worker has to live for its start to count as good."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How a worker is started. environment: with what is secret, as everybody can read arguments."""

    environment: Mapping[str, str]
    jobs: Sequence[str]

    def command(self) -> list[str]:
        """Its command line."""
        words = ("worker", "--end-with-parent", "--stop-within", f"{SERVER_BATCH_SECONDS:.0f}s")
        return python("sexton.cli.main", *words, jobs=self.jobs)


class WorkerProcess:
    """One at a time. vain: starts in a row that did not last.  since: when it was started, or ended; None: never was.

    problem: why there is none although there should be; empty while there is one.
    """

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._lock = threading.Lock()  # who ends the server comes from another thread than who starts workers
        self._process: subprocess.Popen[bytes] | None = None
        self._started = self._again = 0.0
        self._closed = False
        self.vain = 0
        self.starts = 0
        self.problem = ""
        self.since: datetime | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        process = self._process
        return process is not None and process.poll() is None

    @property
    def lived(self) -> float:
        """Seconds for which it has run; 0 when it does not."""
        return time.monotonic() - self._started if self.alive else 0.0

    def keep(self) -> str:
        """See to it that there is one, when its rest is over. What there is to tell about the one before; "": nothing.

        To be called by one thread that lives as long as the worker shall: on Linux it ends with that thread.
        """
        with self._lock:
            told = self._gone()
            if self._process is None and not self._closed and time.monotonic() >= self._again:
                self._start()
            return told

    def end(self, until: float, *, for_good: bool = False) -> None:
        """Let it end its batch and leave; kill it shortly before `until`, a monotonic time. Waits for its end.

        for_good: none is started any more.
        """
        with self._lock:
            self._closed = self._closed or for_good
            process, self._process = self._process, None
            self.problem = ""
            if process is None:
                return
            self.since = datetime.now(UTC)
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(max(until - KILLED_SECONDS - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _hang_up(process)

    def _start(self) -> None:
        self._started = time.monotonic()
        environment = {**os.environ, **self._launch.environment}
        try:
            self._process = subprocess.Popen(
                self._launch.command(),
                env=environment,
                stdin=subprocess.PIPE,
                start_new_session=True,  # a terminal's Ctrl-C is for the server, which tells us
            )
        except OSError as error:  # no memory, too many processes
            self._in_vain(f"no worker could be started: {error.strerror or error}")
            return
        self.starts += 1
        self.since, self.problem = datetime.now(UTC), ""

    def _gone(self) -> str:
        """Whether it has ended by itself, and with what."""
        process = self._process
        if process is None or process.poll() is None:
            return ""
        _hang_up(process)
        self._process = None
        if time.monotonic() - self._started >= LASTING_SECONDS:
            self.vain = 0
        self._in_vain(f"the worker {_words(process.returncode)}")
        return self.problem

    def _in_vain(self, why: str) -> None:
        rest = min(FIRST_REST_SECONDS * 2.0**self.vain, LONGEST_REST_SECONDS)
        self.vain += 1
        self.since, self._again = datetime.now(UTC), time.monotonic() + rest
        self.problem = why

    def forgive(self) -> None:
        """Count starts in vain anew: others have had their turn."""
        self.vain, self._again, self.problem = 0, 0.0, ""


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()


def _words(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}; its log says why"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
