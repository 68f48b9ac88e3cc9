"""Hands requests, jobs on demand, to one engine: up to a hundred numbers a message, the highest priority first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from ..app import App
from ..db.connect import read_only
from ..db.database_identity import identity
from ..db.server_clock import ask_now
from ..jobs.job import Job
from ..requests.submission import (
    ADOPTED_SECONDS,
    ToSubmit,
    adopt_others,
    hand_back,
    is_to_submit,
    requests_move,
    take_to_submit,
    was_tried_again,
)
from ..slots.engine_counts import EngineCounts, count
from ..slots.lease import short_transaction
from ..slots.submission import moves
from .carrier import MAX_IDS, Engine, EngineMessage, MessageKind
from .engine_outage import EngineOutage
from .handover import Handover

AT_ONCE = 2_000
"""Requests that one transaction marks."""

SPREAD = 16
"""Of few requests each message has a sixteenth, so that all workers have something to do."""


class RequestSubmitter:
    """Of one engine. jobs: those whose requests it carries; without jobs on demand it does nothing."""

    def __init__(self, app: App, name: str, engine: Engine, jobs: Sequence[Job], outage: EngineOutage) -> None:
        self._app = app
        self._name = name
        self._outage = outage
        self._handover = Handover(app, engine, outage)
        self._seconds = {job.name: job.time_limit.total_seconds() for job in jobs if job.on_demand is not None}
        self._lease = app.limits().lease
        self.open = bool(self._seconds)
        self._adopts_at = 0.0

    def submit(self) -> int:
        """Hand on what is ready, and what nobody began; how many numbers. Database errors pass."""
        if not self.open or time.monotonic() < self._outage.rest_until:
            return 0
        self._adopt_others()
        with read_only(self._app.database) as connection:
            if not is_to_submit(connection, self._name):
                return 0
            again = self._again(connection)
        with short_transaction(self._app.database, self._lease) as connection:
            taken = take_to_submit(connection, self._name, AT_ONCE, again=again)
            messages = list(self._messages(identity(connection), taken))
            if taken:
                count(connection, self._name, EngineCounts(len(taken), sum(one.again for one in taken)))
            self._handover.within(connection, messages)
        self._handover.after(messages, hand_back)
        return len(taken)

    def _adopt_others(self) -> None:
        """Once a minute: who enqueues may still have the settings of before."""
        if time.monotonic() >= self._adopts_at:
            self._adopts_at = time.monotonic() + ADOPTED_SECONDS
            adopt_others(self._app.database, list(self._seconds), self._name, self._lease)

    def _again(self, connection: Connection) -> int:
        """How many may be handed on once more. Of an engine of which nothing is begun one each minute, and not all that
        wait there: it finds out whether that moves again."""
        now = ask_now(connection)
        if requests_move(connection, self._name, now) or moves(connection, self._name, now):
            return AT_ONCE
        return 0 if was_tried_again(connection, self._name) else 1

    def _messages(self, database: str, taken: Sequence[ToSubmit]) -> Iterator[EngineMessage]:
        for high in (True, False):
            some = [one for one in taken if (one.priority > 0) is high]
            size = min(max(-(-len(some) // SPREAD), 1), MAX_IDS)
            for start in range(0, len(some), size):
                part = some[start : start + size]
                seconds = sum(self._seconds.get(one.job, 0.0) for one in part)
                yield EngineMessage(MessageKind.REQUEST, tuple(one.id for one in part), database, seconds, high)
