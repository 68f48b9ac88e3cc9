"""How a worker ends when it is asked to, by SIGTERM or Ctrl-C: its runs end their batch, within the length of a lease,
or within what `--stop-within` says.

It does so in its time also while its database does not answer; nothing is lost by that.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from signal import SIGKILL, SIGTERM

from ...exit_codes import DONE
from ...runs.stop_signals import Stop
from ..executor.assignments import Assignment
from ..executor.process import Executor

SHUTDOWN_GRACE_SECONDS = 3.0
"""Seconds beyond those that runs have to end their batch in."""


def end_runs(executors: Sequence[Executor], grace: float, ended: Callable[[Assignment], None]) -> None:
    """Let all executors end the batch in hand, and leave; after `grace` seconds they are ended.

    ended: is told each run that came to its end meanwhile.
    """
    for executor in executors:
        executor.signal(SIGTERM)
    for executor in executors:
        executor.leave()
    deadline = time.monotonic() + grace
    while (alive := [executor for executor in executors if executor.alive]) and time.monotonic() < deadline:
        ready, _, _ = select.select([executor.line for executor in alive if executor.line], [], [], 0.1)
        for executor in alive:
            if executor.line in ready:
                for done in executor.read():
                    ended(done)
    for executor in executors:
        executor.signal(SIGKILL)


@contextmanager
def ending_in_time(
    stop: Stop, grace: float, executors: Sequence[Executor], say: Callable[..., None], last: str = "worker ended"
) -> Iterator[None]:
    """What is still inside the block that long after `stop` was asked is ended, its executors first; exit code 0.

    grace: seconds that runs have to end their batch in.  last: the line of log that is the last one then.

    A thread, as the main one may wait for an answer that never comes: a peer that takes what we send and says nothing
    is no error of the network. Leases end by themselves, and whoever leads next finds the runs.
    """
    over = Stop()

    def watch() -> None:
        select.select([stop, over], [], [])
        if over.wait(grace + SHUTDOWN_GRACE_SECONDS if stop.asked else 0.0):
            return
        for executor in executors:
            executor.signal(SIGKILL)
        with suppress(OSError, ValueError):
            say(last, reason=f"{stop.reason}; the database does not answer, and the lead ends by itself")
            sys.stdout.flush()
        os._exit(DONE)

    thread = threading.Thread(target=watch, name="last resort", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.ask("ended by itself")
        thread.join()
