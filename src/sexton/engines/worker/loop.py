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
from signal import SIGKILL, SIGTERM, Signals
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from ...app import App
from ...db.faults import in_words
from ...errors import DatabaseUnreachable, SchemaOutdated, SextonError, UsageError
from ...jobs.zones import renew_zones
from ...run_state import NoRun
from ...runs.outcome import Outcome
from ...runs.stop_signals import Stop
from ...slots.claim import holder_name
from ...slots.due_run import DueRun
from ...slots.lease import short_transaction
from ..contract import UNSETTLED_SECONDS, after, look, not_begun
from ..executor.messages import outcome_of
from ..executor.orphans import OrphanedRuns
from ..executor.process import Assignment, Executor
from ..run_order import DueQueue
from .leader_inbox import LeaderInbox
from .leadership import Leadership
from .readiness import Fitness
from .timers import Timers

QUEUE_POLL_SECONDS = 1.0
"""Seconds between two looks at the queue and at changed schedules, for those whom no NOTIFY reaches."""

ELECTION = 0.5
"""Seconds between two looks of a standby at the lease."""

ALL = 60.0
"""Seconds between two looks at all jobs, whatever the agenda says: others may have cancelled a run."""

SILENT = 5.0
"""Seconds without a turn of the loop from which on the database counts as not answering."""

STARTUP = 60.0
"""Seconds that a worker waits for its database when it starts; later it waits for ever."""

Say = Callable[..., None]
"""`say(event, **fields)` writes one line of log."""


class Worker:
    """One worker process. executors: one for each run at once."""

    def __init__(self, app: App, executors: Sequence[Executor], *, stop: Stop, say: Say) -> None:
        self.app = app
        self.stop = stop
        self.say = say
        self.limits = app.limits()
        self.executors = executors
        self.fitness = Fitness(executors, say)
        self.leadership = Leadership(app.database, holder_name(), self.limits.lease, self.fitness)
        self.desk = LeaderInbox(app)
        self.waiting = DueQueue(app.registry)
        self.orphans = OrphanedRuns(app)
        self.timers = Timers()
        self.led = self.reached = False
        self.trouble = ""

    def run(self) -> None:
        """Work until somebody asks to stop; then give the lead back at once and let the runs end their batch."""
        began = time.monotonic()
        while not self.stop.asked:
            try:
                if time.monotonic() >= self.timers.rest:
                    self.turn()
                    self.reached, self.timers.trouble, self.trouble = True, 0.0, ""
            except SchemaOutdated:
                self._leave()
                raise
            except (SQLAlchemyError, SextonError, OSError) as error:  # OSError: no descriptors for a connection
                self._trouble(error)
                if not self.reached and time.monotonic() - began > STARTUP:
                    raise DatabaseUnreachable(f"no database for {STARTUP:.0f} s: {in_words(error)}") from error
            self._wait()
        self._leave()

    def idle_seconds(self) -> float:
        """Since the loop last turned: what `/healthz` judges."""
        return time.monotonic() - self.timers.turned

    def without_database(self) -> float:
        """Seconds for which the database could not be asked, or did not answer; 0 when it does, or when we stood by."""
        if not self.led:
            return 0.0
        refused = time.monotonic() - self.timers.trouble if self.timers.trouble else 0.0
        silent = self.idle_seconds()  # the loop waits for nothing else for longer than a second
        return max(refused, silent if silent > SILENT else 0.0)

    def turn(self) -> None:
        """Everything there is to do now. Database errors pass."""
        self.timers.turned = now = time.monotonic()
        self._watch()
        if now >= self.timers.election:
            self._elect(now)
        if not self.leadership.leading:
            return
        self._find(now)
        self._dispatch()
        self.timers.patience = 0.2

    def _elect(self, now: float) -> None:
        leading = self.leadership.turn()
        self.timers.election = now + (self.limits.renew if leading else ELECTION)
        if leading != self.led:
            self.led = leading
            self.say("leading" if leading else "standing by", epoch=self.leadership.epoch or None)
            self.waiting.clear()
            self.desk.close()
            self.timers.all = self.timers.look = 0.0

    def _find(self, now: float) -> None:
        """Put what is due into `waiting`."""
        called, hinted = self.desk.called()
        for run in called:
            self.waiting.add(run)
        names = {*self.desk.agenda.due(self.leadership.clock.now())} | self.waiting.released()
        everything = now >= self.timers.all
        if everything or hinted or now >= self.timers.look:
            self.timers.look = now + QUEUE_POLL_SECONDS
            changed, asked = self.desk.changed()
            names |= asked
            if changed:
                self.waiting.clear()
            everything = everything or changed
        if everything:
            if renew_zones():
                self.say("new rules of time zones")
            self.timers.all = now + ALL
            self.desk.agenda.clear()
            names = {*self.app.registry.names()}
        if names:
            self._look_at(names)

    def _look_at(self, names: set[str]) -> None:
        jobs = [job for job in self.app.registry if job.name in names]
        busy = {*self._under_way()}
        with short_transaction(self.app.database, self.limits.lease) as connection:
            now, found = look(connection, jobs, busy)
            self.desk.plan(connection, jobs, now)
        known = busy | self.waiting.names()
        for due in found:
            if due.queued is not None or due.job not in known:
                self.waiting.add(due)

    def _dispatch(self) -> None:
        for executor in [executor for executor in self.executors if executor.idle]:
            due = self.waiting.next(self._under_way(), len(self.executors))
            while due is not None and self._lapsed(due):
                self.desk.soon(due.job, self.leadership.clock.now())  # to be put on record as given up
                due = self.waiting.next(self._under_way(), len(self.executors))
            if due is None:
                return
            executor.give(due, self.app.registry.get(due.job).time_limit.total_seconds())

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
        then = after(outcome)
        if outcome.run_id is not None:
            self.fitness.has_begun()
        elif then.in_the_way:
            self.fitness.was_refused(str(outcome.error))
        if done.due.queued is not None and outcome.state is NoRun.ALREADY_DONE:
            self.desk.misled()
        if then.settled and not self.orphans.includes(done.due.job):
            self.desk.soon(done.due.job, self.leadership.clock.now())
        else:
            self.waiting.hold_back(done.due.job, max(then.look_again, UNSETTLED_SECONDS))

    def _outcome(self, done: Assignment) -> Outcome:
        """How a run ended; of one whose process is gone this says so in the log, as nobody else does."""
        said: dict[str, Any] = done.outcome or {}
        if said["event"] == "ended":
            self.orphans.lost(done)
            return outcome_of(said)
        if not done.claimed and self.stop.asked:
            return not_begun(done.due, self.stop.reason)
        outcome = self.orphans.take(done)
        said = {"state": outcome.state, "error": outcome.error, "outcome_code": outcome.code}
        self.say("run ended", job=outcome.job, run=outcome.run_id, **said)
        return outcome

    def _wait(self) -> None:
        """Until the next thing to do."""
        lines = [executor.line for executor in self.executors if executor.line is not None]
        sources: list[Any] = [*lines, self.stop, *self.desk.sources()]
        ready, _, _ = select.select(sources, [], [], self._pause())
        for executor in self.executors:
            if executor.line is not None and executor.line in ready:
                for done in executor.read():
                    self._ended(done)
                if executor.assignment is not None and executor.assignment.claimed:
                    self.fitness.has_begun()
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
        if timers.rest > time.monotonic():
            return timers.rest - time.monotonic()
        runs = [executor.assignment for executor in self.executors if executor.assignment]
        # A process that was killed may take its time to end, in the middle of a read from a disk that is away.
        ends = [timers.election, *(max(run.ends, timers.turned + 0.1) for run in runs)]
        if self.leadership.leading:
            ends += [timers.look, timers.all]
            if (released := self.waiting.releases_at()) is not None:
                ends.append(released)
            if (at := self.desk.agenda.next()) is not None:
                left = (at - self.leadership.clock.now()).total_seconds()
                ends.append(time.monotonic() + left)
        if self.orphans.waits:
            ends.append(timers.turned + 0.5)
        return min(max(min(ends) - time.monotonic(), 0.0), QUEUE_POLL_SECONDS)

    def _trouble(self, error: Exception) -> None:
        """The database cannot be asked: rest, up to 5 seconds; said once for each kind of trouble in a row."""
        if self.trouble != (words := in_words(error)):
            self.trouble = words
            self.say("database trouble", error=words)
        self.timers.trouble = self.timers.trouble or time.monotonic()
        self.fitness.has_begun()  # the database is away for all of us
        self.desk.close()
        self.timers.all = 0.0
        self.timers.rest = time.monotonic() + self.timers.patience
        self.timers.patience = min(self.timers.patience * 2, 5.0)

    def _leave(self) -> None:
        try:
            self.leadership.resign()
        except (SQLAlchemyError, SextonError) as error:
            self.say("the lead could not be given back; it ends by itself", error=in_words(error))
        self.desk.close()
        self._signal_all(SIGTERM)
        for executor in self.executors:
            executor.leave()
        deadline = time.monotonic() + self.limits.lease
        while (alive := [executor for executor in self.executors if executor.alive]) and time.monotonic() < deadline:
            ready, _, _ = select.select([executor.line for executor in alive if executor.line], [], [], 0.1)
            for executor in alive:
                if executor.line in ready:
                    for done in executor.read():
                        self._ended(done)
        self._signal_all(SIGKILL)
        self.say("worker ended", reason=self.stop.reason or "its tables are of another version")

    def _signal_all(self, number: Signals) -> None:
        for executor in self.executors:
            executor.signal(number)
