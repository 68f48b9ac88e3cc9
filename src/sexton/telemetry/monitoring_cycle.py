"""One round of watching: assess, deliver, write the textfile, call the heartbeat. A worker makes one every 15 seconds,
`run --due` one after it ran something, and while an incident is open or a message waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, exists, or_, select
from sqlalchemy.exc import SQLAlchemyError

from ..config import Settings
from ..db.connect import read_only
from ..db.faults import in_words
from ..db.server_clock import ask_now
from ..db.tables import own_tables
from ..errors import SextonError
from ..jobs.job import Job
from ..run_state import FAILURES
from .alert_rules import NONE_UNLOADED, Unloaded

if TYPE_CHECKING:
    from .health_reader import HealthReader

SayEvent = Callable[..., None]


class MonitoringCycle:
    """The cycle of one process. say: writes a line of log.  reader: for the textfile, one of its own by default.

    unloaded: modules, packs and policies whose jobs are not among these, looked at anew in each round.

    SettingsError when a channel cannot work here.
    """

    def __init__(
        self,
        engine: Engine,
        jobs: Sequence[Job],
        settings: Settings,
        say: SayEvent,
        reader: HealthReader | None = None,
        unloaded: Unloaded = NONE_UNLOADED,
    ) -> None:
        from .alert_delivery import channels_of

        self._engine = engine
        self._jobs = jobs
        self._settings = settings
        self._say = say
        self._unloaded = unloaded
        self._channels = channels_of(settings)
        self._given = reader
        self._since: datetime | None = None

    @cached_property
    def _reader(self) -> HealthReader:
        """One for all rounds: it keeps the sums of hours that are over."""
        if self._given is not None:
            return self._given
        from .health_reader import HealthReader

        return HealthReader.of(self._settings, self._jobs)

    def make(self, *, failed: bool = False) -> None:
        """A round; what fails is said, and tried again in the next. failed: a run of this process has.

        Whatever goes wrong, the next round comes: a watcher that dies is not missed by anybody."""
        well = not failed
        for part in (self._alert, self._textfile):
            well = self._done(part) and well
        if well:
            self._done(self._heartbeat)

    def _done(self, part: Callable[[], bool]) -> bool:
        try:
            return part()
        except (SQLAlchemyError, SextonError, OSError) as error:
            words = in_words(error)
        except Exception as error:  # of errors that nobody foresaw only the kind: their text may hold anything
            words = f"unexpected {type(error).__name__}"
        self._say("watching failed", part=part.__name__.strip("_"), error=words)
        return False

    def _alert(self) -> bool:
        """Look for incidents and deliver; whether no run failed since the last round."""
        from .alert_delivery import deliver
        from .assessment import assess_jobs

        with read_only(self._engine) as connection:
            now = ask_now(connection)
        for event in assess_jobs(self._engine, self._jobs, self._settings.alerts, now, dict(self._unloaded)):
            self._say("incident", what=event.what, job=event.job, kind=event.kind, text=event.text)
        sent = deliver(self._engine, self._channels, now, most=self._settings.alerts.most_per_hour)
        if sent.later or sent.given_up:
            self._say("alerts not sent", later=sent.later, given_up=sent.given_up)
        since, self._since = self._since, now
        return since is None or not self._failed_since(since)

    def _failed_since(self, since: datetime) -> bool:
        with read_only(self._engine) as connection:
            runs = own_tables(connection.dialect.name).runs.c
            failed = exists(select(runs.id).where(runs.finished_at > since, runs.state.in_(FAILURES)))
            return bool(connection.execute(select(failed)).scalar())

    def _textfile(self) -> bool:
        wanted = self._settings.metrics.textfile
        if wanted is None:
            return True
        from .metrics import write_textfile

        write_textfile(Path(wanted), self._reader.read(), self._settings.metrics.group)
        return True

    def _heartbeat(self) -> bool:
        """A sign of life, while no run fails and all parts of the round work."""
        url = self._settings.metrics.heartbeat
        if url is None:
            return True
        from .heartbeat import ping

        if (failed := ping(url)) is not None:
            self._say("heartbeat failed", error=failed)
        return failed is None


def needed_facts(engine: Engine, settings: Settings) -> bool:
    """Whether a process that ran something and found nothing wrong should make a round all the same."""
    if settings.metrics.textfile is not None or settings.metrics.heartbeat is not None:
        return True
    with read_only(engine) as connection:
        own = own_tables(connection.dialect.name)
        unsettled = or_(own.incidents.c.closed_at.is_(None), own.incidents.c.restless_since.is_not(None))
        is_open = exists(select(own.incidents.c.id).where(unsettled))
        waits = exists(select(own.alerts.c.id).where(own.alerts.c.sent_at.is_(None), own.alerts.c.next_at.is_not(None)))
        return bool(connection.execute(select(or_(is_open, waits))).scalar())
