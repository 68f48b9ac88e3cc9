"""One engine's part of a scheduler: it stands for the engine's lease, finds what is due, and has it submitted.

standby ──lease free──> leader: agenda ──due──> row queued ──submitter──> the engine
   ^                      │                        (its run ends) ──> looked at again
   └── lease lost, database gone
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from ..app import App
from ..db.connect import read_only
from ..db.server_clock import ask_now
from ..jobs.zones import renew_zones
from ..slots.claim import clocks_apart, dead_jobs, holder_name
from ..slots.lease import LEADER, short_transaction
from ..slots.overdue import close_overdue
from ..slots.submission import open_runs, queue_due
from .carrier import Engine, EngineUnreachable, KeepsUp
from .contract import look
from .request_doorbell import RequestDoorbell
from .request_submitter import RequestSubmitter
from .submitter import Submitter
from .worker.leader_inbox import LeaderInbox
from .worker.leadership import Leadership
from .worker.listener import Listener
from .worker.timers import Timers

LOOK_SECONDS = 1.0
"""Seconds between two looks at what waits, at runs that ended, and at changed schedules."""

ELECTION_SECONDS = 0.5
"""Seconds between two looks of a standby at the lease."""

ALL_SECONDS = 60.0
"""Seconds between two looks at all jobs, whatever the agenda says."""


def leader_of(engine: str) -> str:
    """Name of the lease by which schedulers choose the one that submits to this engine."""
    return f"{LEADER}:{engine}"


class EngineDesk:
    """Of one engine, in one process; `turn` it again and again, after `pause()` seconds or when a source speaks.

    jobs: those that the settings give to this engine.  say: writes a line of log.
    """

    def __init__(self, app: App, name: str, engine: Engine, say: Callable[..., None]) -> None:
        self.name = name
        self.jobs = [job for job in app.registry if job.engine == name]
        self.submitter = Submitter(app, name, engine, self.jobs, say)
        self.requests = RequestSubmitter(app, name, engine, self.jobs, self.submitter.outage)
        self.reason = ""
        """Why it may not lead, for everybody; empty while it may."""
        self._app = app
        self._say = say
        self._limits = app.limits()
        holder = holder_name()
        self._leadership = Leadership(app.database, holder, self._limits.lease, self, lease=leader_of(name))
        self._doorbell = RequestDoorbell(app, name, holder)
        self._inbox = LeaderInbox(app, self.jobs)
        self._timers = Timers()
        self._open: set[str] = set()
        self._more = False
        self.led = False

    @property
    def leading(self) -> bool:
        """Whether it submits to the engine now."""
        return self._leadership.leading

    def may_lead(self, now: datetime, took: float) -> bool:
        """Whether our clock agrees with the database's; says so when that has changed."""
        reason = clocks_apart(now, took)
        if bool(reason) != bool(self.reason):
            self._say("cannot submit" if reason else "can submit again", engine=self.name, reason=reason or None)
        self.reason = reason
        return not reason

    def turn(self) -> None:
        """Everything there is to do now. Database errors and SchemaOutdated pass."""
        now = time.monotonic()
        if now >= self._timers.election:
            self._elect(now)
        if not self.leading:
            return
        self._find(now)
        try:
            self._hand_on(now)
        except EngineUnreachable as error:  # of an engine in our database: what was marked is rolled back
            self._more = False
            self.submitter.outage.noticed(error)

    def _hand_on(self, now: float) -> None:
        self.submitter.submit()
        if self.requests.open:
            self._doorbell.keep_up(now)
            self._more = self.requests.submit() > 0
            if self._doorbell.rests(now, idle=not self._more):
                self._more = self.requests.submit() > 0
        if time.monotonic() >= self.submitter.outage.rest_until and isinstance(self.submitter.engine, KeepsUp):
            with self.submitter.outage.its_own():
                self.submitter.engine.keep_up()

    def pause(self) -> float:
        """Seconds until the next turn, when no source speaks before."""
        if self.leading and self._more:
            return 0.0
        ends = [self._timers.election]
        if self.leading:
            ends.append(self._timers.look)
            if (at := self._inbox.agenda.next()) is not None:
                ends.append(time.monotonic() + (at - self._leadership.clock.now()).total_seconds())
        return min(max(min(ends) - time.monotonic(), 0.0), LOOK_SECONDS)

    def sources(self) -> list[Listener]:
        """What else to select on."""
        return [*self._inbox.sources(), *self._doorbell.sources()]

    def forget(self) -> None:
        """The database cannot be asked: what was known of it is asked again."""
        self._inbox.close()
        self._timers.all, self._more = 0.0, False

    def leave(self) -> None:
        """Give the lead back, so that another scheduler leads at once. Database errors pass."""
        self._inbox.close()
        self._doorbell.close()
        self._leadership.resign()
        self.submitter.engine.close()

    def _elect(self, now: float) -> None:
        leading = self._leadership.turn()
        self._timers.election = now + (self._limits.renew if leading else ELECTION_SECONDS)
        if leading != self.led:
            self.led = leading
            words = "leading" if leading else "standing by"
            self._say(words, engine=self.name, epoch=self._leadership.epoch or None)
            self._inbox.close()
            self._doorbell.close()
            self._timers.all = self._timers.look = 0.0

    def _find(self, now: float) -> None:
        """Queue what is due. Runs that are called out wait in their rows: the submitter finds them."""
        _, hinted = self._inbox.called()
        names = {*self._inbox.agenda.due(self._leadership.clock.now())}
        everything = now >= self._timers.all
        if everything or hinted or now >= self._timers.look:
            self._timers.look = now + LOOK_SECONDS
            changed, _, demanded = self._inbox.changed(self._open)
            names |= {run.job for run in demanded} | self._ended()
            everything = everything or changed
        if everything:
            if renew_zones():
                self._say("new rules of time zones")
            self._timers.all = now + ALL_SECONDS
            self._inbox.agenda.clear()
            names = {job.name for job in self.jobs}
        if names:
            self._queue(names)

    def _ended(self) -> set[str]:
        """Jobs whose runs have ended since, or whose process is gone: their next slot may be due, or this one again."""
        ours = {job.name for job in self.jobs}
        with read_only(self._app.database) as connection:
            open_now = {run.job for run in open_runs(connection)} & ours
            dead = dead_jobs(connection) & ours
        ended, self._open = self._open - open_now, open_now
        return ended | dead

    def _queue(self, names: set[str]) -> None:
        jobs = [job for job in self.jobs if job.name in names]
        with short_transaction(self._app.database, self._limits.lease) as connection:
            busy = {run.job for run in open_runs(connection)}
            close_overdue(connection, self.jobs, ask_now(connection))
            now, found = look(connection, jobs, busy)
            busy = {run.job for run in open_runs(connection)}  # without those that the look has closed
            # A later slot waits for the end of the run before: its row would take the place of none.
            new = {due.job for due in found if due.job not in busy and queue_due(connection, due, self.name)}
            self._inbox.plan(connection, jobs, now)
        self._open |= new | busy & {job.name for job in self.jobs}
