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
    runs = own_tables(connection.dialect.name).runs
    waiting = select(runs.c.id).where(runs.c.job == job.name, runs.c.state == "queued", runs.c.slot.is_(None))
    known = connection.execute(waiting.order_by(runs.c.id).limit(1)).scalar()
    if known is not None:
        return known, False
    now = ask_now(connection)
    row: dict[str, Any] = {"job": job.name, "database": DATABASE, "slot": None, "attempt": 1, "state": "queued"}
    row |= {"worker": by, "epoch": 0, "as_of": now, "started_at": now, "counts": {}, "definition": ""}
    number: int = connection.execute(insert(runs).values(row).returning(runs.c.id)).scalar_one()
    audit(connection, job, "trigger", {"run": number}, by)
    wake(connection, f"{job.name} {number}")
    return number, True
