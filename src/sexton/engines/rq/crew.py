"""`sexton worker --engine rq`: so many workers of RQ, each a process of its own beside this one; or this one alone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from redis.exceptions import RedisError

from ...console import write_traceback
from ...runs.stop_signals import Stop
from ...telemetry import logs
from ..parent_death import end_with_parent
from .options import RqOptions
from .redis_client import in_one_line, waiting_client
from .worker import HorseWorker, OwnMessage, OwnSerializer

WORKER_TTL_SECONDS = 60
"""Seconds after which a worker that was killed is no longer counted, twice; RQ's own are for seven minutes."""

LONGEST_REDIS_REST = 30.0
"""Seconds until a worker begins again that lost Redis, at most; 1 s the first time, and twice as long each time."""

_ENDING = (signal.SIGINT, signal.SIGTERM)


def work(address: str, options: RqOptions, concurrency: int, stop: Stop) -> int:
    """Work until `stop` is asked; the exit code, 0."""
    if concurrency == 1:
        return _serve(address, options, stop)
    crew: set[int] = set()
    while not stop.asked:
        while len(crew) < concurrency and not stop.asked:
            crew.add(_fork(lambda asked: _serve(address, options, asked)))
        stop.wait(1.0)
        crew -= {process for process in crew if _ended(process, os.WNOHANG)}
    for process in crew:
        os.kill(process, signal.SIGTERM)
    for process in crew:
        _ended(process, 0)
    return 0


def _fork(serve: Callable[[Stop], int]) -> int:
    """The number of a process of ours that serves, and ends with us. Nothing is connected yet that both would use."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # one that comes now is for whoever of us it was sent to
    try:
        if process := os.fork():
            return process
        with suppress(BaseException):
            _become_worker(serve)
        os._exit(1)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _become_worker(serve: Callable[[Stop], int]) -> NoReturn:
    """In the new process: signals are ours alone, and no longer our parent's."""
    signal.set_wakeup_fd(-1)
    stop = Stop()
    for number in _ENDING:
        signal.signal(number, lambda number, frame: stop.ask(f"stopped by {signal.Signals(number).name}"))
    end_with_parent()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    try:
        os._exit(serve(stop))
    except Exception as error:
        write_traceback(error)
        raise


def _ended(process: int, options: int) -> bool:
    try:
        return os.waitpid(process, options)[0] == process
    except ChildProcessError:
        return True


def _serve(address: str, options: RqOptions, stop: Stop) -> int:
    """One worker after the other: RQ's ends when Redis is lost in the middle of something."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    rest = 1.0
    while not stop.asked:
        began = time.monotonic()
        try:
            _worker(address, options, stop).work(logging_level="WARNING")
        except RedisError as error:
            logs.emit(logs.said("engine worker lost its broker", engine="rq", error=in_one_line(error)))
        finally:
            for number, handler in before.items():  # RQ leaves its own, which speak to a worker that has ended
                signal.signal(number, handler)
        rest = 1.0 if time.monotonic() - began > LONGEST_REDIS_REST else min(2 * rest, LONGEST_REDIS_REST)
        if not stop.asked:
            logs.emit(logs.said("engine worker begins again", engine="rq", seconds=rest))
            stop.wait(rest)
    return 0


def _worker(address: str, options: RqOptions, stop: Stop) -> HorseWorker:
    worker = HorseWorker(
        list(options.queues),
        connection=waiting_client(address),
        serializer=OwnSerializer,
        job_class=OwnMessage,
        worker_ttl=WORKER_TTL_SECONDS,
        log_job_description=False,
    )
    worker.stop = stop
    return worker
