"""Hands waiting numbers to one engine, in order: the part of a leader that talks to the engine.

    rows: queued ──ordered──> marked as submitted, committed ──submit──> the engine has them
                                        └── it does not answer: handed back, rest 1..60 s, an incident, again

An engine that keeps its messages in our database is given them in the transaction that marks the rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from math import inf

from sqlalchemy import Connection

from ..app import App
from ..db.connect import read_only
from ..db.database_identity import identity
from ..db.server_clock import ask_now
from ..jobs.job import Job
from ..run_state import RunState
from ..slots.engine_counts import EngineCounts, count
from ..slots.lease import short_transaction
from ..slots.schedule_overrides import overrides
from ..slots.submission import OpenRun, hand_back, mark_submitted, moves, open_runs
from .carrier import Engine, EngineMessage, MessageKind
from .engine_outage import EngineOutage
from .handover import Handover
from .run_order import DueQueue


class Submitter:
    """Of one engine. jobs: those whose runs it carries.  say: writes a line of log."""

    def __init__(self, app: App, name: str, engine: Engine, jobs: Sequence[Job], say: Callable[..., None]) -> None:
        self.name = name
        self.engine = engine
        self.outage = EngineOutage(app, name, say)
        self.handover = Handover(app, engine, self.outage)
        self._app = app
        self._jobs = {job.name: job for job in jobs}
        self._lease = app.limits().lease

    def submit(self) -> int:
        """Hand on what waits; how many numbers. Nothing while the engine rests. Database errors pass."""
        if time.monotonic() < self.outage.rest_until:
            return 0
        with read_only(self._app.database) as connection:
            if not self._ready(connection):
                return 0
        numbers = 0
        with short_transaction(self._app.database, self._lease) as connection:
            ready = self._ready(connection)
            again = sum(run.is_again(self.name) for run in ready)
            mine = mark_submitted(connection, [run.id for run in ready], self.name)
            messages = [self._message(connection, run) for run in ready if run.id in mine]
            numbers = len(messages)
            count(connection, self.name, EngineCounts(numbers, again))
            self.handover.within(connection, messages)
        self.handover.after(messages, hand_back)
        return numbers

    def _message(self, connection: Connection, run: OpenRun) -> EngineMessage:
        job = self._jobs[run.job]
        seconds, high = job.time_limit.total_seconds(), job.priority > 0
        return EngineMessage(MessageKind.RUN, (run.id,), identity(connection), seconds, high)

    def _ready(self, connection: Connection) -> list[OpenRun]:
        """What is to be handed on now, in order; of each group only what may begin now."""
        now, found = ask_now(connection), open_runs(connection)
        wanted = [run for run in found if run.job in self._jobs and run.is_to_be_submitted(self.name, now)]
        if not wanted:
            return []
        wanted = self._not_paused(connection, self._moving(connection, wanted, found, now), now)
        chosen = {run.id: run for run in wanted}
        busy = [run.job for run in found if run.id not in chosen and self._is_under_way(run, now)]
        return [chosen[number] for number in _in_order(self._app, chosen.values(), busy)]

    def _is_under_way(self, run: OpenRun, now: datetime) -> bool:
        if run.job not in self._app.registry.names():
            return False
        return run.state == RunState.RUNNING or (run.submitted_at is not None and run.engine is not None)

    def _moving(
        self, connection: Connection, wanted: Sequence[OpenRun], found: Sequence[OpenRun], now: datetime
    ) -> list[OpenRun]:
        """Of an engine of which nothing is begun, one number is handed on once more each minute, and not all that wait
        there: the oldest finds out whether it moves again."""
        again = [run for run in wanted if run.is_again(self.name)]
        if not again or moves(connection, self.name, now):
            return list(wanted)
        tried = any(run.was_tried_again(self.name, now) for run in found)
        left_out = again if tried else again[1:]
        return [run for run in wanted if run not in left_out]

    def _not_paused(self, connection: Connection, runs: Sequence[OpenRun], now: datetime) -> list[OpenRun]:
        known = overrides(connection, [self._jobs[run.job] for run in runs])
        paused = {name for name, change in known.items() if change.paused(now)}
        return [run for run in runs if run.slot is None or run.job not in paused]


def _in_order(app: App, runs: Iterable[OpenRun], busy: Collection[str]) -> list[int]:
    """The numbers of those that may begin beside each other and what is under way, the first ones first."""
    waiting, under_way, order = DueQueue(app.registry), list(busy), []
    for run in runs:
        waiting.add(run.due)
    while (due := waiting.next(under_way, inf)) is not None:
        under_way.append(due.job)
        assert due.queued is not None
        order.append(due.queued)
    return order
