"""Processes of Celery's prefork pool: they share no connection, die with their worker, and hear of its end."""

from __future__ import annotations

import _thread
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG

AGAIN_SECONDS = 0.2
"""Seconds between two looks of a worker that ends at the runs under way: one may just be beginning."""


def connect() -> None:
    """Have Celery tell us when a process of a pool begins, and when a worker is asked to end."""
    from celery import signals

    signals.worker_init.connect(_tell_before_soft_shutdown, weak=False, dispatch_uid="sexton")
    signals.worker_process_init.connect(_begin, weak=False, dispatch_uid="sexton")
    signals.worker_shutting_down.connect(_pass_on, weak=False, dispatch_uid="sexton")
    signals.worker_shutdown.connect(_close, weak=False, dispatch_uid="sexton")


def is_one() -> bool:
    """Whether this is a process of a pool, with one task at a time, which may be ended without harm to others.

    False for threads, greenlets and `solo`, which share the worker's own process.
    """
    from billiard.process import current_process

    return bool(current_process().name != "MainProcess")


@contextmanager
def carrying() -> Iterator[None]:
    """Around a task of ours: where the worker has died meanwhile, this process ends too, after the batch in hand.

    One that was only asked to end its run, as by `celery control terminate`, goes on with the next message.
    """
    from .. import consumer

    worker = os.getppid()
    yield
    if is_one() and os.getppid() != worker:
        os._exit(0)
    if is_one() and consumer.stop().asked:
        consumer.begin_anew()


def _begin(**_: Any) -> None:
    """In a new process of a pool: it ends with its worker, and connects for itself."""
    if not is_one():
        return
    from .. import consumer

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)
    consumer.forget_connections()


def _tell_before_soft_shutdown(sender: Any, **_: Any) -> None:
    """SIGQUIT: Celery waits for its tasks, for so long, and tells nobody before that; so our runs would not know."""
    waiting = sender.wait_for_soft_shutdown

    def wait() -> None:
        _pass_on()
        waiting()

    sender.wait_for_soft_shutdown = wait


def _pass_on(**_: Any) -> None:
    """In the worker's main process, in a signal handler: it waits for its tasks, and ours end after a batch."""
    # A `Thread` waits for its begin, and takes locks: we may have interrupted who has them, or be gevent's hub.
    _thread.start_new_thread(_tell_runs, (os.getpid(),))


def _tell_runs(worker: int) -> None:
    """Send SIGTERM to each process with a task of ours, once a task, until this process has ended.

    Runs that this process has handed to executors are told by our own means.
    """
    from celery.worker import state
    from kombu.utils.compat import detect_environment

    from .. import consumer
    from .options import CELERY_TASK

    consumer.stop().ask("its worker ends")
    if detect_environment() != "default":  # a greenlet has no process, and a number that may be anybody's
        return
    told: set[str] = set()
    waiting = threading.Event()
    while not waiting.wait(AGAIN_SECONDS if told else 0.01):
        for request in list(state.active_requests):
            if request.name != CELERY_TASK or request.id in told or request.worker_pid in (None, worker):
                continue
            told.add(request.id)
            with suppress(ProcessLookupError):
                os.kill(request.worker_pid, signal.SIGTERM)


def _close(**_: Any) -> None:
    """In the worker's main process, at its end."""
    from .. import consumer

    consumer.close_executors()
