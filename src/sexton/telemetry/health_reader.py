"""Health and counters for the pages of monitors, without hurting the database and without waiting for it for ever.

One reading at a time, on a connection of its own and in a thread of its own; its answer is good for 5 s. However many
ask, and however the database hangs, each gets an answer in 2.5 s: the reading, or why there is none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock, Thread
from typing import Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..config import Settings
from ..db.connect import open_database, read_only
from ..db.faults import describe
from ..db.migrate import require_schema
from ..db.server_clock import ask_now
from ..db.statement_timeout import limited_time
from ..errors import SextonError
from ..jobs.job import Job
from .counters import CounterReader, CounterValues
from .debt import Debt
from .health import Health, read_health

DEBT_REFRESH_SECONDS = 300.0
"""Seconds between two looks at the debt: they read the product's tables, and not only ours."""


@dataclass(frozen=True, slots=True)
class HealthReading:
    """What the tables said. debt: as of the last look at the product's tables, empty before the first."""

    health: Health
    tallies: CounterValues
    debt: Sequence[Debt] = ()


class HealthReader:
    """Reads the database at `url` about these jobs. It connects on first use, and keeps no connection.

    late_after: see `read_health`.  debt: asked every five minutes, after an answer was given; None: no debt is told.
    debt_first: the first answer waits for it.
    max_age: seconds that an answer is given again.  patience: seconds that `read` waits.
    statement: seconds that one statement may take; on SQLite all of them together.  trusted: see `open_database`.
    """

    def __init__(
        self,
        url: str,
        jobs: Iterable[Job],
        *,
        late_after: timedelta | None = None,
        debt: Callable[[], Sequence[Debt]] | None = None,
        debt_first: bool = False,
        max_age: float = 5.0,
        patience: float = 2.5,
        statement: float = 2.0,
        trusted: Sequence[str] = (),
    ) -> None:
        self._engine = open_database(url, trusted=trusted)
        self._jobs = list(jobs)
        self._tally = CounterReader(job.name for job in self._jobs)
        self._late_after = late_after
        self._ask_debt, self._debt_first, self._debt_at = debt, debt_first, -DEBT_REFRESH_SECONDS
        self._debt: Sequence[Debt] = ()
        self._max_age, self._patience, self._statement = max_age, patience, statement
        self._lock = Lock()
        self._answer: HealthReading | SextonError | None = None
        self._at = 0.0
        self._under_way: Future[HealthReading | SextonError] | None = None

    @classmethod
    def of(cls, settings: Settings, jobs: Iterable[Job], **options: Any) -> HealthReader:
        """On the database of these settings, and by their `late_after`; options: as above."""
        late = settings.alerts.late_limit
        return cls(settings.database, jobs, late_after=late, trusted=settings.trusted_roles, **options)

    def read(self) -> HealthReading | SextonError:
        """The reading, or the error that tells why there is none; nothing is raised. Any thread may ask."""
        with self._lock:
            if self._answer is not None and time.monotonic() - self._at < self._max_age:
                return self._answer
            if self._under_way is None:
                self._under_way = Future()
                Thread(target=self._work, args=(self._under_way,), name="sexton-reading", daemon=True).start()
            under_way = self._under_way
        try:
            return under_way.result(self._patience)
        except TimeoutError:
            return SextonError(f"the database did not answer within {self._patience:g} s")

    def _work(self, under_way: Future[HealthReading | SextonError]) -> None:
        try:
            if self._debt_first:
                self._look_at_debt()
            answer = self._read()
        except SextonError as error:
            answer = error
        except SQLAlchemyError as error:
            answer = SextonError(f"the database refused: {_why_unread(error)}")
        except Exception as error:  # whatever it is, those who wait get their answer
            answer = SextonError(f"the reading failed: {type(error).__name__}")
        with self._lock:
            self._answer, self._at, self._under_way = answer, time.monotonic(), None
        under_way.set_result(answer)
        if isinstance(answer, HealthReading):
            self._look_at_debt()

    def _look_at_debt(self) -> None:
        if self._ask_debt is None or time.monotonic() - self._debt_at < DEBT_REFRESH_SECONDS:
            return
        self._debt_at = time.monotonic()
        self._debt = self._ask_debt()

    def _read(self) -> HealthReading | SextonError:
        try:
            with read_only(self._engine) as connection, limited_time(connection, self._statement):
                require_schema(connection)
                now = ask_now(connection)
                health = read_health(connection, self._jobs, now, self._late_after)
                return HealthReading(health, self._tally.read(connection, now), self._debt)
        finally:
            self._engine.dispose()


def _why_unread(error: SQLAlchemyError) -> str:
    return describe(error) if isinstance(error, DBAPIError) else type(error).__name__
