"""`celery beat -S sexton.engines.celery:Beat`: submits what is due of ours, beside your own entries of beat.

    beat's own loop:   your entries of `beat_schedule`, as ever
    a thread beside:   leads or stands by; what is due by Sexton's schedules is queued and submitted

A database or a broker that hangs holds up the thread and none of your entries. Two beats: one run a slot of ours.
"""

from __future__ import annotations

import select
import shelve
import sys
import threading
import time
from typing import Any

from celery.beat import PersistentScheduler
from sqlalchemy.exc import SQLAlchemyError

from ...console import complain
from ...errors import SextonError
from ...runs.stop_signals import Stop
from ...telemetry import logs
from ..engine_desk import EngineDesk
from ..worker.database_outage import DatabaseOutage

LEAVING_SECONDS = 10.0
"""Seconds that the end of beat waits for the thread, which gives back the lead."""


class Beat(PersistentScheduler):
    """Beat with Sexton's schedules: edits are seen within a second, zones and clock changes are right."""

    def setup_schedule(self) -> None:
        """Read our settings; wrong ones end beat with a line for each and exit code 2. Nothing is connected yet."""
        self._desk = _desk()
        self._thread: threading.Thread | None = None
        self._stop = Stop()
        if not self.app.conf.beat_schedule:  # nothing of it has to be kept in a file
            self.persistence = _InMemory
        super().setup_schedule()

    def tick(self, *arguments: Any, **named: Any) -> float:
        """Your own entries. The first one starts the thread: not before beat is the process that it will be."""
        if self._thread is None:
            self._thread = threading.Thread(target=_submit_until, args=(self._desk, self._stop), name="sexton")
            self._thread.daemon = True
            self._thread.start()
        return float(super().tick(*arguments, **named))

    def close(self) -> None:
        """Give back the lead, so that another beat submits at once."""
        self._stop.ask("beat ends")
        if self._thread is not None:
            self._thread.join(LEAVING_SECONDS)
        super().close()

    @property
    def info(self) -> str:
        """For the banner of beat."""
        names = len(self._desk.jobs) if hasattr(self, "_desk") else 0
        return f"    . jobs of sexton -> {names}"


class _InMemory:
    """Opens what beat keeps its entries in, without a file."""

    @staticmethod
    def open(filename: str, writeback: bool) -> shelve.Shelf[Any]:
        """An empty one."""
        return shelve.Shelf({}, writeback=writeback)


def _desk() -> EngineDesk:
    from .. import consumer, registry

    try:
        app = consumer.app()
        return EngineDesk(app, "celery", registry.engine_of(app, "celery"), _say)
    except SextonError as error:
        complain(*error.lines)
        sys.exit(error.exit_code)


def _submit_until(desk: EngineDesk, stop: Stop) -> None:
    """Turn after turn; no error of the database or of the broker ends it."""
    outage = DatabaseOutage(_say)
    while not stop.asked:
        pause = desk.pause()
        try:
            desk.turn()
            outage.answered()
            outage.worked()
            pause = desk.pause()
        except (SQLAlchemyError, SextonError, OSError) as error:
            desk.forget()
            pause = _rest(outage, error)
        select.select([stop, *desk.sources()], [], [], pause)
    try:
        desk.leave()
    except (SQLAlchemyError, SextonError, OSError) as error:
        _say("the lead could not be given back", error=str(error))


def _rest(outage: DatabaseOutage, error: Exception) -> float:
    """How long, after this error; said once for each kind."""
    try:
        outage.noticed(error)
    except SextonError as lasting:  # a worker would give up now
        _say("database trouble", error=str(lasting))
    return max(outage.rest_until - time.monotonic(), 0.0)


def _say(event: str, **fields: Any) -> None:
    logs.emit(logs.said(event, **fields))
