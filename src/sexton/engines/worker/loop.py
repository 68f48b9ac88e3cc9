"""The worker: one loop that leads or stands by, looks at what is due, and hands runs to executors.

     standby ──lease free──> leader: agenda ──due──> waiting ──executor idle──> run ──ended──> agenda
        ^                      │
        └── lease lost, database gone (runs under way go on: each has a lease of its own)

It waits for whatever comes first: the next slot, a NOTIFY, an executor's word, a signal, a lease to renew.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from signal import SIGKILL
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from ...app import App
from ...db.faults import in_words
from ...errors import SchemaOutdated, SextonError, UsageError
from ...jobs.zones import renew_zones
from ...run_state import NoRun, OutcomeCode
from ...runs.outcome import Outcome
from ...runs.stop_signals import Stop
from ...slots.claim import holder_name
from ...slots.due_run import DueRun
from ...slots.lease import short_transaction
from ..contract import is_called_by_worker, jobs_of_worker, look, not_begun
from ..executor.assignments import Assignment
from ..executor.messages import outcome_of
from ..executor.orphans import OrphanedRuns
from ..executor.process import Executor
from ..garbage_collection import freeze_loaded
from ..run_order import DueQueue
from .database_outage import DatabaseOutage
from .leader_inbox import LeaderInbox
from .leadership import Leadership
from .readiness import Readiness
from .request_desk import RequestDesk
from .shutdown import end_runs
from .timers import Timers

QUEUE_POLL_SECONDS = 1.0
"""Seconds between two looks at the queue and at changed schedules, for those whom no NOTIFY reaches."""

ELECTION = 0.5
"""Seconds between two looks of a standby at the lease."""

ALL = 60.0
"""Seconds between two looks at all jobs, whatever the agenda says: others may have cancelled a run."""

Say = Callable[..., None]
"""`say(event, **fields)` writes one line of log."""


class Worker:
    """One worker process. executors: one for each run at once.

    jobs: those that no other engine carries; which other ones there are decides the settings.
    grace: seconds that runs have to end their batch in, once it is to stop; None: the length of a lease.
    """

    def __init__(
        self, app: App, executors: Sequence[Executor], *, stop: Stop, say: Say, grace: float | None = None
    ) -> None:
        self.app = app
        self.stop = stop
        self.say = say
        self.limits = app.limits()
        self.grace = self.limits.lease if grace is None else grace
        self.executors = executors
        self.readiness = Readiness(executors, say)
        self.leadership = Leadership(app.database, holder_name(), self.limits.lease, self.readiness)
        self.jobs = jobs_of_worker(app)
        self.inbox = LeaderInbox(app, self.jobs)
        self.waiting = DueQueue(app.registry)
        self.desk = RequestDesk(app, executors, self.leadership.holder, say)
        self.orphans = OrphanedRuns(app)
        self.timers = Timers()
        self.outage = DatabaseOutage(say)
        self.led = self.settled = False

    def run(self) -> None:
        """Work until somebody asks to stop; then give the lead back at once and let the runs end their batch."""
        while not self.stop.asked:
            try:
                if time.monotonic() >= self.outage.rest_until:
                    self.turn()
                    self.outage.answered()
                    self._settle()
            except SchemaOutdated:
                self._leave()
                raise
            except (SQLAlchemyError, SextonError, OSError) as error:  # OSError: no descriptors for a connection
                self._trouble(error)
            self._wait()
        self._leave()

    def _settle(self) -> None:
        """Once, when it leads and has looked at all jobs: everything that it needs is loaded."""
        if self.led and not self.settled:
            self.settled = True
            freeze_loaded()

    def idle_seconds(self) -> float:
        """Since the loop last turned: what `/healthz` judges."""
        return time.monotonic() - self.timers.turned

    def leads(self) -> bool:
        """Whether it is the one that watches."""
        return self.leadership.leading

    def without_database(self) -> float:
        """Seconds for which the database could not be asked, or did not answer; 0 when it does, or when we stood by."""
        return self.outage.seconds(self.idle_seconds()) if self.led else 0.0

    def turn(self) -> None:
        """Everything there is to do now. Database errors pass."""
        self.timers.turned = now = time.monotonic()
        self._watch()
        if now >= self.timers.election:
            self._elect(now)
        if self.leadership.leading:
            self._find(now)
            self._dispatch()
        # Of several executors one is left for what is due by a schedule.
        self.desk.turn(self.leadership.leading, int(self.leadership.leading and len(self.executors) > 1))
        if self.leadership.leading:
            self.outage.worked()

    def _elect(self, now: float) -> None:
        leading = self.leadership.turn()
        self.timers.election = now + (self.limits.renew if leading else ELECTION)
        if leading != self.led:
            self.led = leading
            self.say("leading" if leading else "standing by", epoch=self.leadership.epoch or None)
            self.waiting.clear()
            self.inbox.close()
            self.timers.all = self.timers.look = 0.0

    def _find(self, now: float) -> None:
        """Put what is due into `waiting`."""
        called, hinted = self.inbox.called()
        for run in called:
            self.waiting.add(run)
        names = {*self.inbox.agenda.due(self.leadership.clock.now())} | self.waiting.released()
        everything = now >= self.timers.all
        if everything or hinted or now >= self.timers.look:
            self.timers.look = now + QUEUE_POLL_SECONDS
            changed, asked, demanded = self.inbox.changed({*self._under_way(), *self.waiting.names()})
            names |= asked
            if changed:
                self.waiting.clear()
            everything = everything or changed
            for run in demanded:
                if not everything and run.job not in names:  # else the look finds it, or a slot that does its work
                    self.waiting.add(run)
        if everything:
            if renew_zones():
                self.say("new rules of time zones")
            self.timers.all = now + ALL
            self.inbox.agenda.clear()
            names = {job.name for job in self.jobs}
        if names:
            self._look_at(names)

    def _look_at(self, names: set[str]) -> None:
        jobs = [job for job in self.jobs if job.name in names]
        busy = {*self._under_way()}
        with short_transaction(self.app.database, self.limits.lease) as connection:
            now, found = look(connection, jobs, busy, all_slots=is_called_by_worker(self.app))
            self.inbox.plan(connection, jobs, now)
        known = busy | self.waiting.names()
        for due in found:
            if due.queued is not None or due.job not in known:
                self.waiting.add(due)

    def _dispatch(self) -> None:
        for executor in [executor for executor in self.executors if executor.idle]:
            due = self.waiting.next(self._under_way(), len(self.executors))
            while due is not None and self._lapsed(due):
                self.inbox.soon(due.job, self.leadership.clock.now())  # to be put on record as given up
                due = self.waiting.next(self._under_way(), len(self.executors))
            if due is None:
                return
            executor.give(due, self.app.registry.get(due.job).time_limit.total_seconds())
        if len(self.waiting):
            self.desk.call_back()

    def _lapsed(self, due: DueRun) -> bool:
        """Whether it has waited behind others until it was too late by its misfire rule."""
        lateness = self.app.registry.get(due.job).misfire.lateness
        return due.slot is not None and self.leadership.clock.now() - due.slot > lateness

    def _under_way(self) -> list[str]:
        """Names of the jobs that run now."""
        return [executor.assignment.due.job for executor in self.executors if executor.assignment]

    def _watch(self) -> None:
        """End what is overdue, start what has ended, and close runs whose process is gone."""
        for executor in self.executors:
            if executor.overdue():
                executor.signal(SIGKILL)
            executor.renew()
            executor.start()
            if executor.failure != executor.said:
                executor.said = executor.failure
                if executor.failure:
                    self.say("an executor could not start", reason=executor.failure)
        self.orphans.try_again()

    def _ended(self, done: Assignment) -> None:
        """An executor has ended a run, or has left it."""
        outcome = self._outcome(done)
        then = self.waiting.ended(done.due.job, outcome, closing=self.orphans.includes(done.due.job))
        if outcome.run_id is not None:
            self.readiness.has_begun()
        elif then.in_the_way:
            self.readiness.was_refused(str(outcome.error))
        if done.due.queued is not None and outcome.state is NoRun.ALREADY_DONE:
            self.inbox.misled()
        if then.settled:
            self.inbox.soon(done.due.job, self.leadership.clock.now())

    def _outcome(self, done: Assignment) -> Outcome:
        """How a run ended; of one whose process is gone this says so in the log, as nobody else does."""
        said: dict[str, Any] = done.outcome or {}
        if said["event"] == "ended":
            self.orphans.lost(done)
            return outcome_of(said)
        if not done.claimed and self.stop.asked:
            return not_begun(done.due, self.stop.reason, OutcomeCode.STOPPED)
        outcome = self.orphans.take(done)
        said = {"state": outcome.state, "error": outcome.error, "outcome_code": outcome.code}
        self.say("run ended", job=outcome.job, run=outcome.run_id, **said)
        return outcome

    def _wait(self) -> None:
        """Until the next thing to do."""
        lines = [executor.line for executor in self.executors if executor.line is not None]
        sources: list[Any] = [*lines, self.stop, *self.inbox.sources(), *self.desk.sources()]
        ready, _, _ = select.select(sources, [], [], self._pause())
        for executor in self.executors:
            if executor.line is not None and executor.line in ready:
                for done in executor.read():
                    self._ended(done)
                if executor.assignment is not None and executor.assignment.claimed:
                    self.readiness.has_begun()
                if executor.unloaded is not None:
                    self._not_loaded(executor.unloaded)

    def _not_loaded(self, unloaded: dict[str, str]) -> None:
        """Executors load the product's modules anew; what they cannot load is said each time, and watched."""
        known = self.app.registry.unloaded
        for source in [source for source in known if source not in unloaded]:
            del known[source]
        for source, error in unloaded.items():
            known[source] = UsageError(error)
            self.say("jobs not loaded", source=source, error=error)

    def _pause(self) -> float:
        timers = self.timers
        if self.outage.rest_until > time.monotonic():
            return self.outage.rest_until - time.monotonic()
        runs = [executor.assignment for executor in self.executors if executor.assignment]
        # A process that was killed may take its time to end, in the middle of a read from a disk that is away.
        ends = [timers.election, self.desk.next_look(), *(max(run.ends, timers.turned + 0.1) for run in runs)]
        if self.leadership.leading:
            ends += [timers.look, timers.all]
            if (released := self.waiting.releases_at()) is not None:
                ends.append(released)
            if (at := self.inbox.agenda.next()) is not None:
                left = (at - self.leadership.clock.now()).total_seconds()
                ends.append(time.monotonic() + left)
        if self.orphans.waits:
            ends.append(timers.turned + 0.5)
        return min(max(min(ends) - time.monotonic(), 0.0), QUEUE_POLL_SECONDS)

    def _trouble(self, error: Exception) -> None:
        """The database cannot be asked: what was known of it is forgotten, and asked again after a rest."""
        self.readiness.has_begun()  # the database is away for all of us
        self.inbox.close()
        self.desk.forget()
        self.timers.all = 0.0
        self.outage.noticed(error)

    def _leave(self) -> None:
        try:
            self.leadership.resign()
        except (SQLAlchemyError, SextonError) as error:
            self.say("the lead could not be given back; it ends by itself", error=in_words(error))
        self.inbox.close()
        end_runs(self.executors, self.grace, self._ended)
        self.desk.close()
        self.say("worker ended", reason=self.stop.reason or "its tables are of another version")
