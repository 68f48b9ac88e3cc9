"""What a worker does about requests, whether it leads or not: its executors take them in shifts of a second.

Each worker serves itself: the claim is one statement, and nobody hands anything out. It sleeps only after it has said
so in its row and looked once more; whoever enqueues then rings. A leader also keeps the requests in order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from ...app import App
from ...db.connect import read_only
from ...db.notify import REQUESTS_CHANNEL
from ...errors import SextonError
from ...jobs.job import OWN_ENGINE
from ...requests.claiming import any_ready
from ...requests.holders import Holder, leave_for
from ...requests.submission import ADOPTED_SECONDS, adopt_others
from ...requests.upkeep import keep_up, process_gone
from ...runs.hard_limit import OVERDUE
from ...slots.lease import short_transaction
from ..executor.process import Executor
from .listener import Listener, heard_by

SHIFT_SECONDS = 1.0
"""Seconds after which an executor comes back, so that what is due by a schedule gets its turn."""

REQUEST_POLL_SECONDS = 1.0
"""Seconds between two looks, for those whom no NOTIFY reaches."""

BUSY_SECONDS = 0.1
"""Seconds of work after which whoever enqueues need not ring."""


class RequestDesk:
    """Of one worker. Without jobs on demand it does nothing."""

    def __init__(self, app: App, executors: Sequence[Executor], holder: str, say: Callable[..., None]) -> None:
        jobs = [job for job in app.registry if job.on_demand is not None and job.engine == OWN_ENGINE]
        self.open = bool(jobs)
        self._jobs = [job.name for job in jobs]
        self._app = app
        self._say = say
        self._executors = executors
        self._longest = max((job.time_limit.total_seconds() for job in jobs), default=0.0)
        self._limits = app.limits()
        self._holder = Holder(holder, OWN_ENGINE, self._limits.lease)
        self._numbers = count(1)
        self._names: dict[Executor, str] = {}
        self._listener: Listener | None = None
        self._said_idle = False
        self._busy_since = self._look = self._kept = self._adopts_at = 0.0
        self._waits = True

    def sources(self) -> list[Any]:
        """What else to select on."""
        return [self._listener] if self._listener is not None else []

    def next_look(self) -> float:
        """The monotonic time at which there is something to do; infinite without jobs on demand."""
        if not self.open:
            return float("inf")
        return 0.0 if self._waits and self._free() else self._look

    def turn(self, leading: bool, reserved: int) -> None:
        """Everything there is to do now. Database errors pass.

        reserved: executors to leave for what is due by a schedule.
        """
        if not self.open:
            return
        now = time.monotonic()
        self._collect()
        if leading and now >= self._kept:
            self._kept = now + REQUEST_POLL_SECONDS
            if now >= self._adopts_at:
                self._adopts_at = now + ADOPTED_SECONDS
                moved = adopt_others(self._app.database, self._jobs, OWN_ENGINE, self._limits.lease)
                self._waits = self._waits or moved > 0
            with short_transaction(self._app.database, self._limits.lease) as connection:
                self._waits = keep_up(connection, [OWN_ENGINE]) or self._waits
        self._listener, heard = heard_by(self._app.database, self._listener, REQUESTS_CHANNEL)
        if heard or now >= self._look:
            self._look = now + REQUEST_POLL_SECONDS
            self._waits = self._waits or bool(heard) or self._any()  # anybody may ring: a claim finds nothing then
        free = self._free()
        if self._waits:
            at_work = sum(executor.shift is not None for executor in self._executors)
            for executor in free[: max(len(self._executors) - reserved - at_work, 0)]:
                executor.give_shift(self._name_of(executor), SHIFT_SECONDS, self._longest)
        self._tell_whether_idle(now)

    def _free(self) -> list[Executor]:
        return [executor for executor in self._executors if executor.idle]

    def call_back(self) -> None:
        """Something is due by a schedule: whoever is at work for requests comes back after the one in hand."""
        for executor in self._executors:
            executor.enough()

    def _any(self) -> bool:
        with read_only(self._app.database) as connection:
            return any_ready(connection, OWN_ENGINE)

    def _collect(self) -> None:
        """Shifts that are over. What a process had that is gone waits again at once."""
        for executor in self._executors:
            shift = executor.shift
            if shift is None or not shift.over:
                continue
            executor.shift = None
            self._waits = shift.more or shift.gone
            if shift.gone:
                self._names.pop(executor, None)
                self._say("a process ended in the middle of a request", holder=shift.holder)
                with short_transaction(self._app.database, self._limits.lease) as connection:
                    overdue = OVERDUE if shift.overdue else None
                    process_gone(connection, shift.holder, OWN_ENGINE, shift.in_hand, overdue)

    def _name_of(self, executor: Executor) -> str:
        if executor not in self._names:
            self._names[executor] = f"{self._holder.name}/{next(self._numbers)}"
        return self._names[executor]

    def _tell_whether_idle(self, now: float) -> None:
        """In our row, for whoever enqueues. Once it says that we sleep, look again: somebody may not have rung."""
        free = bool(self._free())
        self._busy_since = 0.0 if free else self._busy_since or now
        idle = free and not self._waits
        busy = not free and now - self._busy_since > BUSY_SECONDS
        due = now - self._holder.renewed > self._limits.renew
        if (idle and not self._said_idle) or (busy and self._said_idle) or due:
            self._said_idle = idle or (self._said_idle and not busy)
            with short_transaction(self._app.database, self._limits.lease) as connection:
                self._holder.renew(connection, idle=self._said_idle)
            if idle:
                self._waits = self._any()

    def close(self) -> None:
        """Hang up, and say that nobody is here any more."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self.open and self._holder.renewed:
            try:
                with short_transaction(self._app.database, self._limits.lease) as connection:
                    self._holder.leave(connection)
                    for name in self._names.values():
                        leave_for(connection, name)
            except (SQLAlchemyError, SextonError):
                pass  # its row ends by itself

    def forget(self) -> None:
        """The database was away: listen anew, look anew."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._waits, self._look, self._said_idle = True, 0.0, False
        # Those who lost it with us have that long to say that they live, before what they hold is taken for lost.
        self._kept = time.monotonic() + self._limits.lease
