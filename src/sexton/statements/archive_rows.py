"""Rows as an archive takes them: as a line of a file, and what is kept of it in memory to know the row again.

PostgreSQL writes the JSON itself, so values that Python knows nothing of (infinity, BC, year 20000, NaN) pass (Q6),
beside it the text of those that would come back otherwise (`archive_columns.lossy_in_json`), and its `xmin` is the
witness. SQLite gives every value as it is stored; there the content is the witness.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect

from ..archives.file_format import ArchiveLine, digest_of
from ..db.identifiers import quoted, quoted_table
from ..policies.contract import Plan
from .archive_columns import columns_of, row_hash, row_json, texts_json
from .selection import after_cursor, cursor_value, due_condition, limit

RowKey = tuple[Any, ...]

SQLITE_INTEGER_LIMIT = 1 << 63
"""The first number that SQLite has no room for."""

MAX_READ_BYTES = 4 << 20
"""Bytes of text that are read, or looked at, in one piece; a single row may be more."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How rows are read. columns: only these and the key, as a link; (): whole rows.

    content: False leaves the columns out, where the witness is enough.  as_text: every value as the database's text.
    """

    table: Table
    columns: tuple[str, ...] = ()
    content: bool = True
    as_text: bool = False

    def of(self) -> list[Column[Any]]:
        """The columns that are read."""
        key = self.table.primary_key.columns
        return [
            one for one in columns_of(self.table) if not self.columns or one.name in self.columns or one.name in key
        ]


@dataclass(frozen=True, slots=True)
class ArchivedRow:
    """One row. witness: differs once the row was changed, None where only its content tells.

    mark: the cursor just after it, where one was asked for.  total: PostgreSQL's sum of its values.
    """

    line: ArchiveLine
    witness: str | None
    cursor: RowKey = ()
    total: int | None = None

    @property
    def key(self) -> RowKey:
        """As the line has it; what stands for bytes there as a pair, which can be looked up."""
        return row_key(self.line)


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """What is kept in memory of a row that a file has. size: of its line in bytes."""

    key: RowKey
    witness: str | None
    digest: bytes
    size: int


def row_key(line: ArchiveLine) -> RowKey:
    """The key of the row that a line is of."""
    return tuple(tuple(*part.items()) if isinstance(part, dict) else part for part in line.key)


def written_row(row: ArchivedRow, encoded: bytes) -> WrittenRow:
    """What is kept of a row whose line is in the file. encoded: that line."""
    return WrittenRow(row.key, row.witness, digest_of(encoded), len(encoded))


def select_rows(dialect: Dialect, how: Reading, cursor_columns: Sequence[ColumnElement[Any]] = ()) -> Select[Any]:
    """Key, witness and content of rows, for `read_rows`, after the marks."""
    table, key = how.table, how.table.primary_key.columns
    if dialect.name == "postgresql":
        version = literal_column(f"{quoted_table(dialect, table)}.xmin", Text)
        content = (row_json, texts_json, row_hash) if how.content else ()
        parts = (one(dialect, table, how.of(), how.as_text) for one in content)
        return select(*cursor_columns, *(cast(one, Text) for one in key), cast(version, Text), *parts)
    quote = partial(quoted, dialect)
    values: list[ColumnElement[Any]] = [
        literal_column(f"{quote(table.name)}.{quote(one.name)}") for one in (*key, *how.of())
    ]
    return select(*cursor_columns, *(one.label(f"c{number}") for number, one in enumerate(values))).select_from(table)


def select_due_rows(
    dialect: Dialect, plan: Plan, how: Reading | None = None, *, excluding: bool, onward: bool
) -> Select[Any]:
    """The next due rows, as many as `batch` says. onward: only those after the cursor.  how: whole by default."""
    cursor_columns = [cursor_value(column) for column in plan.order]
    return next_due(select_rows(dialect, how or Reading(plan.table), cursor_columns), plan, excluding, onward)


def next_due(asked: Select[Any], plan: Plan, excluding: bool, onward: bool) -> Select[Any]:
    """The due rows that come next, in the plan's order."""
    asked = asked.where(due_condition(plan, excluding=excluding))
    if onward:
        asked = asked.where(after_cursor(plan))
    return asked.order_by(*plan.order).limit(limit())


def read_rows(
    connection: Connection,
    how: Reading,
    asked: Select[Any],
    values: dict[str, Any],
    *,
    cursor_columns: int = 0,
    some: int = 0,
) -> Iterator[ArchivedRow]:
    """The rows of a statement that `select_rows` began. some: so many in memory at once; 0: all."""
    width = cursor_columns + len(how.table.primary_key.columns)
    make = _of_postgresql if connection.dialect.name == "postgresql" else _of_sqlite
    names = [one.name for one in how.of()]
    with _any_text(connection):
        if some and connection.dialect.name == "postgresql":
            asked = asked.execution_options(stream_results=True, max_row_buffer=some)
        result = connection.execute(asked, values)
        while rows := (result.fetchmany(some) if some else result.fetchall()):
            for row in rows:
                cursor, key, rest = tuple(row[:cursor_columns]), tuple(row[cursor_columns:width]), tuple(row[width:])
                yield make(how, key, rest, names, cursor)
            if not some:
                return


def _of_postgresql(how: Reading, key: RowKey, rest: tuple[Any, ...], _names: list[str], cursor: RowKey) -> ArchivedRow:
    witness, row, beside, total = rest if how.content else (rest[0], "{}", "{}", None)
    # Within a value of an extension's own JSON; a line feed within words is written \\n.
    row = row.replace("\n", " ").replace("\r", " ") if "\n" in row or "\r" in row else row
    line = ArchiveLine(how.table.fullname, key, row, beside if beside != "{}" else "", how.columns)
    return ArchivedRow(line, witness if not how.columns else None, cursor, total)


def _of_sqlite(how: Reading, key: RowKey, rest: tuple[Any, ...], names: list[str], cursor: RowKey) -> ArchivedRow:
    text = json.dumps({name: json_value(value) for name, value in zip(names, rest, strict=True)})
    return ArchivedRow(
        ArchiveLine(how.table.fullname, tuple(json_value(part) for part in key), text, "", how.columns), None, cursor
    )


class UndecodableText(bytes):
    """A text of SQLite that is not UTF-8: bytes that the type TEXT stands on."""


@contextmanager
def _any_text(connection: Connection) -> Iterator[None]:
    """SQLite lets a text be any bytes; the driver gives up at the first that is not UTF-8."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    before, driver.text_factory = driver.text_factory, _text
    try:
        yield
    finally:
        driver.text_factory = before


def _text(value: bytes) -> str | UndecodableText:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return UndecodableText(value)


def json_value(value: Any) -> Any:
    """A value of SQLite as JSON: bytes in hexadecimal digits, numbers that JSON has no sign for by their names."""
    if isinstance(value, UndecodableText):
        return {"text": value.hex()}
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"real": str(value)}
    return value


def values_of(row: str) -> dict[str, Any]:
    """The values of SQLite in a row of a line. ValueError, RecursionError: `json_value` wrote no such row (SEC-22)."""
    values = json.loads(row, parse_constant=_no_number)
    if not isinstance(values, dict):
        raise ValueError("its row is no object")
    return {name: sqlite_value(value) for name, value in values.items()}


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def sqlite_value(value: Any) -> Any:
    """A value of SQLite, of what stands for it in JSON. ValueError for what no column holds."""
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.items()
    if isinstance(value, tuple):
        return _named(*value)
    if isinstance(value, bool) or not isinstance(value, int | float | str | None):
        raise ValueError("its row has a value that no column holds")
    if isinstance(value, int) and not -SQLITE_INTEGER_LIMIT <= value < SQLITE_INTEGER_LIMIT:
        raise ValueError("its row has a number beyond 64 bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("its row has a number that is too large")
    if isinstance(value, str) and not value.isascii():
        value.encode()  # half of a surrogate pair is no text
    return value


def _named(kind: Any, written: Any) -> Any:
    """A value of which JSON has no kind."""
    if not isinstance(written, str) or kind not in ("real", "text", "hex"):
        raise ValueError("its row has a value that no column holds")
    if kind == "real":
        return float(written)
    return UndecodableText(bytes.fromhex(written)) if kind == "text" else bytes.fromhex(written)


def keys_relation(dialect: str, table: Table, keys: Sequence[RowKey]) -> tuple[FromClause, dict[str, Any]]:
    """These keys as a relation named like `Plan`'s picked rows, and the values of its parameters."""
    own = list(table.primary_key.columns)
    if dialect == "postgresql":
        names = [f"sexton_key_{number}" for number in range(len(own))]
        arrays = func.unnest(*(bindparam(name, type_=ARRAY(Text)) for name in names))
        named = arrays.table_valued(*(column(name, Text) for name in names)).render_derived(name="keys")
        typed = (cast(named.c[name], one.type).label(one.key) for name, one in zip(names, own, strict=True))
        texts = {name: [str(key[number]) for key in keys] for number, name in enumerate(names)}
        return select(*typed).subquery("sexton_picked"), texts
    quote = partial(quoted, sqlite.dialect())
    raw: list[ColumnElement[Any]] = [
        literal_column(f"{quote(table.name)}.{quote(one.name)}").label(one.key) for one in own
    ]
    values = [tuple(sqlite_value(part) for part in key) for key in keys]
    wanted: BindParameter[Any] = bindparam("sexton_keys", expanding=True, value=None)
    one_column = len(own) == 1
    condition = (raw[0] if one_column else tuple_(*raw)).in_(wanted)
    listed: list[Any] = [value[0] for value in values] if one_column else values
    return select(*raw).select_from(table).where(condition).subquery("sexton_picked"), {"sexton_keys": listed}


def is_unchanged(was: WrittenRow, row: ArchivedRow) -> bool:
    """Whether a row is as it was when it was written."""
    return was.witness == row.witness if was.witness is not None else was.digest == digest_of(row.line.encoded())
