"""Rows of history as runs leave them, for tests of what reads them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert

from sexton.clock import parse_instant
from sexton.db.server_clock import ask_now
from sexton.db.tables import own_tables
from sexton.jobs.job import Job
from sexton.run_counts import steps_from_json
from sexton.slots.ending import counts_columns
from sexton.slots.history import RunRecord, history, set_aside
from sexton.slots.schedule_overrides import observe


def database_time(engine: Engine) -> datetime:
    """What the database's clock says."""
    with engine.connect() as connection:
        return ask_now(connection)


def run_row(job: str, state: str, started: datetime, seconds: float = 1.0, **more: Any) -> dict[str, Any]:
    """One row for `runs`, as this version writes it; open states have no end. more: other columns, such as `slot`."""
    is_open = state in ("queued", "running")
    row: dict[str, Any] = {
        "job": job,
        "database": "main",
        "slot": None,
        "attempt": 1,
        "state": state,
        "worker": "host:1:abc",
        "epoch": 1,
        "as_of": started,
        "started_at": started,
        "finished_at": None if is_open else started + timedelta(seconds=seconds),
        "definition": "",
        "missed": 0,
    }
    return row | counts_columns(steps_from_json(more.get("counts"))) | more


def add_runs(engine: Engine, *rows: dict[str, Any]) -> None:
    """Put them into history."""
    with engine.begin() as connection:
        connection.execute(insert(own_tables(engine.dialect.name).runs), list(rows))


def first_seen(engine: Engine, when: datetime, *jobs: Job) -> None:
    """A worker or a `run --due` looked at these jobs then, for the first time: they are due for each slot since."""
    with engine.begin() as connection:
        observe(connection, jobs, {}, when)


def add_lease(engine: Engine, name: str, ends: datetime, holder: str | None = "host:1:abc") -> None:
    """A lease as its holder, or whoever gave it back, left it."""
    leases = own_tables(engine.dialect.name).leases
    with engine.begin() as connection:
        connection.execute(insert(leases).values(name=name, holder=holder, epoch=1, expires_at=ends))


def at(text: str) -> datetime:
    """An instant of 15 June 2026, "12:05"."""
    return parse_instant(f"2026-06-15T{text}Z")


def newest_run(engine: Engine) -> RunRecord:
    """The run that began last."""
    with engine.connect() as connection:
        return history(connection, limit=1)[0]


def set_aside_rows(engine: Engine) -> list[dict[str, Any]]:
    """Rows that are set aside."""
    with engine.connect() as connection:
        return set_aside(connection)
