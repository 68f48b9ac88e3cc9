"""The scheduler: one process that hands due runs to the engines that carry them, as many as the settings name.

It leads or stands by for each engine by itself, and waits for whatever comes first: the next slot, a NOTIFY, a second.
Start as many as you like; the one that leads submits, and two for a moment start nothing twice: the rows decide.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from ..app import App
from ..db.faults import in_words
from ..errors import SchemaOutdated, SextonError, UsageError
from ..runs.stop_signals import Stop
from .engine_desk import EngineDesk
from .garbage_collection import freeze_loaded
from .registry import engine_of, engines_in_use
from .worker.database_outage import DatabaseOutage


def desks_of(app: App, say: Callable[..., None]) -> list[EngineDesk]:
    """A desk for each engine that carries a job. SettingsError for an engine that cannot be had here; UsageError
    where there is none: all jobs are the worker's."""
    names = engines_in_use(app)
    if not names:
        raise UsageError('no job is carried by an engine; set for instance engine = "celery", or start a worker')
    return [EngineDesk(app, name, engine_of(app, name), say) for name in sorted(names)]


class Scheduler:
    """One process. desks: one for each engine."""

    def __init__(self, app: App, desks: Sequence[EngineDesk], *, stop: Stop, say: Callable[..., None]) -> None:
        self.desks = desks
        self.outage = DatabaseOutage(say)
        self._app = app
        self._stop = stop
        self._say = say
        self._turned = 0.0
        self._led = False

    def run(self) -> None:
        """Schedule until somebody asks to stop, then give the leads back. SchemaOutdated."""
        while not self._stop.asked:
            try:
                if time.monotonic() >= self.outage.rest_until:
                    self._turn()
            except SchemaOutdated:
                self._leave()
                raise
            except (SQLAlchemyError, SextonError, OSError) as error:
                for desk in self.desks:
                    desk.forget()
                self.outage.noticed(error)
            self._wait()
        self._leave()

    def idle_seconds(self) -> float:
        """Since the loop last turned: what `/healthz` judges."""
        return time.monotonic() - self._turned

    def leads(self) -> bool:
        """Whether it submits to one of the engines, and so watches."""
        return any(desk.leading for desk in self.desks)

    def without_database(self) -> float:
        """Seconds for which the database could not be asked, or did not answer; 0 when it does, or when we stood by."""
        return self.outage.seconds(self.idle_seconds()) if self._led else 0.0

    def unfit(self) -> str:
        """Why it may not lead; empty while it may."""
        return next((desk.reason for desk in self.desks if desk.reason), "")

    def _turn(self) -> None:
        self._turned = time.monotonic()
        for desk in self.desks:
            desk.turn()
        self.outage.answered()
        self.outage.worked()
        if not self._led and self.leads():
            self._led = True
            freeze_loaded()

    def _wait(self) -> None:
        rest = self.outage.rest_until - time.monotonic()
        pause = rest if rest > 0 else min(desk.pause() for desk in self.desks)
        sources: list[Any] = [self._stop]
        if rest <= 0:
            sources += [source for desk in self.desks for source in desk.sources()]
        select.select(sources, [], [], pause)

    def _leave(self) -> None:
        for desk in self.desks:
            try:
                desk.leave()
            except (SQLAlchemyError, SextonError) as error:
                self._say(
                    "the lead could not be given back; it ends by itself", engine=desk.name, error=in_words(error)
                )
        self._say("scheduler ended", reason=self._stop.reason or "its tables are of another version")
