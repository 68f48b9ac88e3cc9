"""Neighbours first: between batches a run rests while replicas lag behind, or while a query of the operator says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ..db.connect import read_only
from ..db.deadline import limited
from ..db.faults import describe
from ..db.render import for_driver
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

        JobFailed when a query cannot be asked: to run on would hide that nobody brakes.
        """
        if self.idle or time.monotonic() < self._next:
            return
        while self._busy():
            rest(EVERY)
        self._next = time.monotonic() + EVERY

    def _busy(self) -> bool:
        try:
            with read_only(self.engine) as connection, limited(connection, EVERY):
                return self._lagging(connection) or self._told_to(connection)
        except DBAPIError as error:
            raise JobFailed(f"run.pause_while, or the lag of replicas, cannot be asked: {describe(error)}") from error

    def _lagging(self, connection: Connection) -> bool:
        if self.replica_lag is None or connection.dialect.name != "postgresql":
            return False
        return float(connection.execute(text(LAG)).scalar_one()) > self.replica_lag

    def _told_to(self, connection: Connection) -> bool:
        if self.pause_while is None:
            return False
        row = connection.exec_driver_sql(for_driver(self.pause_while, connection.dialect)).first()
        return row is not None and bool(row[0])
