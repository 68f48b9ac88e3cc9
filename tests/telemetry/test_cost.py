"""X9: what a scrape costs does not grow with history: every statement looks into an index, on a filled table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from sexton import Job, every
from sexton.db.render import for_driver
from sexton.telemetry.counters import CounterReader
from sexton.telemetry.health import read_health
from tests.sql.test_plans import nodes
from tests.support.past_runs import at

NOW = at("12:00")
JOBS = tuple(Job(f"shop.job_{number}", schedule=every("10m"), work=print) for number in range(4))
NAMES = [job.name for job in JOBS]

POSTGRES = """
INSERT INTO sexton.runs (job, database, slot, attempt, state, worker, epoch, as_of, started_at, finished_at, counts,
        definition)
    SELECT 'shop.job_' || (n % 4), 'main', t, 1,
        CASE WHEN n % 50 < 4 OR n < 1000 AND n % 4 = 3 THEN 'failed' ELSE 'succeeded' END,
        'w', 1, t, t, t + interval '1 s', '{"step": {"picked": 1, "changed": 1, "told": 0}}', ''
    FROM (SELECT n, timestamptz '2026-06-15 12:00Z' - n * interval '150 s' AS t FROM generate_series(1, 40000) n) AS x;
INSERT INTO sexton.runs (job, database, attempt, state, worker, epoch, as_of, started_at, counts, definition)
    SELECT 'shop.job_1', 'main', 1, 'queued', '', 0, t, t, '{}', '' FROM (SELECT timestamptz '2026-06-15Z' AS t) AS x;
INSERT INTO sexton.outbox_events (key, event_type, payload, created_at, published_at)
    SELECT n::text, 'x', '{}', t, CASE WHEN n % 100 > 0 THEN t END
    FROM (SELECT n, timestamptz '2026-06-15Z' - n * interval '1 min' AS t FROM generate_series(1, 40000) n) AS x;
INSERT INTO sexton.incidents (job, kind, text, opened_at, told_at, closed_at)
    SELECT 'shop.job_1', 'late', '', t, t, CASE WHEN n > 1 THEN t END
    FROM (SELECT n, timestamptz '2026-06-15Z' - n * interval '1 min' AS t FROM generate_series(1, 20000) n) AS x;
INSERT INTO sexton.calls (job, step, subject, destination, attempts, first_at, state, closed_at)
    SELECT 'shop.job_' || (n % 4), 's', n::text, 'gateway', 1, t, CASE WHEN n % 100 > 1 THEN 'done' WHEN n % 100 = 1
        THEN 'failed' ELSE 'waiting' END, CASE WHEN n % 100 > 0 THEN t END
    FROM (SELECT n, timestamptz '2026-06-15Z' - n * interval '1 min' AS t FROM generate_series(1, 40000) n) AS x;
INSERT INTO sexton.deliveries (outbox, message, message_key, event_type, route, channel, destination, recipient,
        created_at, state, closed_at)
    SELECT 'o', n::text, n::text, 'x', 'r', 'email', 'relay', 'a', t, CASE WHEN n % 100 > 1 THEN 'done' WHEN n % 100 = 1
        THEN 'failed' ELSE 'waiting' END, CASE WHEN n % 100 > 0 THEN t END
    FROM (SELECT n, timestamptz '2026-06-15Z' - n * interval '1 min' AS t FROM generate_series(1, 40000) n) AS x;
INSERT INTO sexton.destinations (name, rest_until)
    SELECT n::text, CASE WHEN n % 100 = 0 THEN timestamptz '2026-06-15Z' END FROM generate_series(1, 20000) n;
INSERT INTO sexton.request_counts (job, minute, holder, succeeded, failed, died, run_ms, waited_ms)
    SELECT 'shop.job_' || (n % 4), timestamptz '2026-06-15 12:00Z' - n * interval '1 min', 'h', 1, 0, 0, 1, 1
    FROM generate_series(1, 40000) n;
ANALYZE;
"""

SQLITE = """
WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000),
    x AS (SELECT n, strftime('%Y-%m-%d %H:%M:%f', '2026-06-15 12:00', (n * -150) || ' seconds') || '000' AS t FROM n)
INSERT INTO sexton_runs (job, database, slot, attempt, state, worker, epoch, as_of, started_at, finished_at, counts,
        definition)
    SELECT 'shop.job_' || (n % 4), 'main', t, 1, 'succeeded', 'w', 1, t, t, t, '{}', '' FROM x
"""

WHOLE = {"leases", "schedules", "databases", "fleet_jobs", "poison", "requests", "dead_requests"}
"""Tables that may be read from end to end: one row a job, a database of the fleet, or a job and database; and the last
three, which are read up to a limit."""


PARTIAL = ("_open", "_ended_badly", "_unwell")
"""Ends of the names of indexes that hold few of the rows; SQLite calls reading one of them a scan."""


@pytest.fixture
def sent(engine: Engine) -> list[tuple[str, Any]]:
    """All that one scrape sends: statement and parameters."""
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(for_driver(POSTGRES, connection.dialect))
        else:
            connection.exec_driver_sql(SQLITE)
    tally = CounterReader(NAMES)
    with engine.connect() as connection:
        tally.read(connection, NOW)
        event.listen(engine, "before_cursor_execute", note)
        health = read_health(connection, JOBS, NOW + timedelta(seconds=15))
        tallies = tally.read(connection, NOW + timedelta(seconds=15))
        event.remove(engine, "before_cursor_execute", note)
    assert len(health.jobs) == len(JOBS)
    assert sum(job.timed for job in tallies.jobs.values()) > 100
    assert len(statements) >= 9
    return statements


@pytest.mark.databases("postgres")
def test_x9_no_statement_of_a_scrape_reads_a_table_from_end_to_end(engine: Engine, sent: list[tuple[str, Any]]) -> None:
    whole: list[str] = []
    widest = 0
    with engine.connect() as connection:
        for statement, parameters in sent:
            found = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
            for node, _ in nodes(found.scalar_one()[0]["Plan"]):
                if node["Node Type"] == "Seq Scan" and node["Relation Name"] not in WHOLE:
                    whole.append(f"{node['Relation Name']}: {statement}")
                if node.get("Relation Name") == "runs":
                    read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                    widest = max(widest, read * node["Actual Loops"])

    assert whole == []
    assert 100 < widest < 600  # of 40,000: a job's failures in a row, and the runs of two hours


@pytest.mark.databases("sqlite")
def test_x9_sqlite_searches_too(engine: Engine, sent: list[tuple[str, Any]]) -> None:
    scans = []
    with engine.connect() as connection:
        for statement, parameters in sent:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            details = [row.detail for row in plan]
            scans += [
                detail
                for detail in details
                if detail.startswith("SCAN sexton_")
                and detail.split()[1].removeprefix("sexton_") not in WHOLE
                and not detail.endswith(PARTIAL)
            ]

    assert scans == []
