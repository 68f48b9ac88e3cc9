"""The hard end of one call: when it is over, how signs of life move it on, and why it has to end before that.

The call's thread gives the signs. Only the thread that made the end, the run's own, touches the database: what the
claims cover already is granted at once; for more the call's thread asks, and waits for the run to answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import inf

from ..errors import CallCancelled


class HardEnd:
    """One call may last until `ends`, by the monotonic clock.

    timeout: seconds that a sign of life gives it from then on.  limit: monotonic time past which none moves it.
    ask: has the run look at `asks`; None: there is no run, and nothing to ask.
    """

    def __init__(
        self, ends: float, *, timeout: float, limit: float = inf, ask: Callable[[], object] | None = None
    ) -> None:
        self.ends = ends
        self.asks = False
        """Whether the call waits for an answer of the run: `grant` or `cancel`."""
        self._timeout, self._limit, self._ask = timeout, limit, ask
        self._covered = inf if ask is None else ends  # the claims stand until then, and for the record after it
        self._why, self._late = "", False
        self._changed = threading.Condition()
        self._owner = threading.get_ident()

    @property
    def cancelled(self) -> bool:
        """Whether the call should end as soon as it can."""
        return bool(self._why) or self.ends <= time.monotonic()

    def cancel(self, why: str) -> None:
        """Ask the call to end; the first reason stays."""
        with self._changed:
            self._why = self._why or why
            self._answered()

    def expire(self, now: float) -> bool:
        """Whether it is over by then; no sign of life counts any more. One given in time is answered first."""
        with self._changed:
            if self.asks or self.ends > now:
                return False
            self._time_is_over()
            return True

    def beat(self) -> None:
        """A sign of life: it ends `timeout` seconds from now, at its limit at the latest. CallCancelled: it is over.

        Of no effect in the thread that answers, which records what the call came to.
        """
        if self._ask is not None and threading.get_ident() == self._owner:
            return
        with self._changed:
            while not self._moved():
                self.asks = True
                assert self._ask is not None
                self._ask()
                self._changed.wait_for(lambda: not self.asks)

    def farthest(self, now: float, spare: float) -> float:
        """Up to where the claims have to cover it: a sign of life now, and others within the next `spare` seconds."""
        return min(now + self._timeout + spare, self._limit)

    def grant(self, covered: float) -> None:
        """The claims stand until then, and for the record after it."""
        with self._changed:
            self._covered = covered
            self._move()
            self._answered()

    def _moved(self) -> bool:
        """False: the claims do not reach so far."""
        if self.ends <= time.monotonic():
            self._time_is_over()
        if self._why:
            raise CallCancelled(self._why, late=self._late)
        return self._move()

    def _time_is_over(self) -> None:
        if not self._why:
            self._why, self._late = "its time was over", self.ends < self._limit

    def _move(self) -> bool:
        wanted = min(time.monotonic() + self._timeout, self._limit)
        self.ends = max(self.ends, min(wanted, self._covered))
        return wanted <= self._covered

    def _answered(self) -> None:
        self.asks = False
        self._changed.notify_all()
