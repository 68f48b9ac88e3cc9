"""The wish to end: set by a signal, asked between batches. Waiting is always on this, never a bare sleep.

Ctrl-C (SIGINT) is a person who waits: it also interrupts a plain function and ends the statement in hand, and a second
one ends the process at once, wherever it is. The other signals let the batch in hand end.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from ..errors import Stopped, causes
from ..exit_codes import INTERRUPTED

_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGXCPU")

SAME_KEY_PRESS_SECONDS = 0.3
"""Seconds after a SIGINT in which another is the same press of keys, handed on by a shell or a process manager."""

T = TypeVar("T")


class Interrupted(KeyboardInterrupt):
    """Raised by Ctrl-C inside a plain function. Not an Exception, or an `except Exception` of its would keep it."""


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
        self.interruptible = False
        """Whether the main thread is in a plain function, which Ctrl-C interrupts."""
        self.interrupted = False
        """Whether it was interrupted; it may have kept that to itself."""
        self.cancel: Callable[[], object] | None = None
        """Ends the statement in hand, from any thread; it may have ended meanwhile."""

    def __del__(self) -> None:
        for end in (self._reader, self._writer):
            os.close(end)

    def fileno(self) -> int:
        """For select: readable once somebody asked."""
        return self._reader

    def ask(self, reason: str) -> None:
        """Ask the run to end after the batch in hand. The first reason stays, unless an `interrupt` comes after it."""
        if not self.asked:
            self.reason, self.asked = reason, True
            os.write(self._writer, b".")

    def wait(self, seconds: float) -> bool:
        """Wait, but no longer than until somebody asks; True when asked."""
        select.select([self._reader], [], [], seconds)
        return self.asked

    def interrupting(self, work: Callable[[], T]) -> T:
        """Call `work`; Ctrl-C ends it wherever it is, as Stopped. In the main thread of a process with `on_signals`."""
        try:
            self.interruptible = threading.current_thread() is threading.main_thread()
            try:
                return work()
            finally:
                self.interruptible = False
        except Interrupted:
            raise Stopped(self.reason) from None
        except SQLAlchemyError as error:  # it stands before ours where the library could not end its transaction
            if not any(isinstance(one, Interrupted) for one in causes(error)):
                raise
            raise Stopped(self.reason) from error

    def interrupt(self, reason: str) -> None:
        """In a signal handler: raise Interrupted where that is wanted, once. Then this is what ends the run."""
        if self.interruptible:
            self.reason, self.interruptible, self.interrupted = reason, False, True
            raise Interrupted(reason)


@contextmanager
def on_signals(stop: Stop, *, then_ends: bool = False, silent: bool = False) -> Iterator[None]:
    """Inside the block SIGTERM, SIGINT, SIGHUP and SIGXCPU set `stop`; a second one does no more, but for SIGINT.

    Only in the main thread; elsewhere the block changes nothing (Python allows handlers there only).
    then_ends: the process ends after the block; once it was asked to, a late signal must not change its exit code.
    silent: another process of the same terminal tells the person who pressed Ctrl-C.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, _frame: FrameType | None) -> None:
        reason = f"stopped by {signal.Signals(number).name}"
        stop.ask(reason)
        if number == signal.SIGINT:
            stop.interrupt(reason)

    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    # Under nohup SIGHUP is ignored from the start, and stays so.
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, ask) for number in numbers}
    listener = _Listener(stop, silent)
    try:
        yield
    finally:
        if not (then_ends and stop.asked):  # else a thread of the product may still keep the process from its end
            for number, handler in before.items():
                signal.signal(number, handler)
            listener.close()


class _Listener:
    """A thread that hears of each signal at once. Handlers wait for the main thread, which may be away in C.

    The kernel may also give the second of two signals to another thread: then nothing wakes the main thread but this.
    """

    def __init__(self, stop: Stop, silent: bool) -> None:
        self._stop = stop
        self._silent = silent
        self._main = threading.get_ident()
        self._waking = signal.signal(signal.SIGURG, lambda number, frame: None)
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        signal.set_wakeup_fd(self._before)
        os.close(self._writer)
        self._thread.join()
        os.close(self._reader)
        signal.signal(signal.SIGURG, self._waking)

    def _listen(self) -> None:
        first: float | None = None
        while heard := os.read(self._reader, 64):
            if set(heard) - {signal.SIGURG}:
                signal.pthread_kill(self._main, signal.SIGURG)
            if signal.SIGINT not in heard or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
                continue
            if first is None:
                first = time.monotonic()
                self._tell()
                self._cancel()
            elif time.monotonic() - first > SAME_KEY_PRESS_SECONDS:
                os._exit(INTERRUPTED)

    def _tell(self) -> None:
        with suppress(OSError):
            if not self._silent and os.isatty(2):
                os.write(2, b"\r\nending; Ctrl-C again ends at once\r\n")

    def _cancel(self) -> None:
        cancel = self._stop.cancel
        if cancel is not None:
            with suppress(Exception):  # the statement is over, the connection gone: the run ends all the same
                cancel()
