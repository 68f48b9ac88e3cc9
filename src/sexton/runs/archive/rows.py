"""Rows as an archive takes them: their key, all their columns as JSON text, and a witness that tells a changed row.

PostgreSQL writes the JSON itself, so values that Python knows nothing of (infinity, BC, year 20000, NaN) pass (Q6),
beside it the text of those that would come back otherwise (`lost`), and its `xmin` is the witness. SQLite gives every
value as it is stored, and these are the witness.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    Text,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import DOMAIN, HSTORE, JSONB, array
from sqlalchemy.engine import Dialect
from sqlalchemy.types import NullType, TypeEngine

from ...db.names import quoted, quoted_table
from ...policies.contract import Plan
from ..statements import beyond, due, limit, marking
from .files import Line

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One row. witness: differs once the row was changed.  mark: the cursor just after it, where one was asked for."""

    line: Line
    witness: Any
    mark: Key = ()

    @property
    def key(self) -> Key:
        """As the line has it; what stands for bytes there as a pair, which can be looked up."""
        return tuple(tuple(*part.items()) if isinstance(part, dict) else part for part in self.line.key)


def columns_of(table: Table) -> list[Column[Any]]:
    """The columns of its own, without the address that names rows of a table without key."""
    return [one for one in table.c if not one.system]


def reading(dialect: Dialect, table: Table, marks: Sequence[ColumnElement[Any]] = ()) -> Select[Any]:
    """Key, witness and content of rows, for `found`, after the marks."""
    key = table.primary_key.columns
    if dialect.name == "postgresql":
        name = quoted_table(dialect, table)
        row = literal_column(f"row_to_json({name}.*)", Text)
        version: ColumnElement[str] = literal_column(f"{name}.xmin", Text)
        return select(*marks, *(cast(one, Text) for one in key), cast(version, Text), cast(row, Text), _texts(table))
    quote = partial(quoted, dialect)
    plain: list[ColumnElement[Any]] = [
        literal_column(f"{quote(table.name)}.{quote(one.name)}") for one in (*key, *columns_of(table))
    ]
    return select(*marks, *(one.label(f"c{number}") for number, one in enumerate(plain))).select_from(table)


def reading_due(dialect: Dialect, plan: Plan, *, excluding: bool, onward: bool) -> Select[Any]:
    """The next due rows, as many as `batch` says. onward: only those after the cursor."""
    asked = reading(dialect, plan.table, [marking(column) for column in plan.order])
    asked = asked.where(due(plan, excluding=excluding))
    if onward:
        asked = asked.where(beyond(plan))
    return asked.order_by(*plan.order).limit(limit())


def _texts(table: Table) -> ColumnElement[Any]:
    """A JSON object: the text of values that are `lost` in JSON, by column."""
    doubtful = [(one, when) for one in columns_of(table) if (when := lost(one)) is not None]
    if not doubtful:
        return literal("{}")
    names: array[Any] = array([literal(one.name, Text) for one, _ in doubtful], type_=Text)
    values: array[Any] = array([case((when, cast(one, Text))) for one, when in doubtful], type_=Text)
    return cast(func.json_strip_nulls(func.json_object(names, values)), Text)


def lost(column: Column[Any]) -> ColumnElement[bool] | None:
    """On PostgreSQL: which values of a column JSON does not give back; None: it gives back all.

    A JSON null would be NULL, a line feed in a json a blank, an array that begins at 0 would begin at 1.
    """
    kind, text = _plain_type(column.type), cast(column, Text)
    if is_opaque(column.type):
        return column.is_not(None)
    if isinstance(kind, JSONB):
        return text == "null"
    if isinstance(kind, JSON):
        return or_(func.json_typeof(column) == "null", text.regexp_match(r"[\n\r]"))
    return text.like("[%") if isinstance(kind, ARRAY) else None


def is_opaque(kind: TypeEngine[Any]) -> bool:
    """Whether a type of PostgreSQL may have its own idea of JSON (hstore, those of extensions, rows as values)."""
    kind = _plain_type(kind)
    if isinstance(kind, ARRAY):
        return isinstance(_plain_type(kind.item_type), JSON) or is_opaque(kind.item_type)
    return isinstance(kind, HSTORE | NullType)


def _plain_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return _plain_type(kind.data_type) if isinstance(kind, DOMAIN) else kind


def found(connection: Connection, table: Table, asked: Select[Any], values: dict[str, Any], marks: int) -> list[Found]:
    """The rows of a statement that `reading` began."""
    width = marks + len(table.primary_key.columns)
    names = [one.name for one in columns_of(table)]
    rows = []
    for row in connection.execute(asked, values):
        mark, key, rest = tuple(row[:marks]), tuple(row[marks:width]), tuple(row[width:])
        if connection.dialect.name == "postgresql":
            # A column of type json keeps line feeds between its words; within words they are written \\n.
            text = rest[1].replace("\n", " ").replace("\r", " ")
            beside = rest[2] if rest[2] != "{}" else ""
            rows.append(Found(Line(table.fullname, key, text, beside), rest[0], mark))
        else:
            text = json.dumps({name: _plain(value) for name, value in zip(names, rest, strict=True)})
            plain = tuple(_plain(part) for part in key)
            rows.append(Found(Line(table.fullname, plain, text), [(type(value), value) for value in rest], mark))
    return rows


def _plain(value: Any) -> Any:
    """A value of SQLite as JSON: bytes in hexadecimal digits, numbers that JSON has no sign for by their names."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"real": str(value)}
    return value


def stored(value: Any) -> Any:
    """A value of SQLite, of what stands for it in JSON."""
    if isinstance(value, dict):
        (value,) = value.items()
    if not isinstance(value, tuple):
        return value
    kind, written = value
    return bytes.fromhex(written) if kind == "hex" else float(written)


def relation(dialect: str, table: Table, keys: Sequence[Key]) -> tuple[FromClause, dict[str, Any]]:
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
    values = [tuple(stored(part) for part in key) for key in keys]
    wanted: BindParameter[Any] = bindparam("sexton_keys", expanding=True, value=None)
    one_column = len(own) == 1
    condition = (raw[0] if one_column else tuple_(*raw)).in_(wanted)
    listed: list[Any] = [value[0] for value in values] if one_column else values
    return select(*raw).select_from(table).where(condition).subquery("sexton_picked"), {"sexton_keys": listed}


def same(before: Iterable[Found], now: Iterable[Found]) -> set[Key]:
    """Keys of rows that are as they were: their witness, or where there was none, their content."""
    known = {row.key: row for row in before}
    unchanged = set()
    for row in now:
        was = known.get(row.key)
        if was is not None and (was.witness == row.witness if was.witness is not None else was.line == row.line):
            unchanged.add(row.key)
    return unchanged
