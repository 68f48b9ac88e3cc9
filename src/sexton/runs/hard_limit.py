"""The last means against a run that does not end: record it, then end the process it lives in (promise 9).

In order: the statement timeout of the database, the deadline between batches and in `run.check()`, and past those this.
For processes that belong to the run: the command line and the worker's executors.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ..exit_codes import FAILED
from ..run_state import OutcomeCode, RunState
from ..slots.ending import Ending

HARD_LIMIT_GRACE_SECONDS = 2.0
"""Seconds after its deadline in which a run may still end by itself."""

ALARM = 4.0
"""Seconds after its deadline at which the kernel ends the process: C code that keeps the interpreter stops threads."""

OVERDUE = Ending(
    RunState.TIMED_OUT, "its timeout passed and it did not stop; its process was ended", code=OutcomeCode.OVERDUE
)


@contextmanager
def process_ends_at(deadline: float, record: Callable[[], object]) -> Iterator[None]:
    """Inside the block, what goes on past `deadline` (monotonic) takes the process down with exit code 1.

    record: puts that on record before; whatever it raises is passed over.
    """
    over = threading.Event()

    def left() -> float:
        return max(deadline - time.monotonic(), 0.0)

    def watch() -> None:
        if not over.wait(left() + HARD_LIMIT_GRACE_SECONDS):
            with suppress(Exception):  # whoever finds the run later closes it as abandoned
                record()
            os._exit(FAILED)

    thread = threading.Thread(target=watch, name="hard limit", daemon=True)
    alarm = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    if alarm:
        before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, left() + ALARM)
    thread.start()
    try:
        yield
    finally:
        over.set()
        if alarm:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
