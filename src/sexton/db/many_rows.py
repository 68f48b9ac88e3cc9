"""Many rows into one of our tables, as quick as the database takes them: by COPY, or in one document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, TextClause, insert, text


def next_numbers(connection: Connection, table: Table, count: int) -> list[int]:
    """So many numbers for new rows of this table, in ascending order; nobody else gets them."""
    if connection.dialect.name == "postgresql":
        taken = text("SELECT nextval(:sequence) FROM generate_series(1, :count)")
        return list(connection.execute(taken, {"sequence": f"{table.fullname}_id_seq", "count": count}).scalars())
    # One writer at a time: what is written by the end of this transaction is ours. The table is one whose numbers are
    # never used again (AUTOINCREMENT).
    asked = text("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = :name")
    highest = connection.execute(asked, {"name": table.name}).scalar_one()
    return list(range(highest + 1, highest + 1 + count))


def copy_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write these rows; on PostgreSQL by COPY, in the transaction in hand."""
    if connection.dialect.name != "postgresql":
        connection.execute(insert(table), [dict(zip(columns, row, strict=True)) for row in rows])
        return
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.fullname} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write some hundred rows that all have the same columns in one exchange; instants are aware, in UTC."""
    if connection.dialect.name != "postgresql":
        connection.execute(insert(table), [dict(row) for row in rows])
        return
    document = json.dumps(rows, default=_instant)
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
