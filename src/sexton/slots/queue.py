"""Runs that wait: a row in state `queued` until it is claimed. Somebody asked for it, or an engine was given it.

One that was ended by a deploy, or whose process died, is asked for again (see `attempts`): nobody asks twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Row, Table, select

from ..db.server_clock import ask_now
from ..db.tables import DATABASE, own_tables
from ..db.upsert import upsert
from ..jobs.job import Job
from ..run_state import RunState
from .attempts import MAX_ASKED_ATTEMPTS, MAX_CRASHES, infrastructure_failures
from .ending import counts_columns
from .schedule_overrides import audit
from .wake import wake


def enqueue(connection: Connection, job: Job, *, by: str) -> tuple[int, bool]:
    """Ask for a run of `job`: its number, and whether it is new. One that waits already stands for all who ask (S5)."""
    runs = own_tables(connection.dialect.name).runs
    number = _ask(connection, runs, job.name, by, ask_now(connection))
    if number is None:
        known = select(runs.c.id).where(
            runs.c.job == job.name, runs.c.database == DATABASE, runs.c.state == RunState.QUEUED
        )
        return connection.execute(known).scalar_one(), False
    audit(connection, job, "trigger", {"run": number}, by)
    wake(connection, f"{job.name} {number}")
    return number, True


def waiting(connection: Connection) -> list[tuple[int, str]]:
    """(number, job) of the runs that nobody has begun, oldest first."""
    runs = own_tables(connection.dialect.name).runs
    # Only open runs are indexed by their state.
    open_ones = (runs.c.finished_at.is_(None), runs.c.state == RunState.QUEUED)
    asked = select(runs.c.id, runs.c.job).where(*open_ones).order_by(runs.c.id)
    return [(row.id, row.job) for row in connection.execute(asked)]


def ended_columns(runs: Table) -> list[Column[Any]]:
    """What `ask_again` has to know of runs that ended."""
    columns = ("job", "attempt", "asked_by", "state", "outcome_code", "infrastructure_failures")
    return [runs.c[name] for name in columns]


def ask_again(connection: Connection, ended: Iterable[Row[Any]]) -> None:
    """Those of these runs that were asked for, and did not end by themselves, wait once more.

    ended: rows with `ended_columns`.
    """
    runs = own_tables(connection.dialect.name).runs
    for row in ended:
        failures = infrastructure_failures(row.state, row.outcome_code, row.infrastructure_failures)
        again = row.attempt - failures < MAX_CRASHES and row.attempt < MAX_ASKED_ATTEMPTS
        if row.asked_by is not None and again:
            _ask(connection, runs, row.job, row.asked_by, ask_now(connection), row.attempt + 1, failures)


def _ask(
    connection: Connection, runs: Table, job: str, by: str, now: datetime, attempt: int = 1, failures: int = 0
) -> int | None:
    """The number of a new row; None when one waits already."""
    row = queued_row(job, now, attempt, failures) | {"asked_by": by}
    new = upsert(connection.dialect.name, runs).values(row).on_conflict_do_nothing().returning(runs.c.id)
    return connection.execute(new).scalar()


def queued_row(job: str, now: datetime, attempt: int, failures: int) -> dict[str, Any]:
    """A run that waits, without a slot; of a job one waits at a time. failures: see `infrastructure_failures`."""
    row: dict[str, Any] = {"job": job, "database": DATABASE, "slot": None, "attempt": attempt}
    row |= {"infrastructure_failures": failures, "state": RunState.QUEUED}
    return row | {"worker": "", "epoch": 0, "as_of": now, "started_at": now, "definition": "", **counts_columns({})}
