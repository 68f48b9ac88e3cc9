"""Fields of a message as SQL: `{payload.email}`, `{recipient}` in a route or a column, over rows of an outbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, case, cast, func, literal
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import JSON, Integer

from ..db.sql_expressions import as_text


class payload_text(FunctionElement[str]):  # noqa: N801 (reads as the SQL function it is)
    """What stands in a field of a JSON object, as text; NULL when it is not there, or null. Use `payload_field`."""

    type = Text()
    inherit_cache = True


@compiles(payload_text, "postgresql")
def _field_postgresql(element: payload_text, compiler: SQLCompiler, **kw: Any) -> str:
    payload, *names = element.clauses
    body = compiler.process(payload, **kw)
    if not isinstance(payload.type, JSON | JSONB):
        body = f"CAST({body} AS jsonb)"
    for name in names[:-1]:
        body = f"({body} -> {compiler.process(name, **kw)})"
    return f"({body} ->> {compiler.process(names[-1], **kw)})"


@compiles(payload_text, "sqlite")
def _field_sqlite(element: payload_text, compiler: SQLCompiler, **kw: Any) -> str:
    payload, *names = element.clauses
    body = compiler.process(payload, **kw)
    path = " || ".join(["'$'", *(f"'.\"' || {compiler.process(name, **kw)} || '\"'" for name in names)])
    # The library reads true as 1; PostgreSQL, and the payload itself, do not.
    return (
        f"CASE json_type({body}, {path}) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"
        f" ELSE CAST(json_extract({body}, {path}) AS TEXT) END"
    )


class payload_without(FunctionElement[Any]):  # noqa: N801
    """The JSON object without some of its fields; the payload itself when none is named."""

    type = JSON()
    inherit_cache = True


@compiles(payload_without, "postgresql")
def _without_postgresql(element: payload_without, compiler: SQLCompiler, **kw: Any) -> str:
    payload, *names = element.clauses
    cuts = "".join(f" - {compiler.process(name, **kw)}" for name in names)
    kind = "json" if isinstance(payload.type, JSON) and not isinstance(payload.type, JSONB) else "jsonb"
    whole = f"CAST({compiler.process(payload, **kw)} AS jsonb){cuts}"
    return f"CAST(({whole}) AS {kind if isinstance(payload.type, JSON) else 'text'})"


@compiles(payload_without, "sqlite")
def _without_sqlite(element: payload_without, compiler: SQLCompiler, **kw: Any) -> str:
    payload, *names = element.clauses
    paths = ", ".join(f"'$.\"' || {compiler.process(name, **kw)} || '\"'" for name in names)
    body = compiler.process(payload, **kw)
    return f"json_remove({body}, {paths})" if paths else body


def payload_field(payload: ColumnElement[Any], names: Sequence[str]) -> ColumnElement[str]:
    """The field below these names, as text."""
    return payload_text(payload, *(as_text(name) for name in names))


def without_fields(payload: ColumnElement[Any], names: Sequence[str]) -> ColumnElement[Any]:
    """The payload without these fields of it."""
    return payload_without(payload, *(as_text(name) for name in names))


def joined(parts: Sequence[ColumnElement[str]]) -> ColumnElement[str]:
    """The texts one after the other; NULL when one of them is."""
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.op("||")(part)
    return cast(whole, Text) if len(parts) > 1 else whole


def first_missing(fields: Sequence[tuple[str, ColumnElement[Any]]]) -> ColumnElement[str]:
    """The name of the first of these that is NULL; NULL when all are there."""
    if not fields:
        return cast(literal(None), Text)
    return func.coalesce(*(case((value.is_(None), as_text(name))) for name, value in fields), None, type_=Text())


class largest(FunctionElement[int]):  # noqa: N801
    """The largest of several numbers."""

    type = Integer()
    inherit_cache = True


@compiles(largest, "postgresql")
def _largest_postgresql(element: largest, compiler: SQLCompiler, **kw: Any) -> str:
    return f"greatest({compiler.process(element.clauses, **kw)})"


@compiles(largest, "sqlite")
def _largest_sqlite(element: largest, compiler: SQLCompiler, **kw: Any) -> str:
    return f"max({compiler.process(element.clauses, **kw)})"
