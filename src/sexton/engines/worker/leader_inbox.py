"""What a leader has before it: when to look at which job, and what others changed or asked for meanwhile."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ...app import App
from ...db.connect import read_only
from ...db.server_clock import ask_now
from ...jobs.job import Job
from ...slots.due import demanded, newest_attempts, tried_again
from ...slots.due_run import DueRun
from ...slots.queue import waiting
from ...slots.schedule_overrides import in_force, next_slot, overrides, version
from ...slots.wake import understood
from .agenda import Agenda
from .listener import Listener

DEAF = 10
"""Looks after which listening is tried again, when it did not work."""

DOUBT = 10.0
"""Seconds for which nobody is taken at his word after somebody called out a run that does not wait (SEC-2)."""


class LeaderInbox:
    """Of one worker, or scheduler; used while it leads. jobs: those that it starts."""

    def __init__(self, app: App, jobs: Sequence[Job]) -> None:
        self._names = {job.name for job in jobs}
        self.agenda = Agenda()
        self._app = app
        self._listener: Listener | None = None
        self._deaf = 0
        self._doubted = 0.0
        self._version = -1
        self._demanding = [job for job in jobs if job.demand is not None]

    def sources(self) -> list[Listener]:
        """What else to select on."""
        if self._listener is not None and self._listener.closed:
            self._hang_up()
        return [self._listener] if self._listener is not None else []

    def called(self) -> tuple[list[DueRun], bool]:
        """Runs that were called out since the last time, which need not be looked for; and whether to look.

        Runs are at most one a job. They may not be there: whoever may connect can call, so claiming decides.
        """
        hints = understood(self._heard())
        names = self._names & hints.runs.keys()
        if time.monotonic() < self._doubted:
            return [], hints.look or bool(names)
        return [DueRun(name, queued=hints.runs[name]) for name in sorted(names)], hints.look

    def misled(self) -> None:
        """A run that was called out does not wait; another worker may have taken it, or somebody plays with us."""
        self._doubted = time.monotonic() + DOUBT

    def _heard(self) -> list[bytes]:
        """What was called out since the last time. Listens when it does not yet."""
        if self._app.database.dialect.name != "postgresql":
            return []
        try:
            if self._listener is None:
                self._deaf -= 1
                if self._deaf < 0:
                    self._deaf = DEAF
                    self._listener = Listener(self._app.database)
                return []
            return self._listener.heard()
        except Exception as error:  # the driver's own errors: it cannot listen here, or no more
            if not isinstance(error, OSError | SQLAlchemyError) and not type(error).__module__.startswith("psycopg"):
                raise
            self._hang_up()
            return []

    def changed(self, busy: Collection[str]) -> tuple[bool, set[str], list[DueRun]]:
        """Whether somebody changed a schedule since the last time; jobs that are asked for; runs of those in demand.

        busy: jobs of which no such run is wanted, as one waits or is under way.
        """
        with read_only(self._app.database) as connection:
            now = version(connection)
            asked = {job for _, job in waiting(connection)} & self._names
            at = ask_now(connection) if self._demanding else None
            in_demand = [] if at is None else list(demanded(connection, self._demanding, at, busy))
        before, self._version = self._version, now
        return now != before and before >= 0, asked, in_demand

    def plan(self, connection: Connection, jobs: Collection[Job], now: datetime) -> None:
        """Write the next slots of these jobs into the agenda, and when failed or cut-off runs are to be tried again."""
        known = overrides(connection, jobs)
        tried = newest_attempts(connection, [job.name for job in jobs if job.schedule is not None], now)
        for job in jobs:
            change = known.get(job.name)
            slot = next_slot(in_force(job, change), change, now)
            if slot is not None:
                self.agenda.look_at(job.name, slot)
            if (again := tried_again(job, tried.get(job.name))) is not None and again > now:
                self.agenda.look_at(job.name, again)

    def soon(self, name: str, now: datetime) -> None:
        """Look at this job again: its run has ended, its next slot may be due already."""
        self.agenda.look_at(name, now)

    def close(self) -> None:
        """Leave the desk: forget the agenda, hang up."""
        self.agenda.clear()
        self._version = -1
        self._hang_up()

    def _hang_up(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
