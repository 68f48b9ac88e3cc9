"""Neighbours first: between batches a run rests while replicas lag behind, or while a query of the operator says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from ..db.connect import read_only
from ..db.faults import describe
from ..db.operator_query import ask_in_own_session
from ..db.statement_timeout import limited_time
from ..errors import JobFailed

EVERY = 1.0
"""Seconds between two looks."""

LAG = "SELECT coalesce(max(extract(epoch FROM replay_lag)), 0) FROM pg_stat_replication"
"""Seconds by which the slowest replica is behind; a role without pg_monitor sees none."""


@dataclass(slots=True)
class Throttle:
    """replica_lag: seconds; None: replicas are not looked at.  pause_while: SQL with one value; None: none."""

    engine: Engine
    replica_lag: float | None
    pause_while: str | None
    _next: float = field(default=0.0, repr=False)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to look at."""
        return self.replica_lag is None and self.pause_while is None

    def hold(self, rest: Callable[[float], None]) -> None:
        """Return when the run may go on. rest: waits that many seconds; raises what ends the run.

        JobFailed when a query cannot be asked: to run on would hide that there is no brake.
        """
        if self.idle or time.monotonic() < self._next:
            return
        while self._busy():
            rest(EVERY)
        self._next = time.monotonic() + EVERY

    def _busy(self) -> bool:
        try:
            return self._lagging() or self._told_to()
        except DBAPIError as error:
            raise JobFailed(f"run.pause_while, or the lag of replicas, cannot be asked: {describe(error)}") from error

    def _lagging(self) -> bool:
        if self.replica_lag is None or self.engine.dialect.name != "postgresql":
            return False
        with read_only(self.engine) as connection, limited_time(connection, EVERY):
            return float(connection.execute(text(LAG)).scalar_one()) > self.replica_lag

    def _told_to(self) -> bool:
        if self.pause_while is None:
            return False
        try:
            return bool(ask_in_own_session(self.engine, self.pause_while, EVERY))
        except ValueError as error:
            raise JobFailed(f"run.pause_while {error}") from error
