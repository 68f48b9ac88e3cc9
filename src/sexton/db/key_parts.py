"""A value as a part of an effect key or a subject, in SQL. `sexton.db.effect_keys` says how it is written.

PostgreSQL knows what a column holds. SQLite takes any value in any column, so there each value is looked at: what is
not of its column's kind is marked, as the same characters may stand for another row.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnClause, ColumnElement, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean, Date, Float, Integer, LargeBinary, Numeric, String, TypeEngine, Uuid

from .column_types import RowAddress, is_naive, is_time
from .effect_keys import MAX_KEY_CHARACTERS, ValueKind
from .sql_expressions import SqlValue, as_text

_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_CLOCK = "[0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
_MICROSECONDS = "." + "[0-9]" * 6
_SHORT = 50
"""Characters of a usual text."""

_OTHERS = {"''": "*[^ -}]*", "':'": "*[^ -9;-}]*", "','": "*[^- -+.-}]*"}
"""By separator, texts with anything else than ASCII without `~` and it."""

_PLAIN = "sexton_plain"
"""Option of the compiler: values are as their column has them."""

_FIRST = "0001-01-01 00:00:00"
"""Before it, `to_char` does not say that a year is one before Christ."""


class KeyPart(Text):
    """Text that is a part already."""


def is_free_text(value: SqlValue) -> bool:
    """Whether it is a column whose text may hold anything. SQLite takes a type it does not know for a number."""
    return isinstance(value, ColumnElement) and _is_free(value.type)


def _is_free(kind: TypeEngine[Any]) -> bool:
    return not is_time(kind) and not isinstance(kind, Boolean | Date | Float | Integer | KeyPart | RowAddress | Uuid)


def _is_text(kind: TypeEngine[Any]) -> bool:
    """The same on PostgreSQL, whose numbers are numbers."""
    return _is_free(kind) and not isinstance(kind, Numeric)


class part(FunctionElement[str]):  # noqa: N801 (reads as the SQL function it is)
    """A value as one of several parts. separator: what parts are joined by; "": there are no others."""

    type = Text()
    inherit_cache = True

    def __init__(self, value: ColumnElement[Any], separator: str) -> None:
        super().__init__(value, as_text(separator))


@compiles(part, "postgresql")
def _part_postgresql(element: part, compiler: SQLCompiler, **kw: Any) -> str:
    value, separator = element.clauses
    if is_time(value.type):
        kind = "timestamp" if is_naive(value.type) else "timestamptz"
        raw, text = compiler.process(value, **kw), compiler.process(as_text(value), **kw)
        first = f"{kind} '{_FIRST}{'' if is_naive(value.type) else '+00'}'"
        return f"CASE WHEN {raw} >= {first} AND isfinite({raw}) THEN {text} ELSE CAST({raw} AS TEXT) END"
    text = compiler.process(as_text(value), **kw)
    return _escaped(text, compiler.process(separator, **kw)) if _is_text(value.type) else text


@compiles(part, "sqlite")
def _part_sqlite(element: part, compiler: SQLCompiler, **kw: Any) -> str:
    value, separator = element.clauses
    if kw.get(_PLAIN):
        return compiler.process(as_text(value), **kw)
    raw, mark = compiler.process(value, **kw), compiler.process(separator, **kw)
    return f"sexton_part('{_kind(value.type)}', {mark}, typeof({raw}), CAST({raw} AS BLOB), printf('%!.17g', {raw}))"


def _kind(kind: TypeEngine[Any]) -> ValueKind:
    if is_time(kind):
        return "time"
    return "text" if isinstance(kind, String) else "bytes" if isinstance(kind, LargeBinary) else "number"


def _escaped(text: str, separator: str) -> str:
    """As `effect_keys.escaped_part` has it."""
    if separator == "''":
        return f"CASE WHEN substr({text}, 1, 1) = '~' THEN '~0' || substr({text}, 2) ELSE {text} END"
    return f"replace(replace({text}, '~', '~0'), {separator}, '~1')"


class bounded(FunctionElement[str]):  # noqa: N801
    """`effect_keys.bounded` of parts that were joined; PostgreSQL need not ask where none of them can be long."""

    type = Text()
    inherit_cache = True


@compiles(bounded, "postgresql")
def _bounded_postgresql(element: bounded, compiler: SQLCompiler, **kw: Any) -> str:
    text = compiler.process(element.clauses, **kw)
    parts = [one for one in visitors.iterate(element) if isinstance(one, part)]
    return f"sexton.bounded({text})" if any(_is_text(next(iter(one.clauses)).type) for one in parts) else text


@compiles(bounded, "sqlite")
def _bounded_sqlite(element: bounded, compiler: SQLCompiler, **kw: Any) -> str:
    parts = [one for one in visitors.iterate(element) if isinstance(one, part)]
    text = compiler.process(element.clauses, **kw)
    # As bytes: text in SQLite need not be UTF-8, and Python reads no other.
    any_text = f"sexton_bounded(CAST({text} AS BLOB))"
    usual = list(dict.fromkeys(_usual(one, compiler, **kw) for one in parts))
    if not parts or None in usual or not _is_short(element, parts):
        return any_text
    plain = compiler.process(element.clauses, **{**kw, _PLAIN: True})
    return f"CASE WHEN {' AND '.join(one for one in usual if one)} THEN {plain} ELSE {any_text} END"


def _usual(one: part, compiler: SQLCompiler, **kw: Any) -> str | None:
    """That a value is what nearly all of its column are, so that no function of Python is called for its row."""
    value, separator = one.clauses
    raw = compiler.process(value, **kw)
    if isinstance(value.type, Integer):
        return f"typeof({raw}) = 'integer'"
    if is_time(value.type):
        return f"{raw} GLOB '{_DAY} {_CLOCK}{_MICROSECONDS}'"
    if not isinstance(value.type, String):
        return None
    others = _OTHERS[compiler.process(separator, **kw)]
    return f"typeof({raw}) = 'text' AND length({raw}) <= {_SHORT} AND {raw} NOT GLOB '{others}'"


def _is_short(element: bounded, parts: list[part]) -> bool:
    """Whether usual values make no key that is too long."""
    fixed = sum(len(str(one)) for one in visitors.iterate(element) if isinstance(one, ColumnClause) and one.is_literal)
    return fixed + _SHORT * (len(parts) + 1) <= MAX_KEY_CHARACTERS  # one more: a tail
