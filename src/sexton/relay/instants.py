"""Instants that stand in payloads, and sums of instants, in each dialect."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from ..db.column_types import OwnInstant, is_naive


class read_instant(FunctionElement[Any]):  # noqa: N801 (reads as the SQL function it is)
    """A text in ISO form as an instant; without a zone, UTC is meant. What is no time fails the row."""

    type = OwnInstant()
    inherit_cache = True


@compiles(read_instant, "postgresql")
def _read_postgresql(element: read_instant, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kw)} AS timestamp with time zone)"


@compiles(read_instant, "sqlite")
def _read_sqlite(element: read_instant, compiler: SQLCompiler, **kw: Any) -> str:
    text = compiler.process(element.clauses, **kw)
    read = f"strftime('%Y-%m-%d %H:%M:%f000', {text})"
    return f"CASE WHEN {text} IS NULL THEN NULL ELSE coalesce({read}, sexton_refuse('this is no time: ' || {text})) END"


class later_instant(FunctionElement[Any]):  # noqa: N801
    """An instant and so many seconds."""

    type = OwnInstant()
    inherit_cache = True


@compiles(later_instant, "postgresql")
def _later_postgresql(element: later_instant, compiler: SQLCompiler, **kw: Any) -> str:
    start, seconds = element.clauses
    text = compiler.process(start, **kw)
    zoned = f"({text} AT TIME ZONE 'UTC')" if is_naive(start.type) else text
    return f"({zoned} + {compiler.process(seconds, **kw)} * interval '1 second')"


@compiles(later_instant, "sqlite")
def _later_sqlite(element: later_instant, compiler: SQLCompiler, **kw: Any) -> str:
    start, seconds = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"strftime('%Y-%m-%d %H:%M:%f000', {start}, '+' || {seconds} || ' seconds')"
