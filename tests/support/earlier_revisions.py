"""A database at any earlier revision, with rows as the versions of that time wrote them.

The rows are those of `revision_0009` without the columns and tables that came later, and some of each state of a run.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, inspect

import sexton.db
from sexton.db.migrate import HEAD_REVISION
from sexton.db.tables import own_name

from .earlier_shop import EARLIER, REVISION

MIGRATIONS = Path(sexton.db.__file__).parent / "migrations"
REVISIONS = [
    path.name[:4] for path in sorted((MIGRATIONS / "versions").glob("[0-9]*.py")) if path.name[:4] != HEAD_REVISION
]

ENDED = {
    "succeeded": None,
    "partial": "2 rows refused and set aside",
    "failed": "RuntimeError: no",
    "timed_out": "its timeout passed",
    "abandoned": "its process ended without a word",
    "cancelled": "stopped by SIGTERM",
    "skipped": "given up: 0:05:00 late, more than 0:01:00",
}
"""How runs of each state ended, and what stood in `error`."""

TEXTS = (
    ("succeeded", "only counted, as it is not armed; look at it and confirm: sexton arm tidy"),
    ("succeeded", "whether rows are left that others moved meanwhile could not be asked in time"),
    ("succeeded", "archive a.jsonl.gz was never finished, and is forgotten: no row went by it"),
    ("failed", "stopped before its first row: more than 100 rows are due, max_share = 0.2 of 300"),
    ("failed", "could not begin: shop.told: there is no table sessions"),
    ("failed", "its process was ended by SIGSEGV"),
    ("timed_out", "its timeout passed and it did not stop; its process was ended"),
)
"""What else earlier versions wrote there that has a meaning."""


def put_back_at(engine: Engine, folder: Path, revision: str) -> None:
    """Our tables at `revision`, filled; archive files of that time in `folder`/kept."""
    dialect = engine.dialect.name
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        if dialect == "postgresql":
            connection.exec_driver_sql("CREATE SCHEMA sexton")
            connection.exec_driver_sql("SET LOCAL timezone = 'UTC'")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for table, rows in _rows_of_0009(dialect).items():
            for row in rows:
                if revision >= REVISION or not _is_of_its_time(row):
                    _insert(connection, table, row)
        for row in (*_each_state(), *_told(), *_slots()):
            _insert(connection, "runs", row)
        aside = {"job": "policies.codes_gone", "step": "codes_gone", "subject": "x plain", "error": "it stays"}
        seen = dict.fromkeys(("first_seen_at", "last_seen_at"), _at("15 12:00"))
        _insert(connection, "poison", aside | seen | {"attempts": 1, "next_at": _at("16 12:00"), "form": 1})
        if dialect == "postgresql":
            for table in ("runs", "outbox_events"):
                connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('sexton.{table}', 'id'), 1000)")
    shutil.copytree(EARLIER / "kept" / dialect, folder / "kept")


def _rows_of_0009(dialect: str) -> dict[str, list[dict[str, Any]]]:
    """By table."""
    statements = (EARLIER / f"{dialect}.sql").read_text(encoding="utf-8").replace("INTO sexton.", "INTO sexton_")
    scratch = sqlite3.connect(":memory:")
    scratch.row_factory = sqlite3.Row
    for table, columns in dict(re.findall(r"^INSERT INTO (\w+) \((.*)\)$", statements, re.MULTILINE)).items():
        quoted = ", ".join(f'"{name}"' for name in columns.split(", "))
        scratch.execute(f"CREATE TABLE {table} ({quoted})")
    for statement in statements.split(";\n"):
        if statement.strip().startswith("INSERT"):  # the rest sets sequences
            scratch.execute(statement)
    tables = [row["name"] for row in scratch.execute("SELECT name FROM sqlite_master")]
    return {
        table.removeprefix("sexton_"): [dict(row) for row in scratch.execute(f"SELECT * FROM {table}")]
        for table in tables
    }


def _is_of_its_time(row: dict[str, Any]) -> bool:
    """Whether the row holds a key that was written otherwise before revision 0009, which bounds and escapes them."""
    subject = row.get("subject") or ""
    return any(mark in subject for mark in ":~,") or len(subject) > 100


def _insert(connection: Connection, table: str, row: dict[str, Any]) -> None:
    """As much of the row as the table has columns for at this revision; nothing where there is no such table yet."""
    dialect = connection.dialect.name
    name, schema = own_name(dialect, table)
    there = inspect(connection)
    if not there.has_table(name, schema=schema):
        return
    columns = {column["name"] for column in there.get_columns(name, schema=schema)}
    kept = {column: value for column, value in row.items() if column in columns}
    mark = "?" if dialect == "sqlite" else "%s"
    names = ", ".join(f'"{column}"' for column in kept)
    values = ", ".join(mark for _ in kept)
    qualified = f"{schema}.{name}" if schema else name
    connection.exec_driver_sql(f"INSERT INTO {qualified} ({names}) VALUES ({values})", tuple(kept.values()))


def _at(text: str) -> str:
    """An instant of June 2026 as both databases take it."""
    day, time = text.split()
    return f"2026-06-{day} {time}:00.000000"


def _run(number: int, job: str, state: str, slot: str | None = None, **more: Any) -> dict[str, Any]:
    begun = _at(more.pop("at", "15 12:00"))
    is_open = state in ("queued", "running")
    row = {"id": number, "job": job, "database": "main", "slot": slot and _at(slot), "attempt": 1, "state": state}
    row |= {"worker": "host:1:abc", "epoch": 1, "as_of": begun, "started_at": begun, "definition": "abc"}
    row |= {"finished_at": None if is_open else begun, "counts": "{}", "wall": slot and f"{_at(slot)[:16]} UTC"}
    return row | more


def _each_state() -> list[dict[str, Any]]:
    counts = '{"tidy": {"picked": 3, "changed": 2, "told": 1, "also": {"changed": 7}}}'
    return [
        _run(100 + number, "shop.states", state, error=error, counts=counts, at=f"15 12:0{number}")
        for number, (state, error) in enumerate(ENDED.items())
    ]


def _told() -> list[dict[str, Any]]:
    told = [_run(110 + n, "shop.told", state, error=text, at=f"15 12:0{n}") for n, (state, text) in enumerate(TEXTS)]
    # Newer than the one that told about bills, it took none.
    counts = '{"bills_over": {"picked": 9, "changed": 0, "told": 0}}'
    counted = _run(119, "policies.bills_over", "succeeded", error=TEXTS[0][1], counts=counts, at="15 13:00")
    return [*told, counted | {"started_at": "2026-11-29 13:00:00.000000", "finished_at": "2026-11-29 13:00:00.000000"}]


def _slots() -> list[dict[str, Any]]:
    """Of hourly jobs: slots that are done, given up, to be tried again, and a run that somebody asked for."""
    crashed = [
        _run(130 + n, "shop.crashed", "abandoned", "15 12:00", attempt=n, error=ENDED["abandoned"]) for n in (1, 2, 3)
    ]
    return [
        _run(120, "shop.done", "succeeded", "15 12:00"),
        _run(121, "shop.given_up", "skipped", "15 12:00", error=ENDED["skipped"]),
        _run(122, "shop.cut", "cancelled", "15 12:00", error=ENDED["cancelled"]),
        _run(123, "shop.asked", "queued", asked_by="anna@host"),
        _run(124, "shop.under_way", "running", "15 12:00"),
        *crashed,
    ]
