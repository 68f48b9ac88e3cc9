"""SQL that every dialect writes in its own way: text of an instant, JSON payloads, refusals.

They are built once in a policy and compiled for PostgreSQL or SQLite, so that a key, a payload or a refusal is the
same text in both, and inside PL/pgSQL.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Text, case, cast, false, literal_column, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import JSON, BigInteger, LargeBinary, NullType

from .column_types import is_naive, is_time
from .identifiers import text_literal
from .time_parameters import ago

SqlValue = ColumnElement[Any] | str | int

JOB, RUN, BATCH = "sexton_job", "sexton_run", "sexton_batch"
"""Names of the parameters that the runner fills in, beside the logical instants; no product has such columns."""


def probably(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """The same condition, which most rows fulfil. Never NULL; no index answers it.

    Of an expression without statistics, such as a sub-query that IS NULL, PostgreSQL believes that one row in 200 is
    so, and sorts all that waits for each batch rather than read an index in order: of 300,000 messages 100,000 took
    two minutes instead of 20 seconds. Of a CASE it believes that every second one is.
    """
    return case((condition, true()), else_=false())


class iso_text(FunctionElement[str]):  # noqa: N801 (reads as the SQL function it is)
    """An instant as `2026-11-22T10:00:00.000000Z`, the same text from every database and session zone."""

    type = Text()
    inherit_cache = True


class naive_iso_text(iso_text):  # noqa: N801
    """`iso_text` of a column that keeps no zone: UTC is meant."""

    inherit_cache = True


@compiles(iso_text, "postgresql")
def _iso_postgresql(element: iso_text, compiler: SQLCompiler, **kw: Any) -> str:
    inner = compiler.process(element.clauses, **kw)
    utc = inner if isinstance(element, naive_iso_text) else f"{inner} AT TIME ZONE 'UTC'"
    return f"""to_char({utc}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


@compiles(iso_text, "sqlite")
def _iso_sqlite(element: iso_text, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(replace({compiler.process(element.clauses, **kw)}, ' ', 'T') || 'Z')"


class written_instant(FunctionElement[str]):  # noqa: N801
    """An instant as the database writes it, for a cursor: Python knows no infinity, no BC and no year 20000."""

    type = Text()
    inherit_cache = True


@compiles(written_instant, "postgresql")
def _written_postgresql(element: written_instant, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kw)} AS TEXT)"


@compiles(written_instant, "sqlite")
def _written_sqlite(element: written_instant, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


class parsed_instant(FunctionElement[Any]):  # noqa: N801
    """What `written_instant` gave, as an instant again."""

    type = Text()
    inherit_cache = True
    kind = "timestamp with time zone"


class parsed_naive_instant(parsed_instant):  # noqa: N801
    """The same for a column that keeps no zone."""

    inherit_cache = True
    kind = "timestamp"


@compiles(parsed_instant, "postgresql")
def _read_again_postgresql(element: parsed_instant, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kw)} AS {element.kind})"


@compiles(parsed_instant, "sqlite")
def _read_again_sqlite(element: parsed_instant, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


def as_text(value: SqlValue) -> ColumnElement[str]:
    """A value as text: instants in ISO form, everything else by the database's own cast."""
    if isinstance(value, str | int):
        return literal_column(text_literal(str(value)), Text)
    if is_time(value.type):
        return naive_iso_text(value) if is_naive(value.type) else iso_text(value)
    return value if isinstance(value.type, Text) else cast_to_text(value)


def cast_to_text(value: ColumnElement[Any]) -> ColumnElement[str]:
    """By the database's own cast; bytes of SQLite, whose cast would take them for text, as hexadecimal digits."""
    return bytes_text(value) if isinstance(value.type, LargeBinary | NullType) else cast(value, Text)


class bytes_text(written_instant):  # noqa: N801
    """What may be bytes, as text. Use `cast_to_text`."""

    inherit_cache = True


@compiles(bytes_text, "sqlite")
def _bytes_sqlite(element: bytes_text, compiler: SQLCompiler, **kw: Any) -> str:
    inner = compiler.process(element.clauses, **kw)
    return f"CASE typeof({inner}) WHEN 'blob' THEN lower(hex({inner})) ELSE CAST({inner} AS TEXT) END"


class payload(FunctionElement[Any]):  # noqa: N801
    """A JSON object built by the database. Use `json_payload`."""

    type = JSON()
    inherit_cache = True


@compiles(payload, "postgresql")
def _payload_postgresql(element: payload, compiler: SQLCompiler, **kw: Any) -> str:
    return f"jsonb_build_object({compiler.process(element.clauses, **kw)})"


@compiles(payload, "sqlite")
def _payload_sqlite(element: payload, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_object({compiler.process(element.clauses, **kw)})"


def json_payload(**fields: SqlValue) -> ColumnElement[Any]:
    """A JSON object of these fields; instants become ISO text."""
    arguments: list[ColumnElement[Any]] = []
    for name, value in fields.items():
        arguments.append(as_text(name))
        if isinstance(value, str):
            arguments.append(as_text(value))
        elif isinstance(value, int):
            arguments.append(literal_column(str(value)))
        else:
            textual = is_time(value.type) or isinstance(value.type, LargeBinary)  # JSON has no bytes
            arguments.append(as_text(value) if textual else value)
    return payload(*arguments)


class raise_poison(FunctionElement[int]):  # noqa: N801
    """Fails the statement when evaluated: the row becomes poison with this reason. Use `only_if`."""

    type = BigInteger()
    inherit_cache = True


@compiles(raise_poison)
def _refuse(element: raise_poison, compiler: SQLCompiler, **kw: Any) -> str:
    name = "sexton_refuse" if compiler.dialect.name == "sqlite" else "sexton.refuse"
    return f"{name}({compiler.process(element.clauses, **kw)})"


def only_if(condition: ColumnElement[bool], value: ColumnElement[Any], reason: str) -> ColumnElement[Any]:
    """`value` where `condition` holds; else the row is refused (poison), never clamped. `reason` goes into history."""
    return case((condition, value), else_=raise_poison(as_text(reason)))


class days_left(FunctionElement[int]):  # noqa: N801
    """Days from the run's time until an instant, begun days counted whole: 13 days and 1 hour are 14."""

    type = BigInteger()
    inherit_cache = True

    def __init__(self, until: ColumnElement[Any]) -> None:
        super().__init__(until, ago("0s", until.type))


@compiles(days_left, "postgresql")
def _days_postgresql(element: days_left, compiler: SQLCompiler, **kw: Any) -> str:
    until, at = [compiler.process(clause, **kw) for clause in element.clauses]
    kind = "timestamp" if is_naive(next(iter(element.clauses)).type) else "timestamptz"
    seconds = f"floor(extract(epoch FROM {until})) - floor(extract(epoch FROM CAST({at} AS {kind})))"
    return f"ceil(({seconds}) / 86400)::bigint"


@compiles(days_left, "sqlite")
def _days_sqlite(element: days_left, compiler: SQLCompiler, **kw: Any) -> str:
    until, at = [compiler.process(clause, **kw) for clause in element.clauses]
    seconds = f"(CAST(strftime('%s', {until}) AS INTEGER) - CAST(strftime('%s', {at}) AS INTEGER))"
    return f"(({seconds} + 86399 * ({seconds} > 0)) / 86400)"  # division cuts towards zero
