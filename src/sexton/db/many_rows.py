"""Many rows into one of our tables, as quick as the database takes them: by COPY, or in one document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, TextClause, insert, text

from .column_types import Document

BACKSLASH = "\\"

LINES_PER_BLOCK = 1_000
"""Rows that are handed to the driver at once."""


def next_numbers(connection: Connection, table: Table, count: int) -> list[int]:
    """So many numbers for new rows of this table, in ascending order; nobody else gets them."""
    if connection.dialect.name == "postgresql":
        taken = text("SELECT nextval(:sequence) FROM generate_series(1, :count)")
        return list(connection.execute(taken, {"sequence": f"{table.fullname}_id_seq", "count": count}).scalars())
    # One writer at a time: what is written by the end of this transaction is ours, if it is the writer before it looks;
    # a caller's connection may begin a transaction only with its first change. The table is one whose numbers are never
    # used again (AUTOINCREMENT).
    connection.execute(text("UPDATE sqlite_sequence SET seq = seq WHERE name = :name"), {"name": table.name})
    asked = text("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = :name")
    highest = connection.execute(asked, {"name": table.name}).scalar_one()
    return list(range(highest + 1, highest + 1 + count))


def copy_documents(
    connection: Connection, table: Table, column: str, documents: Mapping[int, str], fixed: Mapping[str, Any]
) -> None:
    """Write rows that differ in their number and in one document of JSON, in the transaction in hand.

    By COPY where the driver is ours: a caller may have another.
    fixed: what all of them have: texts, numbers, instants, true or false, or nothing.
    """
    if connection.dialect.driver != "psycopg":
        rows = [{"id": number, column: document, **fixed} for number, document in documents.items()]
        connection.execute(insert(table), rows)
        return
    driver: Any = connection.connection.driver_connection
    names = ", ".join(("id", column, *fixed))
    # JSON writes control characters as escapes, so that of what COPY reads as more than itself only \ is left.
    rest = "\t".join(("", *map(_copied, fixed.values()))) + "\n"
    lines = (f"{number}\t{document.replace(BACKSLASH, BACKSLASH * 2)}{rest}" for number, document in documents.items())
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.fullname} ({names}) FROM STDIN") as copy:
        while block := "".join(islice(lines, LINES_PER_BLOCK)):
            copy.write(block)


def _copied(value: object) -> str:
    """A value as COPY reads it."""
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return text.replace("\\", "\\\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write some hundred rows that all have the same columns in one exchange; instants are aware, in UTC."""
    if connection.dialect.name != "postgresql":
        connection.execute(insert(table), [dict(row) for row in rows])
        return
    documents = {name: kind for name in rows[0] if isinstance(kind := table.c[name].type, Document)}
    fit = [
        {**row, **{name: kind.process_bind_param(row[name], connection.dialect) for name, kind in documents.items()}}
        for row in rows
    ]  # names of others may be in them, which PostgreSQL reads as JSON and does not take
    document = json.dumps(fit, default=_instant)
    connection.execute(_from_document(table.fullname, tuple(rows[0])), {"document": document})


def _instant(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


@cache
def _from_document(table: str, columns: tuple[str, ...]) -> TextClause:
    names = ", ".join(f'"{name}"' for name in columns)
    read = f"json_populate_recordset(NULL::{table}, CAST(:document AS json))"
    return text(f"INSERT INTO {table} ({names}) SELECT {names} FROM {read}")
