"""A worker that is asked to end does so in its time, also while its database does not answer: nothing is lost by it."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from signal import SIGKILL

from ...exit_codes import DONE
from ...runs.stop_signals import Stop
from ..executor.process import Executor

SHUTDOWN_GRACE_SECONDS = 3.0
"""Seconds beyond the length of a lease, which runs have to end their batch in."""


@contextmanager
def ending_in_time(stop: Stop, lease: float, executors: Sequence[Executor], say: Callable[..., None]) -> Iterator[None]:
    """What is still inside the block that long after `stop` was asked is ended, its executors first; exit code 0.

    A thread, as the main one may wait for an answer that never comes: a peer that takes what we send and says nothing
    is no error of the network. Leases end by themselves, and whoever leads next finds the runs.
    """
    over = Stop()

    def watch() -> None:
        select.select([stop, over], [], [])
        if over.wait(lease + SHUTDOWN_GRACE_SECONDS if stop.asked else 0.0):
            return
        for executor in executors:
            executor.signal(SIGKILL)
        with suppress(OSError, ValueError):
            say("worker ended", reason=f"{stop.reason}; the database does not answer, and the lead ends by itself")
            sys.stdout.flush()
        os._exit(DONE)

    thread = threading.Thread(target=watch, name="last resort", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.ask("ended by itself")
        thread.join()
