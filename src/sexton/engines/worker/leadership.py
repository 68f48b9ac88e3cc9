"""Who decides what runs: one of the workers, by a lease in the database, with an epoch that only grows.

Leading is a matter of order, not of safety: every run has a lease and a unique slot of its own, so two leaders for a
moment (a process that was frozen and does not know yet) start nothing twice.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection, Engine

from ...db.connect import read_only
from ...db.migrate import require_schema
from ...db.server_clock import ask_now
from ...slots.lease import LEADER, Lease, acquire, is_free, release, renew, short_transaction


class DatabaseClock:
    """The database's time between two questions, by the monotonic clock: a host whose clock jumps changes nothing."""

    def __init__(self) -> None:
        self._asked = datetime.now(UTC)
        self._at = time.monotonic()

    def set(self, now: datetime) -> None:
        """The database said so just now."""
        self._asked, self._at = now, time.monotonic()

    def now(self) -> datetime:
        """The database's time, as far as we know."""
        return self._asked + timedelta(seconds=time.monotonic() - self._at)


class Candidate(Protocol):
    """Who wants to lead."""

    def may_lead(self, now: datetime, took: float) -> bool:
        """Whether it may. now: the database's time.  took: seconds that the answer may be old."""


class Leadership:
    """One process's part in the election. clock: kept by every turn.  seconds: length of the lease.

    lease: its name; those who lead different things have different ones.
    """

    def __init__(
        self, engine: Engine, holder: str, seconds: float, candidate: Candidate, *, lease: str = LEADER
    ) -> None:
        self._name = lease
        self.clock = DatabaseClock()
        self._candidate = candidate
        self._engine = engine
        self.holder = holder
        self._seconds = seconds
        self._lease: Lease | None = None

    @property
    def leading(self) -> bool:
        """Whether we held the lease when we last looked, and it cannot have run out since by our own clock."""
        return self._lease is not None and time.monotonic() - self._lease.renewed < self._seconds

    @property
    def epoch(self) -> int:
        """Of our lease; 0 when we do not lead."""
        return self._lease.epoch if self._lease is not None else 0

    def turn(self) -> bool:
        """Renew the lease, or try to get it; whether we lead now. Who may not gives it back. Database errors pass."""
        if self._lease is None and not self._may_stand():
            return False
        with short_transaction(self._engine, self._seconds) as connection:
            now, took = _asked(connection)
            self.clock.set(now)
            if not self._candidate.may_lead(now, took):
                if self._lease is not None:
                    release(connection, self._lease)
                self._lease = None
                return False
            if self._lease is not None and not renew(connection, self._lease):
                self._lease = None
            if self._lease is None:
                self._lease = acquire(connection, self._name, self.holder, self._seconds)
        return self.leading

    def resign(self) -> None:
        """Give the lease back, so that another worker leads at once."""
        if self._lease is None:
            return
        with short_transaction(self._engine, self._seconds) as connection:
            release(connection, self._lease)
        self._lease = None

    def _may_stand(self) -> bool:
        """Asked by reading only: standbys look often, and SQLite has one writer."""
        with read_only(self._engine) as connection:
            require_schema(connection)
            return self._candidate.may_lead(*_asked(connection)) and is_free(connection, self._name, self._seconds)


def _asked(connection: Connection) -> tuple[datetime, float]:
    """The database's time, and how many seconds the answer took."""
    began = time.monotonic()
    return ask_now(connection), time.monotonic() - began
