"""G1: orders expire by a procedure inside the database, by Python, and in one giant transaction, in the same run."""

from __future__ import annotations

import time

from sqlalchemy import Engine

from sexton.db.connect import open_database
from sexton.db.render import for_driver
from sexton.engines.pg_cron.procedure import procedure_of
from sexton.jobs.job import Job
from sexton.runs.context import Limits
from sexton.runs.runner import planned

from .events import Measured
from .figures import Options, Row, at_least, note
from .orders import AS_OF, expiry, fill_orders, giant, our_expiry
from .server import durable_server, on_fresh_copy, wal_position


def run(options: Options) -> list[Row]:
    """The same policy three ways, on a fresh copy each."""
    rounds: list[dict[str, Measured]] = []
    with durable_server() as server:
        name = fill_orders(server, "orders", options.rows // 5)
        note(f"expiry of {options.rows // 10:,} of {options.rows // 5:,} orders inside the database")
        for _ in range(options.rounds):
            measured = {
                "giant": on_fresh_copy(server, name, giant),
                "python": on_fresh_copy(server, name, lambda url: our_expiry(url, lock_first=False)),
                "procedure": on_fresh_copy(server, name, by_procedure),
            }
            note("  " + ", ".join(f"{way} {side.rate:,.0f} orders/s" for way, side in measured.items()))
            rounds.append(measured)
    against_python = [one["procedure"].rate / one["python"].rate for one in rounds]
    against_giant = [one["procedure"].rate / one["giant"].rate for one in rounds]
    return [
        at_least("G1", "expiry by a procedure: >= 0.9 of the same from Python", against_python, 0.9),
        at_least("G1", "expiry by a procedure: >= 0.75 of one giant transaction", against_giant, 0.75),
    ]


def by_procedure(url: str) -> Measured:
    """CALL it once, after one that found nothing."""
    engine = open_database(url)
    try:
        _call(engine, "3000d")
        position = wal_position(url)
        seconds, rows = _call(engine, "10d")
    finally:
        engine.dispose()
    return Measured(seconds, rows, wal_position(url) - position)


def _call(engine: Engine, keep: str) -> tuple[float, int]:
    job = Job("benchmark.expire", work=expiry(lock_first=False, keep=keep), timeout="1h", guard=None)
    with engine.begin() as connection:
        procedure = procedure_of(connection, job, planned(job, engine), Limits())
        connection.exec_driver_sql(for_driver(procedure.create, engine.dialect))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        began = time.perf_counter()
        connection.exec_driver_sql(f"CALL {procedure.qualified}(%s)", (AS_OF,))
        seconds = time.perf_counter() - began
        newest = "SELECT affected_rows, outcome FROM sexton.job_runs ORDER BY id DESC LIMIT 1"
        row = connection.exec_driver_sql(newest).one()
    assert row.outcome == "succeeded", row
    return seconds, row.affected_rows
