"""Runs that somebody asked for: a row in state `queued` until a worker or a `run --due` claims it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select

from ..db.moment import ask_now
from ..db.tables import own_tables
from ..jobs.job import Job
from .claim import DATABASE
from .schedules import audit
from .wake import wake


def enqueue(connection: Connection, job: Job, *, by: str) -> tuple[int, bool]:
    """Ask for a run of `job`: its number, and whether it is new. One that waits already stands for all who ask (S5)."""
    known = next((number for number, name in waiting(connection) if name == job.name), None)
    if known is not None:
        return known, False
    runs = own_tables(connection.dialect.name).runs
    now = ask_now(connection)
    row: dict[str, Any] = {"job": job.name, "database": DATABASE, "slot": None, "attempt": 1, "state": "queued"}
    row |= {"worker": by, "epoch": 0, "as_of": now, "started_at": now, "counts": {}, "definition": ""}
    number: int = connection.execute(insert(runs).values(row).returning(runs.c.id)).scalar_one()
    audit(connection, job, "trigger", {"run": number}, by)
    wake(connection, f"{job.name} {number}")
    return number, True


def waiting(connection: Connection) -> list[tuple[int, str]]:
    """(number, job) of the runs that nobody has begun, oldest first."""
    runs = own_tables(connection.dialect.name).runs
    # Only open runs are indexed by their state.
    open_ones = (runs.c.finished_at.is_(None), runs.c.state == "queued", runs.c.slot.is_(None))
    asked = select(runs.c.id, runs.c.job).where(*open_ones).order_by(runs.c.id)
    return [(row.id, row.job) for row in connection.execute(asked)]
