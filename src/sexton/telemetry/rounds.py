"""One round of watching: assess, deliver, write the textfile, call the heartbeat. A worker makes one every 15 seconds,
`run --due` one after each time that something was wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, exists, or_, select
from sqlalchemy.exc import SQLAlchemyError

from ..config import Settings
from ..db.connect import read_only
from ..db.faults import in_words
from ..db.moment import ask_now
from ..db.tables import own_tables
from ..errors import SextonError
from ..jobs.job import Job

if TYPE_CHECKING:
    from .reader import Reader

Say = Callable[..., None]


class Rounds:
    """Of one process. say: writes a line of log.  SettingsError when a channel or a page cannot work here."""

    def __init__(self, engine: Engine, jobs: Sequence[Job], settings: Settings, say: Say) -> None:
        from .alerts import channels_of

        self._engine = engine
        self._jobs = jobs
        self._settings = settings
        self._say = say
        self._channels = channels_of(settings)

    @cached_property
    def _reader(self) -> Reader:
        """One for all rounds: it keeps the sums of hours that are over."""
        from .reader import Reader

        return Reader(self._settings.database, self._jobs, late_after=self._settings.alerts.late_limit)

    def make(self) -> None:
        """A round; what fails is said, and tried again in the next."""
        for part in (self._alert, self._textfile, self._heartbeat):
            try:
                part()
            except (SQLAlchemyError, SextonError, OSError) as error:
                self._say("watching failed", part=part.__name__.strip("_"), error=in_words(error))

    def _alert(self) -> None:
        from .alerts import deliver
        from .incidents import watch

        with read_only(self._engine) as connection:
            now = ask_now(connection)
        for event in watch(self._engine, self._jobs, self._settings.alerts, now):
            self._say("incident", what=event.what, job=event.job, kind=event.kind, text=event.text)
        sent = deliver(self._engine, self._channels, now)
        if sent.later or sent.given_up:
            self._say("alerts not sent", later=sent.later, given_up=sent.given_up)

    def _textfile(self) -> None:
        wanted = self._settings.metrics.textfile
        if wanted is None:
            return
        from .metrics import write_textfile

        write_textfile(Path(wanted), self._reader.read())

    def _heartbeat(self) -> None:
        url = self._settings.metrics.heartbeat
        if url is None:
            return
        from .heartbeat import ping

        if (failed := ping(url)) is not None:
            self._say("heartbeat failed", error=failed)


def needed(engine: Engine, settings: Settings) -> bool:
    """Whether a process that ran something and found nothing wrong should make a round all the same."""
    if settings.metrics.textfile is not None or settings.metrics.heartbeat is not None:
        return True
    with read_only(engine) as connection:
        own = own_tables(connection.dialect.name)
        is_open = exists(select(own.incidents.c.id).where(own.incidents.c.closed_at.is_(None)))
        waits = exists(select(own.alerts.c.id).where(own.alerts.c.sent_at.is_(None), own.alerts.c.next_at.is_not(None)))
        return bool(connection.execute(select(or_(is_open, waits))).scalar())
