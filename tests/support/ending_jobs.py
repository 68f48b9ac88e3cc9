"""Functions that end in every way that Python and an operating system know, and what each leaves on record."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

from sqlalchemy import text

from sexton import Counts, Job, LazyWork, Run
from sexton.errors import HeldElsewhere


def _raising(error: BaseException) -> Callable[[Run], NoReturn]:
    def work(run: Run) -> NoReturn:
        raise error

    return work


def exits(code: object) -> Callable[[Run], NoReturn]:
    """A script that was made a job, and still ends as a script does."""

    def work(run: Run) -> NoReturn:
        sys.exit(code)  # type: ignore[arg-type]

    return work


def leave(run: Run) -> NoReturn:
    """Ends its process past everything that Python does at its end, as if all were well."""
    os._exit(0)


def crash(run: Run) -> NoReturn:
    """Ends its process as a segmentation fault does."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.abort()


def hang_up(run: Run) -> None:
    """Becomes a daemon by the book: closes every file that it does not know, and lives on."""
    os.closerange(3, 256)
    signal.setitimer(signal.ITIMER_REAL, 0)
    time.sleep(600)


def leave_a_helper(run: Run) -> NoReturn:
    """Ends its process, but not the one that it has forked, which has all its files."""
    if os.fork() == 0:
        for number in (0, 1, 2):
            os.close(number)
        os.read(int(sys.argv[1]), 1)  # its line to the worker, until that hangs up
        os._exit(0)
    os._exit(3)


def recurse(run: Run) -> None:
    """Calls itself until Python has enough."""
    recurse(run)


def sleep(run: Run) -> None:
    """REP-2: never asks whether it should stop."""
    while True:
        time.sleep(1)


def doze(run: Run) -> None:
    """Sleeps in C code that keeps the interpreter to itself, so that no thread of Python runs."""
    ctypes.PyDLL(None).sleep(600)


def generate(run: Run) -> Iterator[int]:
    """Somebody wrote yield where return belongs."""
    yield 1


def negative(run: Run) -> Counts:
    """Counts what cannot be."""
    return Counts(changed=-1)


def wordy(run: Run) -> Counts:
    """Counts in words, which no JSON of ours would refuse to keep."""
    return Counts(changed="three")  # type: ignore[arg-type]


class Mute(Exception):
    """An error whose text cannot be had."""

    def __str__(self) -> str:
        raise ValueError("no text")


def statement(run: Run) -> None:
    """A statement that no database takes."""
    with run.transaction() as connection:
        connection.execute(text("SELECT one FROM nowhere"))


def load_and_exit() -> object:
    """Work whose module ends the interpreter while it is imported."""
    sys.exit(0)


def quick(run: Run) -> None:
    """Does nothing, well."""


ENDINGS: dict[str, tuple[Job, str, str]] = {
    name: (Job(f"end.{name}", work=work, timeout="3s" if state == "timed_out" else "10m"), state, words)
    for name, work, state, words in (
        ("error", _raising(ValueError("bad\nsecond line")), "failed", "ValueError: bad"),
        ("exit_0", exits(0), "failed", "SystemExit: 0"),
        ("exit_3", exits(3), "failed", "SystemExit: 3"),
        ("exit_words", exits("bye"), "failed", "SystemExit: bye"),
        ("exit_nothing", exits(None), "failed", "SystemExit"),
        ("interrupt", _raising(KeyboardInterrupt()), "failed", "KeyboardInterrupt"),
        ("generator_exit", _raising(GeneratorExit()), "failed", "GeneratorExit"),
        ("stop_iteration", _raising(StopIteration("end")), "failed", "StopIteration: end"),
        ("task_cancelled", _raising(asyncio.CancelledError()), "failed", "CancelledError"),
        ("group", _raising(BaseExceptionGroup("two", [ValueError("a"), SystemExit(1)])), "failed", "two"),
        ("memory", _raising(MemoryError()), "failed", "MemoryError"),
        ("recursion", recurse, "failed", "RecursionError: maximum recursion depth"),
        ("mute", _raising(Mute()), "failed", "Mute: (its message cannot be read"),
        ("statement", statement, "failed", "nowhere"),
        ("held", _raising(HeldElsewhere("another one is at it")), "cancelled", "another one is at it"),
        ("leave", leave, "failed", "exit code 0"),
        ("hang_up", hang_up, "failed", "ended by SIGKILL"),
        ("leave_a_helper", leave_a_helper, "failed", "exit code 3"),
        ("crash", crash, "failed", "ended by SIGABRT"),
        ("sleep", sleep, "timed_out", "its timeout passed"),
        ("doze", doze, "timed_out", "its timeout passed"),
        ("generate", generate, "failed", "returned generator"),
        ("negative", negative, "failed", "Counts that count no rows"),
        ("wordy", wordy, "failed", "Counts that count no rows"),
        ("load", LazyWork(f"{__name__}:load_and_exit"), "failed", "sys.exit(0)"),
        ("well", quick, "succeeded", ""),
    )
}
"""By name: a job, the state of its run, and a part of what history says.

Those that time out never end by themselves; but on a busy machine their time may be over before they begin.
"""

jobs = [job for job, _, _ in ENDINGS.values()]
globals().update({f"job_{name}": job for name, (job, _, _) in ENDINGS.items()})
