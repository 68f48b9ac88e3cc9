"""A job run over the whole fleet: canaries and waves where it is new, everywhere at once where it is proven.

    begin, or go on with what was cut off ──> wave after wave ──> finished
                                                  └─ too many failed: halted

Where it has come to is kept in the home database, under a lease there. Each database has the slot at which the whole
was begun, so that whoever goes on with it runs nothing twice, whatever was written down before the cut.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from ..db.connect import connection_errors_translated
from ..db.migrate import require_schema
from ..db.server_clock import ask_now
from ..errors import HeldElsewhere, LeaseLost, UsageError
from ..jobs.job import Job
from ..runs.stop_signals import Stop
from ..slots.claim import holder_name
from ..slots.lease import Lease, acquire, release, renew, short_transaction
from .caps import Caps
from .database import FleetDatabase
from .fleet_run import FleetRun, FleetRunState, begin, came_to, end, goes_on, is_proven, latest, lease_of
from .job_visits import MakeVisit, job_visits
from .memory import FleetJob, read_jobs, write_reports
from .results import GridColumn, JobResult, VisitReport, column_of
from .summary import Summary
from .visit import Errand, Visit
from .waves import CANARIES, SAMPLED, Tally, in_order, most_due, named_canaries, waves_of

HAD_THEIR_TURN = (GridColumn.DONE, GridColumn.PARTLY, GridColumn.FAILED)
"""Whoever goes on with a run that was cut off visits all others."""


@dataclass(frozen=True, slots=True)
class FleetOrder:
    """What is asked for. definition: fingerprint of job and package.  only: as it was written; "": all databases.

    as_of: time of the runs.  failed: only where the last one of a database did not go well, at its slot.
    """

    job: Job
    definition: str
    only: str = ""
    as_of: datetime | None = None
    failed: bool = False


@dataclass(slots=True)
class FleetEnd:
    """What it came to. run: on record.  earlier: databases that had had their turn before it was cut off.

    halted: why a wave was the last one; "": none was.
    """

    run: FleetRun
    summary: Summary
    earlier: int = 0
    halted: str = ""


class FleetRunner:
    """home: whose tables remember.  errand: without slot.  told: of each database, as it ends.

    make: see `job_visits`.  channels: of alerts.
    """

    def __init__(
        self,
        home: Engine,
        errand: Errand,
        caps: Caps,
        stop: Stop,
        *,
        told: Callable[[VisitReport], None],
        make: MakeVisit = Visit,
        channels: Sequence[str] = (),
    ) -> None:
        self._home = home
        self._errand = errand
        self._caps = caps
        self._stop = stop
        self._told = told
        self._make = make
        self._channels = channels

    def run(self, order: FleetOrder, databases: Sequence[FleetDatabase]) -> FleetEnd:
        """Do it. HeldElsewhere while another process is at it; UsageError for --failed where nothing has failed."""
        with self._leased(order.job) as lease:
            ended, before, proven = self._begun(order)
            errand = replace(self._errand, jobs=(order.job,), slot=ended.run.begun_at, as_of=ended.run.as_of)
            going = _Going(self, errand, order, lease, ended)
            if order.failed:
                return going.again([one for one in databases if one.name in before], before)
            if not proven and not ended.run.canaries:
                ended.run = going.keep(canaries=self._canaries(order, errand, databases, going.record))
            return going.waves(databases, before, proven)

    @contextmanager
    def _leased(self, job: Job) -> Iterator[Lease]:
        with connection_errors_translated(self._home), short_transaction(self._home, self._errand.lease) as connection:
            require_schema(connection)
            lease = acquire(connection, lease_of(job.name), holder_name(), self._errand.lease)
        if lease is None:
            raise HeldElsewhere(f"{job.name} is being run over the fleet by another process")
        try:
            yield lease
        finally:
            with short_transaction(self._home, self._errand.lease) as connection:
                release(connection, lease)

    def _begun(self, order: FleetOrder) -> tuple[FleetEnd, dict[str, FleetJob], bool]:
        """The run on record, how databases stand in it so far, and whether it needs no waves."""
        name, definition = order.job.name, order.definition
        with short_transaction(self._home, self._errand.lease) as connection:
            last = latest(connection, name)
            if order.failed:
                if last is None:
                    raise UsageError(f"{name} has not run over the fleet yet: --failed has nothing to go by")
                return FleetEnd(last, Summary()), _failed(read_jobs(connection, name), last), True
            on = goes_on(last, definition, order.only, order.as_of, ask_now(connection))
            run = (
                last
                if on and last is not None
                else begin(connection, name, definition, order.only, order.as_of, self._channels)
            )
            before = _stands(read_jobs(connection, name), run) if on else {}
            return FleetEnd(run, Summary()), before, is_proven(connection, name, definition)

    def _canaries(
        self, order: FleetOrder, errand: Errand, databases: Sequence[FleetDatabase], stay: Callable[[list[Any]], None]
    ) -> list[str]:
        """Who goes first: named by label, or of some that are looked at those with most rows due. stay: leased."""
        if named := named_canaries(databases):
            return named
        ordered = in_order(databases, order.definition)
        found: list[tuple[int, str]] = []
        if len(ordered) > CANARIES:
            looking = replace(errand, slot=None, dry_run=True)
            visits = job_visits(ordered[:SAMPLED], looking, self._caps, self._stop, make=self._make)
            for reports in visits.reports():
                stay([])
                found += ((_rows_due(report.results), report.database) for report in reports)
        first = [(0, one.name) for one in ordered[:CANARIES]]
        return most_due([one for one in found if one[0]] or first)


def _rows_due(results: Sequence[JobResult]) -> int:
    return sum(result.counts.picked for result in results if result.done)


def _stands(rows: Iterator[FleetJob], run: FleetRun) -> dict[str, FleetJob]:
    """Databases that had their turn in this run."""
    return {row.database: row for row in rows if row.slot == run.begun_at and column_of(row.state) in HAD_THEIR_TURN}


def _failed(rows: Iterator[FleetJob], run: FleetRun) -> dict[str, FleetJob]:
    """Databases in which the last run did not go well, this one or one by schedule; or that this one has not asked."""
    well = (GridColumn.DONE, GridColumn.PARTLY)
    asked = (row for row in rows if row.slot is not None and column_of(row.state) not in well)
    return {
        row.database: row for row in asked if row.slot == run.begun_at or column_of(row.state) is not GridColumn.WAITING
    }


class _Going:
    """One run over the fleet while it goes on."""

    def __init__(self, runner: FleetRunner, errand: Errand, order: FleetOrder, lease: Lease, ended: FleetEnd) -> None:
        self._runner = runner
        self._errand = errand
        self._order = order
        self._lease = lease
        self._ended = ended
        self._tally = Tally()
        self._guarded = False

    def again(self, databases: Sequence[FleetDatabase], failed: dict[str, FleetJob]) -> FleetEnd:
        """Those that did not go well, all of a slot at once; what is on record of the run as a whole stays."""
        run = self._ended.run
        for slot in sorted({row.slot for row in failed.values() if row.slot is not None}):
            self._errand = replace(self._errand, slot=slot, as_of=run.as_of if slot == run.begun_at else None)
            self._visit([one for one in databases if failed[one.name].slot == slot])
        return self._ended

    def waves(self, databases: Sequence[FleetDatabase], before: dict[str, FleetJob], proven: bool) -> FleetEnd:
        """One wave after the other, to the end, to a halt, or until somebody asks to stop."""
        ended, self._guarded = self._ended, not proven
        for row in before.values():
            proves = row.definition == self._order.definition
            self._count(row.database, JobResult(row.job, row.state, error=row.error, proves=proves))
        ended.earlier = len(before)
        waves = [list(databases)]
        if not proven:
            waves = waves_of(databases, ended.run.canaries, self._order.definition)
        for number, wave in enumerate(waves):
            self._visit([one for one in wave if one.name not in before])
            if self._runner._stop.asked:
                return ended
            if self._guarded and number == 0 and wave and self._tally.all_failed():
                ended.halted = ended.halted or "all canaries failed"
            if ended.halted:
                ended.run = self._end(FleetRunState.HALTED, ended.halted)
                return ended
            if self._guarded and not self._tally.turns:  # no canary ran it: they are behind, barred, or not armed
                self._errand = replace(self._errand, held=frozenset({self._order.job.name}))
            ended.run = self.keep(wave=number + 1)
        why = self._tally.too_few(len(databases)) if self._guarded else ""
        ended.run = self._end(FleetRunState.UNPROVEN if why else FleetRunState.FINISHED, why)
        return ended

    def keep(self, **changes: object) -> FleetRun:
        """Put on record how far it is."""
        with short_transaction(self._runner._home, self._errand.lease) as connection:
            return came_to(connection, self._ended.run, **changes)

    def _end(self, state: FleetRunState, why: str) -> FleetRun:
        with short_transaction(self._runner._home, self._errand.lease) as connection:
            return end(connection, self._ended.run, state, why or None, self._runner._channels)

    def _visit(self, databases: Sequence[FleetDatabase]) -> None:
        runner = self._runner
        visits = job_visits(databases, self._errand, runner._caps, runner._stop, make=runner._make)
        for reports in visits.reports():
            self.record(reports)
            for report in reports:
                runner._told(report)
                for result in report.results:
                    self._count(report.database, result)
            if self._guarded and not self._ended.halted and (trouble := self._tally.trouble()):
                self._ended.halted = trouble
                visits.halt()

    def _count(self, database: str, result: JobResult) -> None:
        self._ended.summary.add(database, result.job, result.state, result.error)
        if result.proves:
            self._tally.add(result.state)

    def record(self, reports: list[VisitReport]) -> None:
        """Write down what visits came to, and stay the one who does. LeaseLost: another process has taken over."""
        limits = self._errand.options.limits
        if not reports and limits is not None and time.monotonic() - self._lease.renewed < limits.renew:
            return
        job = self._order.job
        with short_transaction(self._runner._home, self._errand.lease) as connection:
            if not renew(connection, self._lease):
                raise LeaseLost(f"{job.name}: another process has taken over its run over the fleet")
            write_reports(connection, reports, {job.name: job}, {job.name: self._order.definition})
