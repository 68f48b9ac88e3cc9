"""`celery beat -S sexton.engines.celery:Beat`: a scheduler of Sexton beside your own entries of beat.

    beat's own loop:   your entries of `beat_schedule`, as ever
    a thread beside:   leads or stands by; what is due by Sexton's schedules is queued and submitted

A database or a broker that hangs holds up the thread and none of your entries. Two beats: one run a slot of ours.
"""

from __future__ import annotations

import shelve
import sys
import threading
from functools import partial
from typing import Any

from celery.beat import PersistentScheduler
from sqlalchemy.exc import SQLAlchemyError

from ...app import App
from ...console import complain
from ...db.faults import in_words
from ...errors import SextonError
from ...jobs.duration import parse_duration
from ...runs.stop_signals import Stop
from ...telemetry import logs
from ...telemetry.debt import read_debt_in_subprocess
from ...telemetry.health_reader import HealthReader
from ..engine_desk import EngineDesk
from ..scheduler import Scheduler
from ..worker.monitoring_thread import watching
from .engine import CeleryEngine

LEAVING_SECONDS = 10.0
"""Seconds that the end of beat waits for the thread, which gives back the lead."""

BEGIN_AGAIN_SECONDS = 5.0
"""Seconds until the thread begins again, after what would end `sexton scheduler`: tables of another version."""


class Beat(PersistentScheduler):
    """Beat with Sexton's schedules: edits are seen within a second, zones and clock changes are right."""

    def setup_schedule(self) -> None:
        """Read our settings; wrong ones end beat with a line for each and exit code 2. Nothing is connected yet."""
        self._ours = _OurSchedules()
        if not self.app.conf.beat_schedule:  # nothing of it has to be kept in a file
            self.persistence = _InMemory
        super().setup_schedule()

    def tick(self, *arguments: Any, **named: Any) -> float:
        """Your own entries. The first one starts the thread: not before beat is the process that it will be."""
        self._ours.start()
        return float(super().tick(*arguments, **named))

    def close(self) -> None:
        """Give back the lead, so that another beat submits at once."""
        self._ours.end()
        super().close()


class _InMemory:
    """Opens what beat keeps its entries in, without a file."""

    @staticmethod
    def open(filename: str, writeback: bool) -> shelve.Shelf[Any]:
        """An empty one."""
        return shelve.Shelf({}, writeback=writeback)


class _OurSchedules:
    """A scheduler of Sexton for Celery's jobs, in a thread that no error of the database or the broker ends."""

    def __init__(self) -> None:
        from .. import consumer, registry

        try:
            self._app: App = consumer.app()
            engine = registry.engine_of(self._app, "celery")
            assert isinstance(engine, CeleryEngine)
            assert engine.celery is not None  # else an application that cannot be had is found out when a run is due
            self._desk = EngineDesk(self._app, "celery", engine, _say)
        except SextonError as error:
            complain(*error.lines)
            sys.exit(error.exit_code)
        self._stop = Stop()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._schedule, name="sexton", daemon=True)
            self._thread.start()
            _say("scheduler started", engines="celery", jobs=len(self._desk.jobs))

    def end(self) -> None:
        """Ask it to end, and wait a little for that."""
        self._stop.ask("beat ends")
        if self._thread is not None:
            self._thread.join(LEAVING_SECONDS)

    def _schedule(self) -> None:
        settings = self._app.settings
        scheduler = Scheduler(self._app, [self._desk], stop=self._stop, say=_say)
        debt = partial(read_debt_in_subprocess, None, None, settings.jobs)
        reader = HealthReader.of(settings, self._app.registry, debt=debt)
        with watching(self._app, scheduler, parse_duration(settings.worker.watch).total_seconds(), _say, reader):
            while not self._stop.asked:
                try:
                    scheduler.run()
                except (SQLAlchemyError, SextonError, OSError) as error:
                    _say("scheduler rests", error=in_words(error))
                    self._stop.wait(BEGIN_AGAIN_SECONDS)
        self._app.database.dispose()


def _say(event: str, **fields: Any) -> None:
    logs.emit(logs.said(event, **fields))
