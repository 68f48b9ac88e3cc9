"""Run jobs when they are due. Start as many as you like: one leads, the others stand by.

SIGTERM gives the lead back at once and ends after the batch in hand. Also installed as `cron-worker`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ..addresses import is_everywhere
from ..app import App
from ..config.worker_settings import MAX_CONCURRENCY
from ..engines.executor.process import Executor
from ..engines.parent import end_with_parent
from ..engines.worker.loop import Worker
from ..engines.worker.monitoring_thread import watching
from ..engines.worker.shutdown import SHUTDOWN_GRACE_SECONDS, ending_in_time
from ..errors import SettingsError, UsageError
from ..jobs.duration import parse_duration
from ..runs.stop_signals import Stop, on_signals
from ..telemetry import logs
from ..telemetry.debt import read_debt_in_subprocess
from ..telemetry.health_reader import HealthReader
from ._common import open_app


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--concurrency", type=int, metavar="N", help="runs at once, of different groups")
    parser.add_argument(
        "--stop-within",
        metavar="TIME",
        help="how long runs have to end their batch in once it is to stop, as 5s; default: the length of a lease",
    )
    parser.add_argument(
        "--end-with-parent",
        action="store_true",
        help="stop, too, when standard input ends: with the process that started this one and holds its other end",
    )


def run(arguments: Namespace) -> int:
    """Work until a signal comes. One that comes while we still start ends us in order, too."""
    stop = Stop()
    grace = None
    if arguments.stop_within is not None:
        grace = parse_duration(arguments.stop_within, where="--stop-within").total_seconds()
    with on_signals(stop, then_ends=True):
        if arguments.end_with_parent:
            end_with_parent(stop, None if grace is None else grace + SHUTDOWN_GRACE_SECONDS)
        _work(arguments, stop, grace)
    return 0


def _work(arguments: Namespace, stop: Stop, grace: float | None) -> None:
    app = open_app(arguments)

    def say(event: str, **fields: Any) -> None:
        logs.emit(logs.said(event, **fields))

    concurrency = app.settings.worker.concurrency
    if arguments.concurrency is not None:
        concurrency = arguments.concurrency
        if not 1 <= concurrency <= MAX_CONCURRENCY:
            raise UsageError(f"--concurrency {concurrency}: must be 1 to {MAX_CONCURRENCY}")
    executors = [Executor(arguments.config, arguments.database, app.settings.jobs) for _ in range(concurrency)]
    every = parse_duration(app.settings.worker.watch).total_seconds()
    worker = Worker(app, executors, stop=stop, say=say, grace=grace)
    say("worker started", worker=worker.leadership.holder, jobs=len(app.registry), concurrency=concurrency)
    debt = partial(read_debt_in_subprocess, arguments.config, arguments.database, app.settings.jobs)
    reader = HealthReader.of(app.settings, app.registry, debt=debt)
    with (
        ending_in_time(stop, worker.grace, executors, say),
        watching(app, worker, every, say, reader),
        _pages(app, worker, say, reader),
    ):
        worker.run()


@contextmanager
def _pages(app: App, worker: Worker, say: Callable[..., None], reader: HealthReader) -> Iterator[None]:
    """Health and metrics pages, where `web.listen` asks for them."""
    if app.settings.web.listen is None:
        yield
        return
    try:
        from ..web import serving
    except ModuleNotFoundError as error:
        raise SettingsError("web.listen: the pages need their libraries; run: pip install 'sexton[web]'") from error

    def unfit() -> str:
        return worker.readiness.reason

    def unready() -> str:  # the trouble itself names the database, and is in the log
        return "the worker cannot work in its database" if worker.outage.words else ""

    with serving(app, app.settings.web.listen, worker.idle_seconds, reader, unfit, unready) as (host, port):
        say("pages", address=f"http://{f'[{host}]' if ':' in host else host}:{port}")
        if is_everywhere(host):
            say("pages are open", reason="web.listen is every address of this machine, and they have no password")
        yield
