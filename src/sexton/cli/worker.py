"""Run jobs when they are due. Start as many as you like: one leads, the others stand by.

SIGTERM gives the lead back at once and ends after the batch in hand. Also installed as `cron-worker`.
With --engine it is a worker of that engine instead, to which `sexton scheduler` hands the runs.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from ..app import App
from ..config import CONFIG
from ..config.worker_settings import MAX_CONCURRENCY
from ..engines.executor.process import Executor
from ..engines.parent import end_with_parent
from ..engines.registry import engine_of
from ..engines.worker.loop import Worker
from ..engines.worker.monitoring_thread import watching
from ..engines.worker.shutdown import SHUTDOWN_GRACE_SECONDS, ending_in_time
from ..errors import UsageError
from ..jobs.duration import parse_duration
from ..jobs.job import OWN_ENGINE
from ..runs.stop_signals import Stop, on_signals
from ..telemetry import logs
from ..telemetry.debt import read_debt_in_subprocess
from ..telemetry.health_reader import HealthReader
from ._common import open_app, tell_unloaded
from ._loop_pages import loop_pages

if TYPE_CHECKING:
    from ..engines.worker.fleet_desk import FleetDesk


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--concurrency", type=int, metavar="N", help="runs at once, of different groups")
    parser.add_argument("--engine", metavar="NAME", help="be a worker of this engine: celery, rq, procrastinate")
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
        if arguments.engine not in (None, OWN_ENGINE):
            return _work_for(arguments, stop)
        _work(arguments, stop, grace)
    return 0


def _work_for(arguments: Namespace, stop: Stop) -> int:
    """As one of the workers of an engine, whose processes read the same settings: from the environment."""
    if arguments.config:
        os.environ[CONFIG] = arguments.config
    if arguments.database:
        os.environ["SEXTON_DATABASE"] = arguments.database
    app = open_app(arguments, partly=True)
    tell_unloaded(app)
    engine = engine_of(app, arguments.engine)
    say("worker started", engine=arguments.engine, concurrency=(concurrency := _concurrency(arguments, app)))
    try:
        return engine.worker(concurrency, stop)
    finally:
        engine.close()
        say("worker ended", engine=arguments.engine, reason=stop.reason or None)


def say(event: str, **fields: Any) -> None:
    """One line of log."""
    logs.emit(logs.said(event, **fields))


def _concurrency(arguments: Namespace, app: App) -> int:
    if arguments.concurrency is None:
        return app.settings.worker.concurrency
    if not 1 <= arguments.concurrency <= MAX_CONCURRENCY:
        raise UsageError(f"--concurrency {arguments.concurrency}: must be 1 to {MAX_CONCURRENCY}")
    return int(arguments.concurrency)


def _fleet_desk(app: App) -> FleetDesk | None:
    """Who serves the fleet; most workers have none, and need not load it."""
    if not app.settings.fleet.given:
        return None
    from ._fleet_worker import fleet_desk

    return fleet_desk(app, say)


def _work(arguments: Namespace, stop: Stop, grace: float | None) -> None:
    app = open_app(arguments)
    desk = _fleet_desk(app)
    concurrency = _concurrency(arguments, app)
    executors = [Executor(arguments.config, arguments.database, app.settings.jobs) for _ in range(concurrency)]
    every = parse_duration(app.settings.worker.watch).total_seconds()

    def unfit() -> str:
        return worker.readiness.reason

    def unready() -> str:  # the trouble itself names the database, and is in the log
        return "the worker cannot work in its database" if worker.outage.words else ""

    worker = Worker(app, executors, stop=stop, say=say, grace=grace)
    say("worker started", worker=worker.leadership.holder, jobs=len(worker.jobs), concurrency=concurrency)
    debt = partial(read_debt_in_subprocess, arguments.config, arguments.database, app.settings.jobs)
    reader = HealthReader.of(app.settings, app.registry, debt=debt)
    with (
        ending_in_time(stop, worker.grace, executors, say),
        watching(app, worker, every, say, reader),
        loop_pages(app, worker.idle_seconds, reader, say, unfit, unready),
        nullcontext() if desk is None else desk.beside(worker, stop, worker.grace),
    ):
        worker.run()
