"""The wish to end: set by a signal, asked between batches. Waiting is always on this, never a bare sleep."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGXCPU")


class Stop:
    """A flag with a reason. `ask` may be called from a signal handler and any thread, any number of times.

    A pipe, not a threading.Event: a handler runs between two instructions of the main thread, also of those in which
    an Event holds its own lock, and would wait for itself for ever.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self.reason = ""
        self.asked = False
        """Whether somebody wants the run to end."""

    def __del__(self) -> None:
        for end in (self._reader, self._writer):
            os.close(end)

    def fileno(self) -> int:
        """For select: readable once somebody asked."""
        return self._reader

    def ask(self, reason: str) -> None:
        """Ask the run to end after the batch in hand. The first reason stays."""
        if not self.asked:
            self.reason, self.asked = reason, True
            os.write(self._writer, b".")

    def wait(self, seconds: float) -> bool:
        """Wait, but no longer than until somebody asks; True when asked."""
        select.select([self._reader], [], [], seconds)
        return self.asked


@contextmanager
def on_signals(stop: Stop, *, then_ends: bool = False) -> Iterator[None]:
    """Inside the block SIGTERM, SIGINT, SIGHUP and SIGXCPU set `stop`; a second signal does no more than the first.

    Only in the main thread; elsewhere the block changes nothing (Python allows handlers there only).
    then_ends: the process ends after the block; once it was asked to, a late signal must not change its exit code.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.ask(f"stopped by {signal.Signals(number).name}")

    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    # Under nohup SIGHUP is ignored from the start, and stays so.
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            if not (then_ends and stop.asked):
                signal.signal(number, handler)
