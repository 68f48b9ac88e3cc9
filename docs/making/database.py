"""The page of Sexton's own tables: columns from their definition, indexes from a migrated database."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import JSON, Boolean, Column, Integer, Table, Text, inspect
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.types import TypeEngine

from sexton.db.column_types import Document, Line, OneOf, is_time
from sexton.db.connect import open_database
from sexton.db.migrate import HEAD_REVISION, migrate
from sexton.db.tables import own_name, own_tables

from .markdown import code, inline, page, table

PURPOSES = {
    "runs": "One row an attempt at a run.",
    "leases": "One row a job: who may execute it, until when, in which epoch.",
    "effects": "Facts that were told. A key stands here once, and the row outlives the message.",
    "outbox_events": "Messages, written in the transaction that changed the rows; a product may map its own table.",
    "poison": "Rows that the database refused, set aside with the reason.",
    "schedules": "One row a job that has run on a schedule: what people changed about it, and since when it is so.",
    "schedules_audit": "Every change of a schedule by a person, every pause and trigger.",
    "incidents": "What is or was wrong with a job, from the first sign to the recovery.",
    "alerts": "Messages about incidents, one a channel, with their delivery.",
    "archives": "Files that rows were written to before they were deleted; kept as long as you keep the files.",
    "identity": "Who this database is to receivers of messages and to a fleet: one row, made by `sexton migrate`.",
    "databases": "The databases of a fleet, in its home database: what the list said when it was last believed.",
    "tracebacks": "Of functions that failed: one row a run, kept for a time of its own, `retention.tracebacks`.",
    "calls": "Rows that something outside is called for: who does, how often it was tried, when it is tried next.",
    "destinations": "Whoever is called: whether it works, rests, or is disabled, and since when.",
    "budgets": "Calls that count against a rate, of all processes together.",
    "deliveries": "The way of one message by one route to one receiver.",
    "watermarks": "How far a roll-up has come: windows that are computed, and those that are computed no more.",
    "requests": "Jobs on demand that are not over: asked for, waiting, under way.",
    "dead_requests": "Requests that nobody tries any more, until a person replays or discards them.",
    "workers": "Processes that take requests: one row each, renewed while it lives.",
    "request_counts": "Requests that ended, by minute; a row a process, so that none waits for another's.",
    "engine_counts": "What was handed to each engine that carries runs, and what came of it, by day.",
    "slots": "When jobs with fixed times are due, two years ahead, for procedures that ask no time zone (pg_cron).",
    "windows": "Where windows of roll-ups begin, for procedures that ask no time zone (pg_cron); no even ones.",
    "fleet_jobs": "A row a job and database of the fleet: what came of the last visit, and when the next is due.",
    "fleet_runs": "Runs over the whole fleet, one row each: how far the waves came, and why one was halted.",
    "armed": "Policies of the settings file that people have confirmed; the others only count.",
}
"""What each table is for. A table without an entry stops the generator."""

WORDS = {
    Boolean: "true or false",
    Text: "text",
    Line: "text",
    OneOf: "text",
    Integer: "whole number",
    JSON: "JSON",
    Document: "JSON",
}


def tables() -> str:
    """Sexton's own tables with their columns, comments and indexes."""
    return page("Sexton's own tables", "src/sexton/db/tables.py and its migrations", _parts())


def _parts() -> Iterator[str]:
    yield (
        "They stand in the database that jobs run in, so that fence, effects and messages commit together with the "
        f"data. `sexton migrate` makes them; this is revision `{HEAD_REVISION}`, kept in the table `schema_version`. "
        "How long rows stay is set in [`[retention]`](settings.md#retention); the job `sexton.housekeeping` deletes "
        "them."
    )
    yield (
        "On PostgreSQL they are in the schema `sexton`, elsewhere they carry the prefix `sexton_`. An *instant* is "
        "`timestamp with time zone` on PostgreSQL, and on SQLite text such as `2026-11-22 10:00:00.000000`, always "
        "UTC. *JSON* is `json`, but `jsonb` for `outbox_events.payload`; on SQLite it is text. On PostgreSQL there is "
        "also the function `sexton.refuse(reason)`, with which a statement refuses a row."
    )
    indexes = _indexes()
    for name, own in _tables().items():
        yield f"## {name}"
        yield f"{PURPOSES[name]} PostgreSQL: `{own.fullname}`; SQLite: `{own_name('sqlite', name)[0]}`."
        yield table(["column", "type", "may be empty", "meaning"], (_row(column) for column in own.columns))
        yield "\n".join(f"- {line}" for line in indexes[name])


def _tables() -> dict[str, Table]:
    """By name, in the order of their definition."""
    return {own.name: own for own in own_tables("postgresql").metadata.tables.values()}


def _row(column: Column[object]) -> list[str]:
    return [
        code(column.name),
        _type(column.type),
        "yes" if column.nullable else "",
        inline(column.comment or ""),
    ]


def _type(column_type: TypeEngine[object]) -> str:
    if is_time(column_type):
        return "instant"
    return next(word for kind, word in WORDS.items() if isinstance(column_type, kind))


def _indexes() -> dict[str, list[str]]:
    """Keys and indexes of each table, as a freshly migrated database has them."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{Path(folder) / 'sexton.db'}")
        try:
            migrate(engine)
            inspector = inspect(engine)
            return {name: list(_indexes_of(inspector, own_name("sqlite", name)[0])) for name in _tables()}
        finally:
            engine.dispose()


def _indexes_of(inspector: Inspector, name: str) -> Iterator[str]:
    yield f"primary key ({_columns(inspector.get_pk_constraint(name)['constrained_columns'])})"
    for constraint in inspector.get_unique_constraints(name):
        yield f"unique ({_columns(constraint['column_names'])})"
    for index in inspector.get_indexes(name):
        where = index.get("dialect_options", {}).get("sqlite_where")
        condition = f" where `{where}`" if where is not None else ""
        kind = "unique index" if index["unique"] else "index"
        yield f"{kind} `{index['name']}` ({_columns(index['column_names'])}){condition}"


def _columns(names: object) -> str:
    assert isinstance(names, list)
    return ", ".join(code(name) for name in names)
