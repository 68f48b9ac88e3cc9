"""Changed jobs under a worker: which databases may run them by their schedule, until they have been everywhere once.

The waves are those of `sexton fleet run`; the runs are those that are due anyway. Whoever is not allowed yet stays due,
and runs as soon as the wave before has gone well. Those of a wave where nothing is due prove nothing and are not waited
for; the change is proven once all that were due have gone well, and `CANARIES` of them at least. Arming is a change,
too: a run that only counted proves nothing, and where it did so in the canaries, the others only count as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from ..db.server_clock import ask_now
from ..telemetry.fleet_incidents import jobs_defined
from .database import FleetDatabase
from .fleet_run import FleetRun, FleetRunState, begin, came_to, end, is_proven, latest
from .memory import FleetJob, read_jobs
from .results import GridColumn, column_of
from .waves import CANARIES, Tally, in_order, named_canaries, waves_of

NO_TURN = (GridColumn.WAITING, GridColumn.BEHIND, GridColumn.BARRED)
"""Whoever stands so did not run what changed."""


@dataclass(slots=True)
class _Rollout:
    """One job. allowed: databases; None: all.  first: those that may change rows while no canary has; None: all.

    halted: why nobody is allowed any more.
    """

    allowed: frozenset[str] | None = frozenset()
    first: frozenset[str] | None = None
    halted: str = ""
    told: bool = field(default=False)


class Rollouts:
    """definitions: fingerprint of each job, as they are now.  channels: of alerts."""

    def __init__(self, definitions: Mapping[str, str], channels: Sequence[str] = ()) -> None:
        self._definitions = definitions
        self._channels = channels
        self._looked = False
        self._rollouts = {job: _Rollout() for job in definitions}

    def allows(self, job: str, database: str) -> bool:
        """Whether it may run there by its schedule."""
        allowed = self._rollouts[job].allowed
        return allowed is None or database in allowed

    def may_change(self, job: str, database: str) -> bool:
        """Whether it may do there more than count."""
        first = self._rollouts[job].first
        return self.allows(job, database) and (first is None or database in first)

    def look(
        self, connection: Connection, databases: Sequence[FleetDatabase], due: Mapping[str, Collection[str]]
    ) -> None:
        """See how waves went, in the home database; begin, go on, halt, end. due: jobs by database."""
        if not self._looked:
            jobs_defined(connection, self._definitions, self._channels, ask_now(connection))
            self._looked = True
        for job, definition in self._definitions.items():
            waiting = {database for database, jobs in due.items() if job in jobs}
            if waiting and self._rollouts[job].allowed is not None:
                self._look_at(connection, job, definition, databases, waiting)

    def halted(self) -> Iterator[tuple[str, str]]:
        """Jobs that were halted since the last call, and why."""
        for job, rollout in self._rollouts.items():
            if rollout.halted and not rollout.told:
                rollout.told = True
                yield job, rollout.halted

    def _look_at(
        self,
        connection: Connection,
        job: str,
        definition: str,
        databases: Sequence[FleetDatabase],
        waiting: Collection[str],
    ) -> None:
        rollout = self._rollouts[job]
        if is_proven(connection, job, definition):
            rollout.allowed = rollout.first = None
            return
        run = latest(connection, job)
        mine = run is not None and run.definition == definition and not run.only
        if run is not None and mine and run.state is FleetRunState.HALTED:
            rollout.allowed, rollout.halted = frozenset(), run.error or "a wave went badly"
            return
        if run is None or not mine or run.state is not FleetRunState.UNDER_WAY:
            run = begin(connection, job, definition, "", None, self._channels)
        if not run.canaries:
            first = [one.name for one in in_order(databases, definition)[:CANARIES]]
            run = came_to(connection, run, canaries=named_canaries(databases) or first)
        rows = {row.database: row for row in read_jobs(connection, job)}
        turns = {name: row for name, row in rows.items() if row.definition == definition and _had_turn(row)}
        waves = [{one.name for one in wave} for wave in waves_of(databases, run.canaries, definition)]
        idle = any(_ran_nothing(rows[name]) for name in waves[0] & rows.keys()) and not waves[0] & turns.keys()
        rollout.first = frozenset(waves[0]) if idle else None
        self._advance(connection, run, waves, turns, waiting)

    def _advance(
        self,
        connection: Connection,
        run: FleetRun,
        waves: Sequence[set[str]],
        turns: Mapping[str, FleetJob],
        waiting: Collection[str],
    ) -> None:
        """As far as waves have gone well. turns: rows of those that had theirs.  waiting: where it is due."""
        rollout, allowed, tally = self._rollouts[run.job], set[str](), Tally()
        for number, names in enumerate(waves):
            allowed |= names
            for name in names & turns.keys():
                tally.add(turns[name].state)
            still = [name for name in names if name in waiting and name not in turns]
            all_failed = number == 0 and not still and tally.all_failed()
            if trouble := tally.trouble() or ("all canaries failed" if all_failed else ""):
                end(connection, run, FleetRunState.HALTED, trouble, self._channels)
                rollout.allowed, rollout.halted = frozenset(), trouble
                return
            if still:
                if run.wave != number:
                    came_to(connection, run, wave=number)
                break
        rollout.allowed = frozenset(allowed)
        if not still and not tally.too_few(len(allowed)):
            end(connection, run, FleetRunState.FINISHED, None)
            rollout.allowed = rollout.first = None


def _had_turn(row: FleetJob) -> bool:
    return column_of(row.state) not in NO_TURN


def _ran_nothing(row: FleetJob) -> bool:
    """Whether it was visited, and changed nothing: behind, barred, or not armed."""
    column = column_of(row.state)
    only_counted = not row.definition and column in (GridColumn.DONE, GridColumn.PARTLY)
    return only_counted or column in (GridColumn.BEHIND, GridColumn.BARRED)
