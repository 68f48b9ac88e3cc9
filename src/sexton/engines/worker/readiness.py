"""Whether this worker can start runs: asked before it stands for election and at each renewal.

One that cannot must not lead: healthy ones would stand by for ever. Its clock has to agree with the database's,
executors have to start, and the database has to let them begin runs; that it takes our lease and has our tables,
standing for election shows by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from ...slots.claim import clocks_apart
from ..executor.process import Executor

REFUSALS = 3
"""Runs in a row that the database did not let begin, after which no more are tried; but see `UNFIT_SECONDS`."""

UNFIT_SECONDS = 5.0
"""Seconds that this has to last: others may have ended what our executors were connected with."""

RETRY_LEADING_SECONDS = 10.0
"""Seconds until it is tried again, by leading if nobody else does; twice as long after each time, up to a minute."""

MAX_READINESS_REST = 60.0

FORGOTTEN = 150.0
"""Seconds after which a refusal says nothing any more: nothing was due since, or others lead."""

RUNS_REFUSED = "the database lets no run begin"


class Readiness:
    """Of one worker. reason: why it cannot start runs, for everybody; empty while it can. The log says more."""

    def __init__(self, executors: Sequence[Executor], say: Callable[..., None]) -> None:
        self.reason = ""
        self._executors = executors
        self._say = say
        self.has_begun()

    def may_lead(self, now: datetime, took: float) -> bool:
        """Whether it may take the lead, or keep it; says so when that has changed.

        now: asked from the database just now.  took: seconds that the answer may be old.
        """
        lasting = clocks_apart(now, took) or self._without_executors()
        reason = lasting or (RUNS_REFUSED if self._is_refused() else "")
        if bool(reason) != bool(self.reason):
            if reason:
                self._say("cannot start runs", reason=lasting or f"{RUNS_REFUSED}: {self._refusal}")
            else:
                self._say("can start runs again")
        self.reason = reason
        return not lasting and (not reason or time.monotonic() >= self._again)

    def has_begun(self) -> None:
        """A run has, or there is another reason why none can: refusals are counted anew."""
        self._refusal, self._refusals, self._first, self._last = "", 0, 0.0, 0.0
        self._rest, self._again = RETRY_LEADING_SECONDS, 0.0

    def was_refused(self, why: str) -> None:
        """The database did not let an executor begin a run that is due. The worker's own connection may be well."""
        now = time.monotonic()
        if now - self._last > FORGOTTEN:
            self.has_begun()
        self._first = self._first or now
        self._refusal, self._refusals, self._last = why, self._refusals + 1, now
        if self._is_refused() and now >= self._again:
            self._again = now + self._rest
            self._rest = min(self._rest * 2, MAX_READINESS_REST)

    def _is_refused(self) -> bool:
        lasts = self._refusals >= REFUSALS and self._last - self._first > UNFIT_SECONDS
        return lasts and time.monotonic() - self._last < FORGOTTEN

    def _without_executors(self) -> str:
        """Some are enough: fewer runs at once, but runs. Until they have failed a few times they are counted on."""
        if not all(executor.hopeless for executor in self._executors):
            return ""
        why = next((executor.failure for executor in self._executors if executor.failure), "it does not get ready")
        return f"no executor can be started: {why}"
