"""The table that purges are measured on, and both ways to purge it: one DELETE, and a run of a job."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from sqlalchemy import BigInteger, Column, MetaData, Table, Text

from sexton.db.column_types import BigKey, UtcDateTime
from sexton.db.connect import open_database
from sexton.jobs.job import Job
from sexton.policies.purge import Purge
from sexton.run_counts import Counts
from sexton.testing import postgres, run_job

from .server import connect, create_template, wal_position

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
CUTOFF = AS_OF - timedelta(days=30)
ONE_SHOT = "DELETE FROM events WHERE created_at < %s"

EVENTS = Table(
    "events",
    MetaData(),
    Column("id", BigKey, primary_key=True),
    Column("owner_id", BigInteger),
    Column("kind", Text),
    Column("payload", Text),
    Column("created_at", UtcDateTime),
)

_FILL = """
CREATE TABLE events (id bigint PRIMARY KEY, owner_id bigint NOT NULL, kind text NOT NULL, payload text NOT NULL,
                     created_at timestamptz NOT NULL);
INSERT INTO events
SELECT i, (i::bigint * 7919) %% 100003, 'kind_' || (i %% 20), rpad(md5(i::text), 200, md5((i + 1)::text)),
       timestamptz '{cutoff}' - interval '1 second' + (i - {due}) * interval '1 second'
FROM generate_series(1, {rows}) i {order};
CREATE INDEX events_created ON events (created_at, id);
CREATE INDEX events_owner ON events (owner_id);
CREATE INDEX events_kind ON events (kind)
"""


@dataclass(slots=True)
class Measured:
    """One side of one round. batches: (seconds, rows) of each batch after the first."""

    seconds: float
    rows: int
    wal: float = 0.0
    start: float = 0.0
    batches: list[tuple[float, int]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


def fill_events(server: postgres.Server, name: str, *, rows: int, share: float, shuffled: bool) -> str:
    """A template database with `rows` events of about 290 bytes, `share` of them due. Its name."""
    url = create_template(server, name)
    order = "ORDER BY random()" if shuffled else ""
    script = _FILL.format(cutoff=CUTOFF.isoformat(), due=int(rows * share), rows=rows, order=order)
    with connect(url) as connection:
        for statement in script.replace("%%", "%").split(";"):
            connection.execute(statement.encode())
        connection.execute("VACUUM ANALYZE events")
    return name


def one_shot(url: str) -> Measured:
    """Everything due in one DELETE."""
    with connect(url) as connection:
        position = wal_position(url)
        began = time.perf_counter()
        rows = connection.execute(ONE_SHOT, (CUTOFF,)).rowcount
        seconds = time.perf_counter() - began
    return Measured(seconds, rows, wal_position(url) - position)


def purge_job(keep: str = "30d") -> Job:
    """The job under test, with its default settings."""
    return Job("benchmark.purge", work=Purge(EVENTS, EVENTS.c.created_at, keep), timeout="1h", guard=None)


def our_run(url: str) -> Measured:
    """The same through a run: preflight, claim, fence, progress, history.

    A run that finds nothing comes first, so that connection and compiled statements are there, as in a worker.
    """
    engine = open_database(url)
    marks: list[tuple[float, int]] = []

    def watch(step: str, counts: Counts) -> None:
        marks.append((time.perf_counter(), counts.changed))

    try:
        run_job(engine, purge_job("3000d"), at=AS_OF)
        position = wal_position(url)
        began = time.perf_counter()
        outcome = run_job(engine, purge_job(), at=AS_OF, watch=watch)
        seconds = time.perf_counter() - began
    finally:
        engine.dispose()
    assert outcome.state == "succeeded", outcome
    batches = [(later - earlier, done - before) for (earlier, before), (later, done) in pairwise(marks)]
    start = marks[0][0] - began if marks else seconds
    return Measured(seconds, outcome.total.changed, wal_position(url) - position, start, batches)
