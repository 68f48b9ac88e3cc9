"""Jobs on demand over a fresh database: ask for them, let a shift of this process take them, see what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from sqlalchemy import Engine, Row, select, update

from sexton.app import App
from sexton.config import Settings
from sexton.db.connect import read_only
from sexton.db.server_clock import database_now
from sexton.db.tables import own_tables
from sexton.jobs.job import OWN_ENGINE
from sexton.requests.holders import Holder
from sexton.requests.upkeep import keep_up
from sexton.runs.context import Limits
from sexton.runs.requests.functions import DemandedFunctions
from sexton.runs.requests.place import ShiftPlace
from sexton.runs.requests.shift import Shift
from sexton.runs.stop_signals import Stop
from sexton.slots.history import RunRecord, history

from .patience import PATIENCE
from .request_jobs import METADATA, written

JOBS = "tests.support.request_jobs"
LIMITS = Limits(lease=2 * PATIENCE, renew=PATIENCE, statement=PATIENCE, lock_wait=PATIENCE)


@dataclass
class PostOffice:
    """An application with the jobs of `request_jobs`."""

    app: App
    stop: Stop = field(default_factory=Stop)
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def engine(self) -> Engine:
        """Of its database."""
        return self.app.database

    def shift(self, name: str = "") -> Shift:
        """A shift of a holder of its own, in this process."""
        functions = DemandedFunctions(self.app.registry, self.engine)
        place = ShiftPlace(self.engine, functions, LIMITS, self.stop)
        return Shift(place, Holder(name or f"shift {next(self._numbers)}", OWN_ENGINE, LIMITS.lease))

    def work(self, shift: Shift | None = None) -> None:
        """Take what waits, until nothing does."""
        (shift or self.shift()).work(time.monotonic() + PATIENCE)

    def keep_up(self) -> bool:
        """What a leader does once a second."""
        with self.engine.begin() as connection:
            return keep_up(connection, [OWN_ENGINE])

    def change(self, number: int, **values: Any) -> None:
        """Write into the row of a request, as a colleague might."""
        table = own_tables(self.engine.dialect.name).requests
        with self.engine.begin() as connection:
            connection.execute(update(table).where(table.c.id == number).values(**values))

    def past(self, number: int, column: str, seconds: float = 1.0) -> None:
        """Let a time of a request be so many seconds ago."""
        self.change(number, **{column: database_now(self.engine.dialect.name, -seconds)})

    def rows(self, table: str = "requests") -> list[Row[Any]]:
        """Of one of our tables, by number."""
        own = getattr(own_tables(self.engine.dialect.name), table)
        with read_only(self.engine) as connection:
            return list(connection.execute(select(own).order_by(*own.primary_key.columns)).all())

    def states(self) -> dict[int, str]:
        """Of all requests."""
        return {row.id: str(row.state) for row in self.rows()}

    def runs(self, job: str | None = None) -> list[RunRecord]:
        """Run rows, oldest first."""
        with read_only(self.engine) as connection:
            return sorted(history(connection, job=job, limit=100_000), key=lambda run: run.id)

    def ends(self) -> list[tuple[str, int, str]]:
        """(job, attempt, state) of the run rows, oldest first."""
        return [(run.job, run.attempt, str(run.state)) for run in self.runs()]

    def written(self) -> list[tuple[int, str]]:
        """(attempt, name) of the calls that came to their end, in order."""
        with read_only(self.engine) as connection:
            return written(connection)

    def names(self) -> list[str]:
        """Of those calls."""
        return [name for _, name in self.written()]


@contextmanager
def open_post_office(database: str) -> Iterator[PostOffice]:
    """One over this database; its connections are given back."""
    app = App(Settings(database=database, jobs=(JOBS,)))
    METADATA.create_all(app.database)
    try:
        yield PostOffice(app)
    finally:
        app.database.dispose()
