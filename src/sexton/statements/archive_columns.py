"""The columns of a table as an archive has them: as JSON, as the database's own text where JSON would not do, in sum.

Only PostgreSQL needs it: SQLite has five kinds of values, and each has its place in JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    Table,
    Text,
    literal_column,
    text,
)
from sqlalchemy import String as Characters
from sqlalchemy.dialects.postgresql import DOMAIN, HSTORE, JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import CompileError
from sqlalchemy.types import NullType, TypeEngine

from ..db.identifiers import quoted, quoted_table, text_literal
from ..errors import JobFailed

_MORE_THAN_ONE = r"'^\s|\s$|[\n\r]|\\u'"
"""In a json: outer blanks, which are not kept, line feeds, and escapes, which may stand for what no text can hold."""


def columns_of(table: Table) -> list[Column[Any]]:
    """The columns of its own, without the address that names rows of a table without key."""
    return [one for one in table.c if not one.system]


def kept_columns(table: Table) -> list[Column[Any]]:
    """Those that can be given a value; the others the database computes."""
    return [one for one in columns_of(table) if one.computed is None]


def type_name(dialect: Dialect, column: Column[Any]) -> str:
    """How a manifest has the type of a column."""
    try:
        return str(column.type.compile(dialect))
    except CompileError:
        return "unknown"


_COLUMNS = {
    "postgresql": text(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(:name) AND attnum > 0 AND NOT attisdropped"
    ),
    "sqlite": text("SELECT name FROM pragma_table_xinfo(:name) WHERE hidden <> 1"),
}


def require_columns(connection: Connection, tables: Iterable[Table]) -> None:
    """JobFailed where a table has other columns than those that are read: a file would not have all of a row.

    Asked in the transaction that reads or deletes, after it did.
    """
    dialect = connection.dialect
    for table in dict.fromkeys(tables):
        name = table.name if dialect.name == "sqlite" else quoted_table(dialect, table)
        here = set(connection.execute(_COLUMNS[dialect.name], {"name": name}).scalars())
        if here != {one.name for one in columns_of(table)}:
            raise JobFailed(
                f"archive: {table.fullname} got other columns meanwhile; the next run takes its rows as they are"
            )


def lossy_in_json(column: Column[Any], name: str) -> str | None:
    """On PostgreSQL, as SQL: which values of a column JSON does not give back; None: it gives back all.

    A JSON null would be NULL, a line feed in a json a blank, an array that begins at 0 would begin at 1.
    """
    kind, written = plain_type(column.type), f"CAST({name} AS text)"
    if is_opaque(column.type):
        return f"{name} IS NOT NULL"
    if isinstance(kind, JSONB):
        return f"{written} = 'null'"
    if isinstance(kind, JSON):
        return f"(json_typeof({name}) = 'null' OR {written} ~ {_MORE_THAN_ONE})"
    return f"{written} LIKE '[%'" if isinstance(kind, ARRAY) else None


def is_opaque(kind: TypeEngine[Any]) -> bool:
    """Whether a type of PostgreSQL may have its own idea of JSON (hstore, those of extensions, rows as values)."""
    kind = plain_type(kind)
    if isinstance(kind, ARRAY):
        return isinstance(plain_type(kind.item_type), JSON) or is_opaque(kind.item_type)
    return isinstance(kind, HSTORE | NullType)


def plain_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type below a domain."""
    return plain_type(kind.data_type) if isinstance(kind, DOMAIN) else kind


def row_json(dialect: Dialect, table: Table, columns: Sequence[Column[Any]], as_text: bool) -> ColumnElement[Any]:
    """A row as a JSON object. What would make it one that cannot be read is a word in it: see `texts_json`."""
    own = quoted_table(dialect, table)
    names = [f"{own}.{quoted(dialect, one.name)}" for one in columns]
    if as_text:
        return _sql(f"CAST({_texts(columns, [f'CAST({name} AS text)' for name in names])} AS text)")
    shown = [_shown(one, name) for one, name in zip(columns, names, strict=True)]
    if shown == names and len(columns) == len(columns_of(table)):
        return _sql(f"CAST(row_to_json({own}.*) AS text)")
    listed = ", ".join(f"{one} AS {quoted(dialect, column.name)}" for one, column in zip(shown, columns, strict=True))
    return _sql(f"(SELECT CAST(row_to_json(sexton_row) AS text) FROM (SELECT {listed}) AS sexton_row)")


def _shown(column: Column[Any], name: str) -> str:
    kind = plain_type(column.type)
    if isinstance(kind, JSON) and not isinstance(kind, JSONB):
        return (
            f"CASE WHEN {lossy_in_json(column, name)} THEN to_json(CAST({name} AS text)) ELSE CAST({name} AS json) END"
        )
    if is_opaque(kind):
        written = f"CAST({name} AS text)"
        return rf"CASE WHEN {written} ~ '\\u' THEN to_json({written}) ELSE to_json({name}) END"
    return name


def texts_json(dialect: Dialect, table: Table, columns: Sequence[Column[Any]], as_text: bool) -> ColumnElement[Any]:
    """A JSON object: the text of values that are `lossy_in_json` in JSON, by column; as_text: of all."""
    values, doubtful = [], []
    for one in columns:
        name = f"{quoted_table(dialect, table)}.{quoted(dialect, one.name)}"
        when = "true" if as_text else lossy_in_json(one, name)
        if when is not None:
            doubtful.append(one)
            values.append(f"CASE WHEN {when} THEN CAST({name} AS text) END")
    return _sql(f"CAST(json_strip_nulls({_texts(doubtful, values)}) AS text)" if doubtful else "'{}'")


def _texts(columns: Sequence[Column[Any]], values: Iterable[str]) -> str:
    names = ", ".join(text_literal(one.name) for one in columns)
    return f"json_object(ARRAY[{names}]::text[], ARRAY[{', '.join(values)}]::text[])"


def row_hash(dialect: Dialect, table: Table, columns: Sequence[Column[Any]], _as_text: bool) -> ColumnElement[Any]:
    """A number that another value in any of its columns would change."""
    own = quoted_table(dialect, table)
    kept = [one for one in columns if one.computed is None]
    return literal_column(hash_of([f"{own}.{quoted(dialect, one.name)}" for one in kept]), BigInteger)


def hash_of(values: Sequence[str]) -> str:
    """The same of expressions, as SQL."""
    return f"hashtextextended(CAST(ROW({', '.join(values)}) AS text), 0)"


def line_size(dialect: Dialect, table: Table, columns: Sequence[Column[Any]]) -> ColumnElement[int]:
    """About how many bytes the line of a row has, without reading what is kept outside the row where that can be."""
    own = quoted_table(dialect, table)
    sizes = [_size(dialect, one, f"{own}.{quoted(dialect, one.name)}") for one in columns]
    return literal_column(" + ".join(f"coalesce({size}, 4)" for size in sizes), BigInteger)


def _size(dialect: Dialect, column: Column[Any], name: str) -> str:
    if dialect.name != "postgresql":
        return f"length(CAST({name} AS blob))"
    kind = plain_type(column.type)
    if isinstance(kind, LargeBinary):
        return f"2 * octet_length({name})"
    if isinstance(kind, Characters | JSON | ARRAY | NullType | HSTORE):
        return f"octet_length({name}::text)"
    return f"pg_column_size({name})"


def _sql(written: str) -> ColumnElement[Any]:
    return literal_column(written, Text)
