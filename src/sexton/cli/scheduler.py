"""Hand due runs to the engines that the settings name. Start as many as you like: one leads, the others stand by.

The runs themselves happen in the workers of the engine; `sexton worker --engine NAME` is one, and its own command too.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from typing import Any

from ..engines.scheduler import Scheduler, desks_of
from ..engines.worker.monitoring_thread import watching
from ..engines.worker.shutdown import ending_in_time
from ..jobs.duration import parse_duration
from ..runs.stop_signals import Stop, on_signals
from ..telemetry import logs
from ..telemetry.debt import read_debt_in_subprocess
from ..telemetry.health_reader import HealthReader
from ._common import open_app
from ._loop_pages import loop_pages


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments: there is none of its own."""


def run(arguments: Namespace) -> int:
    """Schedule until a signal comes."""
    stop = Stop()
    with on_signals(stop, then_ends=True):
        _schedule(arguments, stop)
    return 0


def _schedule(arguments: Namespace, stop: Stop) -> None:
    app = open_app(arguments)

    def say(event: str, **fields: Any) -> None:
        logs.emit(logs.said(event, **fields))

    def unready() -> str:
        return "the scheduler cannot work in its database" if scheduler.outage.words else ""

    scheduler = Scheduler(app, desks_of(app, say), stop=stop, say=say)
    engines = {desk.name: len(desk.jobs) for desk in scheduler.desks}
    say("scheduler started", engines=", ".join(engines), jobs=sum(engines.values()))
    debt = partial(read_debt_in_subprocess, arguments.config, arguments.database, app.settings.jobs)
    reader = HealthReader.of(app.settings, app.registry, debt=debt)
    every = parse_duration(app.settings.worker.watch).total_seconds()
    with (
        ending_in_time(stop, app.limits().lease, [], say, "scheduler ended"),
        watching(app, scheduler, every, say, reader),
        loop_pages(app, scheduler.idle_seconds, reader, say, scheduler.unfit, unready),
    ):
        scheduler.run()
