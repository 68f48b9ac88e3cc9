"""Lines of a roll-up's messages, built by the database as `runs.rollup.reports` builds them: the same JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Double,
    FromClause,
    Integer,
    Numeric,
    String,
    Text,
    Uuid,
    and_,
    case,
    cast,
    func,
    literal_column,
    text,
)

from ...db.column_types import UtcDateTime
from ...db.identifiers import quoted_table, text_literal
from ...db.sql_expressions import as_text
from ...errors import PolicyError
from ...policies.rollup_rule import RollupRule
from ...statements.rollup_windows import before

_BASE_TYPES = text(
    "SELECT a.attname AS name, coalesce(b.typname, t.typname) AS kind"
    " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = nullif(t.typbasetype, 0)"
    " WHERE a.attrelid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped"
)

_WHOLE, _FRACTIONS = ("int2", "int4", "int8"), ("float4", "float8")

_MOST_COLUMNS = 50
"""PostgreSQL's functions take a hundred arguments."""


class ReportLines:
    """Of one roll-up. PolicyError for a value whose form in a message only Python knows."""

    def __init__(self, connection: Connection, rule: RollupRule) -> None:
        self.rule = rule
        self.where = f"roll-up of {rule.by.table.fullname}"
        name = quoted_table(connection.dialect, rule.into)
        self.kinds = {row.name: row.kind for row in connection.execute(_BASE_TYPES, {"name": name})}
        if len(rule.group) + len(rule.aggregates) > _MOST_COLUMNS:
            raise PolicyError(f"{self.where}: it tells of more than {_MOST_COLUMNS} columns")

    def kept(self, rows: FromClause) -> ColumnElement[Any]:
        """A line of what is kept."""
        return self._object(rows, (*self.rule.group, *self.rule.aggregates), {})

    def differing(self, rows: FromClause) -> ColumnElement[Any]:
        """A line of what is to be added to what was told."""
        added = {name: self._added(name, rows.c[name], rows.c[before(name)]) for name in self.rule.aggregates}
        return self._object(rows, tuple(self.rule.group), added)

    def _object(
        self, rows: FromClause, names: Sequence[str], more: Mapping[str, ColumnElement[Any]]
    ) -> ColumnElement[Any]:
        fields = {**{name: self._plain(name, rows.c[name]) for name in names}, **more}
        pairs = [part for name, value in fields.items() for part in (literal_column(text_literal(name), Text), value)]
        return func.jsonb_build_object(*pairs)

    def _added(self, name: str, now: ColumnElement[Any], earlier: ColumnElement[Any]) -> ColumnElement[Any]:
        """The difference of numbers, NULL being none; any other value as it is now."""
        nothing: ColumnElement[Any] = literal_column("0")
        none = and_(now.is_(None), earlier.is_(None))
        zero = func.to_jsonb(nothing)
        if self.kinds[name] not in (*_WHOLE, *_FRACTIONS, "numeric"):
            return case((none, zero), else_=func.to_jsonb(self._plain(name, now)))
        added = func.coalesce(now, nothing) - func.coalesce(earlier, nothing)
        return case((none, zero), else_=func.to_jsonb(self._plain(name, added)))

    def _plain(self, name: str, value: ColumnElement[Any]) -> ColumnElement[Any]:
        """As JSON has it: decimals exactly, as text; instants in ISO form."""
        column = self.rule.into.c[name]
        kind, declared = self.kinds[name], column.type
        if kind == "numeric" and isinstance(declared, Numeric):
            return cast(value, Text) if declared.asdecimal else cast(value, Double())
        fits = (
            (_WHOLE, Integer),
            (_FRACTIONS, Numeric),
            (("bool",), Boolean),
        )
        if any(kind in kinds and isinstance(declared, type_) for kinds, type_ in fits):
            if isinstance(declared, Numeric) and declared.asdecimal:
                raise self._unknown(column, kind)
            return value
        if kind in ("text", "varchar", "bpchar") and isinstance(declared, String):
            return value
        return self._time_or_number(column, kind, value)

    def _time_or_number(self, column: Column[Any], kind: str, value: ColumnElement[Any]) -> ColumnElement[Any]:
        declared = column.type
        if kind in ("timestamptz", "timestamp") and (
            isinstance(declared, UtcDateTime) or (isinstance(declared, DateTime) and declared.timezone)
        ):
            return as_text(value)
        if kind == "date" and isinstance(declared, Date):
            return func.to_char(value, literal_column("'YYYY-MM-DD'"))
        if kind == "uuid" and isinstance(declared, Uuid):
            return cast(value, Text)
        raise self._unknown(column, kind)

    def _unknown(self, column: Column[Any], kind: str) -> PolicyError:
        return PolicyError(f"{self.where}: it tells of {column.name}, a {kind} declared {column.type!r}")
