"""Whether this worker can start runs: asked before it stands for election and at each renewal.

One that cannot must not lead: healthy ones would stand by for ever. Its clock has to agree with the database's, and
executors have to start; that the database takes writes and has our tables, standing for election shows by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from ..runs.claim import clocks_apart
from .executor import Executor


class Fitness:
    """Of one worker. reason: why it cannot start runs, for people; empty while it can."""

    def __init__(self, executors: Sequence[Executor], say: Callable[..., None]) -> None:
        self.reason = ""
        self._executors = executors
        self._say = say

    def may_lead(self, now: datetime, took: float) -> bool:
        """Whether it may take the lead, or keep it; says so when that has changed.

        now: asked from the database just now.  took: seconds that the answer may be old.
        """
        reason = clocks_apart(now, took) or self._without_executors()
        if bool(reason) != bool(self.reason):
            if reason:
                self._say("cannot start runs", reason=reason)
            else:
                self._say("can start runs again")
        self.reason = reason
        return not reason

    def _without_executors(self) -> str:
        """Some are enough: fewer runs at once, but runs. Until they have failed a few times they are counted on."""
        if not all(executor.hopeless for executor in self._executors):
            return ""
        why = next((executor.failure for executor in self._executors if executor.failure), "it does not get ready")
        return f"no executor can be started: {why}"
