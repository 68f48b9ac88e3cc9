"""K1: a policy of a settings file on a table without key and without index: batches, neighbours, and linear time."""

from __future__ import annotations

import time
from datetime import timedelta

from sexton.app import App
from sexton.config import Settings
from sexton.db.connect import open_database
from sexton.declared.policy_fingerprint import definition_of
from sexton.declared.policy_tables import read_policy
from sexton.guard.arming import arm
from sexton.testing import postgres, run_job

from .events import AS_OF, CUTOFF, Measured
from .figures import Options, Row, at_most, note, percentile
from .neighbours import Neighbour
from .server import connect, create_template, durable_server, on_fresh_copy

LARGEST = 2_000_000
POLICY = {"purge": "lines", "by": "logged_at", "keep": "30d", "max_share": 1.0, "timeout": "1h"}
TOUCH_RATE, WRITE_RATE = 50.0, 200.0

_FILL = """
CREATE TABLE lines (line text NOT NULL, kind text NOT NULL, logged_at timestamptz NOT NULL);
INSERT INTO lines SELECT rpad(md5(i::text), 200, md5((i + 1)::text)), 'kind_' || (i % 20),
    timestamptz '{cutoff}' - interval '1 second' + (i - {due}) * interval '1 second'
FROM generate_series(1, {rows}) i;
VACUUM ANALYZE lines
"""


def run(options: Options) -> list[Row]:
    """A quarter, half and all of the rows, 80 % of them due."""
    largest = max(options.rows, LARGEST)
    each: dict[int, list[float]] = {}
    waits: list[float] = []
    writes: list[float] = []
    with durable_server() as server:
        for rows in (largest // 4, largest // 2, largest):
            name = _fill(server, rows)
            note(f"lines without key or index, {rows:,} rows, 80 % due")
            for _ in range(options.rounds):
                measured, touch, write = on_fresh_copy(server, name, _beside)
                each.setdefault(rows, []).append(measured.seconds / measured.rows * 1e6)
                if rows == largest:
                    waits.append(max(touch))
                    writes.append(percentile(write, 0.99))
                waited = f"any row: p99 {percentile(touch, 0.99):.1f}, longest wait {max(touch):.1f} ms"
                note(f"  {measured.seconds:.1f} s, {measured.rate:,.0f} rows/s | {waited}")
                note(f"  new rows: p99 {percentile(write, 0.99):.1f}, longest wait {max(write):.1f} ms")
            server.drop_database(name)
    growth = [whole / quarter for whole, quarter in zip(each[largest], each[largest // 4], strict=True)]
    return [
        at_most("K1", f"no key, no index, {largest:,} rows: longest wait on any row <= 20 ms", waits, 20.0, " ms"),
        at_most("K1", "the same: p99 of others' inserts <= 20 ms", writes, 20.0, " ms"),
        at_most("K1", "time a row, all rows against a quarter of them <= 1.3", growth, 1.3),
    ]


def _fill(server: postgres.Server, rows: int) -> str:
    name = f"lines_{rows}"
    url = create_template(server, name)
    script = _FILL.format(cutoff=CUTOFF.isoformat(), due=int(rows * 0.8), rows=rows)
    with connect(url) as connection:
        for statement in script.split(";"):
            connection.execute(statement.encode())
    return name


def _beside(url: str) -> tuple[Measured, list[float], list[float]]:
    with connect(url) as connection:
        asked = "SELECT pg_relation_size('lines') / 8192"
        (blocks,) = connection.execute(asked.encode()).fetchone() or (1,)
    with (
        Neighbour("line", url, TOUCH_RATE, int(blocks), 0) as touch,
        Neighbour("insert", url, WRITE_RATE, int(blocks), 0) as write,
    ):
        return _purged(url), touch.stop(), write.stop()


def _purged(url: str) -> Measured:
    engine = open_database(url)
    job = App(Settings(database=url, policies={"lines": POLICY})).registry.get("policies.lines")
    try:
        with engine.begin() as connection:
            settings = read_policy(POLICY, ("policies", "lines"))
            arm(connection, "lines", definition_of(settings), allowed=10**12, by="a benchmark")
        run_job(engine, job, at=AS_OF - timedelta(days=3000))
        began = time.perf_counter()
        outcome = run_job(engine, job, at=AS_OF)
        seconds = time.perf_counter() - began
    finally:
        engine.dispose()
    assert outcome.state == "succeeded", outcome
    return Measured(seconds, outcome.total.changed)
