"""Jobs for real workers: quick ones on short intervals, and ones that crash, hang, sleep and forget themselves."""

from __future__ import annotations

import ctypes
import gc
import os
import time

from sqlalchemy import text

from sexton import Counts, Job, LazyWork, Misfire, Run, every, parse_backoff


def quick(run: Run) -> None:
    """Does nothing."""


def crash(run: Run) -> None:
    """Ends its process as a segmentation fault does."""
    os.abort()


def leave(run: Run) -> None:
    """Ends its process as sys.exit from a thread of C code would."""
    os._exit(7)


def spin(run: Run) -> None:
    """Uses its processor and never asks whether it should stop."""
    while True:
        pass


def doze(run: Run) -> None:
    """Sleeps in C code that keeps the interpreter to itself, so that no thread of Python runs."""
    ctypes.PyDLL(None).sleep(600)


def brood(run: Run) -> None:
    """Lets the database sleep, on a connection that knows no limits."""
    with run.transaction() as connection:
        engine = connection.engine
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_sleep(600)"))


def ponder(run: Run) -> None:
    """Lets the database sleep in a transaction of the run."""
    with run.transaction() as connection:
        connection.execute(text("SELECT pg_sleep(600)"))


def devour(run: Run) -> None:
    """Takes memory until there is no more."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (1024**3, 1024**3))
    hoard = []
    while True:
        hoard.append(bytearray(10**7))


def broken(run: Run) -> None:
    """Fails."""
    raise RuntimeError("as ever")


def linger(run: Run) -> None:
    """Takes longer than its interval."""
    time.sleep(1.6)


def frozen(run: Run) -> Counts:
    """Counts the objects of its process that garbage collection leaves out."""
    return Counts(changed=gc.get_freeze_count())


def load_and_crash() -> object:
    """Work whose import takes its process along, as a broken C extension does."""
    os.abort()


def load_and_hang() -> object:
    """Work whose import never ends."""
    time.sleep(600)
    return quick


ticks = [Job(f"tick.number_{number}", schedule=every("1s"), work=quick, group=f"g{number % 3}") for number in range(6)]
tick_0, tick_1, tick_2, tick_3, tick_4, tick_5 = ticks
eager = Job("tick.every_slot", schedule=every("1s"), work=quick, misfire=Misfire("all", limit=100))
idle = Job("calm.idle", work=quick)
cold = Job("calm.frozen", work=frozen)
crasher = Job("bad.crash", work=crash)
leaver = Job("bad.leave", work=leave)
spinner = Job("bad.spin", work=spin, timeout="3s")
dozer = Job("bad.doze", work=doze, timeout="3s")
brooder = Job("bad.brood", work=brood, timeout="3s")
ponderer = Job("bad.ponder", work=ponder, timeout="3s")
eater = Job("bad.devour", work=devour, timeout="10m")
unloadable = Job("bad.load_and_crash", work=LazyWork(f"{__name__}:load_and_crash"))
endless = Job("bad.load_and_hang", work=LazyWork(f"{__name__}:load_and_hang"), timeout="3s")
failing = Job("bad.fail", work=broken)
retried = Job("bad.retried", work=broken, retry=parse_backoff(["1s", "1s"]))
lingerer = Job("slow.linger", schedule=every("1s"), work=linger, overlap="skip")
