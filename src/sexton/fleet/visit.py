"""One visit: one connection to one database, who it is, what is due there, every run by the path of any run, the end.

    connect ──> revision, identity ──> what is due ──> run after run, by priority ──> close
       └─ unreached   └─ behind, barred

Nothing that happens in one database passes to another: whatever ends a visit becomes its report, one line a job.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ..db.connect import connection_errors_translated, open_for_visit, read_only
from ..db.migrate import require_schema
from ..db.server_clock import ask_now
from ..errors import SextonError
from ..guard.arming import unarmed
from ..jobs.job import Job
from ..policies.contract import Plan
from ..run_state import NoRun, OutcomeCode
from ..runs.dry_run import dry_run
from ..runs.outcome import Outcome
from ..runs.runner import RunOptions, planned, run
from ..slots.claim import Claim, reap
from ..slots.demand import not_resting, waits
from ..slots.due import demandable, due_runs
from ..slots.due_run import DueRun
from ..slots.lease import short_transaction
from ..slots.schedule_overrides import in_force, next_slot, overrides
from ..slots.who_runs import refill_inside, without_inside
from .connecting import VisitConnection
from .contacts import contact_of
from .database import FleetDatabase
from .identity import confirm_identity
from .results import Contact, JobResult, VisitReport
from .standing import NotReached, standing_after

VISIT_GRACE_SECONDS = 30.0
"""Seconds that a visit may take beside the time limit of the run in hand; then its connection is cut."""

NOT_YET = "it was changed or armed, and its canaries have not run it yet"
"""Why a job is put off whose wave has not come."""

DEMAND_LOOK = timedelta(minutes=5)
"""Where a job is due whenever something waits for it, a database is visited at least so often."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be done in each database, the same in all.

    jobs: which.  slot: they run for it, whatever their schedules say; None: what is due by those.
    as_of: time of the runs; None: that of each database.  dry_run: only count.
    options: how runs behave; limits are given.  installation: of whose fleet the databases are.
    held: names of jobs that only run where they only count, as nobody has armed them there.
    due: those that count as not done where nothing can run; None: all.
    dialect: that the jobs were made for.  trusted: see `open_database`.  connect_seconds: to the server's answer.
    """

    jobs: tuple[Job, ...]
    options: RunOptions
    installation: str
    dialect: str
    slot: datetime | None = None
    as_of: datetime | None = None
    dry_run: bool = False
    held: frozenset[str] = frozenset()
    due: frozenset[str] | None = None
    trusted: tuple[str, ...] = ()
    connect_seconds: float = 5.0

    def not_done(self) -> Iterator[str]:
        """Names of jobs that stand otherwise where nothing can run; the others were not to run now."""
        return (job.name for job in self.jobs if self.due is None or job.name in self.due)

    @property
    def lease(self) -> float:
        """Seconds."""
        assert self.options.limits is not None
        return self.options.limits.lease


class Visit:
    """A visit while it goes on. `make` it in one thread; `ends` and `cut` are for the one that watches."""

    def __init__(self, database: FleetDatabase, errand: Errand) -> None:
        self.database = database
        self._errand = errand
        self._jobs = {job.name: job for job in errand.jobs}
        self._results: list[JobResult] = []
        self._next_at: dict[str, datetime | None] = {}
        self._contact = Contact.NONE
        self._connection = VisitConnection()
        self.ends = time.monotonic() + VISIT_GRACE_SECONDS

    def make(self) -> VisitReport:
        """Do it. Raises nothing that a database, its settings or a job can cause."""
        try:
            engine = open_for_visit(
                self.database.target(),
                connect_seconds=self._errand.connect_seconds,
                opened=self._connection.opened,
                trusted=self._errand.trusted,
            )
        except SextonError as error:  # its password cannot be had
            return self._ended(NotReached(str(error)), Contact.REFUSED)
        try:
            self._work(engine)
        except (SQLAlchemyError, SextonError, OSError) as error:
            # A database that was there and went says nothing about the others of its server.
            contact = contact_of(error) if self._contact is Contact.NONE else Contact.REFUSED
            if contact is Contact.REFUSED and not self._connection.made:
                self.database.doubt_password()
            return self._ended(error, contact)
        finally:
            self._connection.closed()
            engine.dispose()
        return self._report(Contact.MADE)

    def cut(self) -> None:
        """End its connection from outside: the server stands still, and no limit of it counts any more."""
        self._connection.cut()

    def _work(self, engine: Engine) -> None:
        if engine.dialect.name != self._errand.dialect:
            raise SextonError(f"it is {engine.dialect.name}, and the jobs were made for {self._errand.dialect}")
        waiting = self._look(engine)
        self._contact = Contact.MADE
        asked = self._errand.slot is not None or self._errand.dry_run
        unsettled: set[str] = set()
        while not self._stopping():
            if waiting:
                due = waiting.pop(0)
                if due.job not in unsettled and not self._run(engine, due):
                    unsettled.add(due.job)  # a later slot would pass this one
            elif asked:
                break
            else:  # the runs so far may have made something to do
                asked, waiting = True, self._demanded(engine, unsettled)

    def _stopping(self) -> bool:
        stop = self._errand.options.stop
        return stop is not None and stop.asked

    def _look(self, engine: Engine) -> list[DueRun]:
        """Whether it may be worked in, and what is to run, the most important first."""
        errand = self._errand
        if errand.dry_run:
            with read_only(engine) as connection:
                self._require(connection)
            return [DueRun(job.name, as_of=errand.as_of) for job in errand.jobs]
        with connection_errors_translated(engine), short_transaction(engine, errand.lease) as connection:
            self._require(connection)
            reap(connection)
            now = ask_now(connection)
            self._plan(connection, now)
            inside = refill_inside(connection, errand.jobs, now)
            if errand.slot is None:
                found = due_runs(connection, [replace(job, demand=None) for job in errand.jobs], now)
                found = without_inside(connection, inside, found)
            else:
                found = [*self._missed(connection, now), *(self._asked(job) for job in errand.jobs)]
        found = [due for due in found if due.job not in errand.held or self._only_counts(engine, due)]
        return sorted(found, key=lambda due: -self._jobs[due.job].priority)

    def _only_counts(self, engine: Engine, due: DueRun) -> bool:
        """Whether its run would change nothing, as it is not armed here; else it is put off, and that is a result."""
        with suppress(SextonError):  # its run would say what is wrong with it
            plans = [plan for plan in planned(self._jobs[due.job], engine) if isinstance(plan, Plan)]
            with read_only(engine) as connection:
                if unarmed(connection, due.job, plans) is not None:
                    return True
        self._results.append(JobResult(due.job, NoRun.HELD, due.slot, 0, NOT_YET, proves=False))
        return False

    def _require(self, connection: Connection) -> None:
        """SchemaOutdated, IdentityDiffers."""
        require_schema(connection)
        confirm_identity(connection, self.database, self._errand.installation)

    def _asked(self, job: Job) -> DueRun:
        return DueRun(job.name, self._errand.slot, self._errand.as_of)

    def _missed(self, connection: Connection, now: datetime) -> Iterator[DueRun]:
        """Slots of jobs that make up each of them: the one that was asked for would count as the last of them."""
        jobs = [job for job in self._errand.jobs if job.misfire.rule == "all"]
        yield from (due for due in due_runs(connection, jobs, now) if due.slot is not None)

    def _plan(self, connection: Connection, now: datetime) -> None:
        """When each job is due next, by the schedule that is in force here."""
        known = overrides(connection, self._errand.jobs)
        for job in self._errand.jobs:
            at = next_slot(in_force(job, known.get(job.name)), known.get(job.name), now)
            self._next_at[job.name] = min(at or now + DEMAND_LOOK, now + DEMAND_LOOK) if job.demand else at

    def _demanded(self, engine: Engine, unsettled: set[str]) -> list[DueRun]:
        """Jobs for which something waits. They are asked through the one connection, one after the other."""
        with short_transaction(engine, self._errand.lease) as connection:
            now = ask_now(connection)
            free = demandable(connection, self._errand.jobs, now, unsettled | self._errand.held)
            asked = not_resting(connection, free, now)
        return [DueRun(job.name) for job in asked if waits(engine, job, now)]

    def _run(self, engine: Engine, due: DueRun) -> bool:
        """Whether it was settled. DatabaseUnreachable and the like pass: they are in the way of all jobs."""
        job, claims = self._jobs[due.job], list[Claim]()
        self.ends = time.monotonic() + job.time_limit.total_seconds() + VISIT_GRACE_SECONDS
        if self._errand.dry_run:
            outcome = dry_run(engine, job, as_of=due.as_of)
        else:
            outcome = run(engine, job, due, replace(self._errand.options, started=claims.append))
        if outcome.failure is not None:
            outcome.failure.forget()
        if outcome.state is NoRun.UNREACHABLE:
            raise NotReached(str(outcome.error))
        self._take(due, outcome, claims[0].attempt if claims else int(outcome.run_id is not None))
        return outcome.settled

    def _take(self, due: DueRun, outcome: Outcome, attempt: int) -> None:
        """Of several slots of one job the last one counts, but for one that did not go well."""
        proves = outcome.code is not OutcomeCode.ONLY_COUNTED
        words = outcome.error if proves or outcome.note is None else f"{outcome.note} --database {self.database.name}"
        ended = (words, outcome.run_id, outcome.total, proves)
        result = JobResult(due.job, outcome.state, due.slot, attempt, *ended)
        before = next((one for one in self._results if one.job == due.job), None)
        if before is not None and not before.done:
            return
        self._results = [one for one in self._results if one is not before] + [result]

    def _ended(self, error: Exception, contact: Contact) -> VisitReport:
        """Nothing more could be done: how that counts for the jobs that have no result."""
        state, words = standing_after(error)
        told = {result.job for result in self._results}
        slot, held = self._errand.slot, self._errand.held
        left = [name for name in self._errand.not_done() if name not in told]
        self._results += (JobResult(name, state, slot, 0, words, proves=name not in held) for name in left)
        return self._report(contact)

    def _report(self, contact: Contact) -> VisitReport:
        return VisitReport(self.database.name, self.database.server, contact, tuple(self._results), self._next_at)
