"""Functions that a condition written as SQL may call: those that change nothing, as the database itself says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    FromClause,
    cast,
    false,
    func,
    literal_column,
    null,
    select,
    text,
)
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import Grouping
from sqlalchemy.sql.functions import Function
from sqlalchemy.types import Text

from ..db.search_path import search_path
from ..errors import PolicyError
from .catalogue import Catalogue
from .sql_text import excerpt

if TYPE_CHECKING:
    from sqlglot import exp

PURE_FUNCTIONS = ("abs", "ceil", "coalesce", "floor", "length", "lower", "nullif", "trim", "upper")
"""What every database has, and none lets depend on anything but its arguments."""

POSTGRESQL_PURE_FUNCTIONS = ("greatest", "least")
"""Further ones that PostgreSQL has no entry for in its catalogue, as they are part of its syntax."""

SQLITE_PURE_FUNCTIONS = (
    *("glob", "hex", "ifnull", "iif", "instr", "json_extract", "json_type", "json_valid", "likely", "ltrim"),
    *("replace", "round", "rtrim", "substr", "typeof", "unicode", "unlikely"),
)
"""Further functions of SQLite without side effects; it has no catalogue that says so."""

NOW_FUNCTIONS = ("clock_timestamp", "statement_timestamp", "transaction_timestamp", "localtimestamp", "timeofday")
"""What people write for the time of the run."""

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
ReadValue = Callable[[Any], Any]


def function_call(catalogue: Catalogue, node: exp.Expression, value: ReadValue) -> Any:
    """The call of a function, or what looks like one. PolicyError for all that is not free of side effects."""
    kind = type(node).__name__
    if kind == "RegexpLike" and node.args.get("flag") is None:
        return grouped(value(node.this).regexp_match(value(node.args["expression"])))
    if kind in ("JSONExtract", "JSONExtractScalar"):
        return _json(node, value, "->>" if kind.endswith("Scalar") else "->")
    name = str(node.this).lower() if kind == "Anonymous" else kind.lower()
    if kind in ("CurrentTimestamp", "CurrentDate") or name == "now":
        raise PolicyError("only: now() stands alone on one side of a comparison, or with an interval")
    if name in NOW_FUNCTIONS:
        raise PolicyError(f"only: {excerpt(node)}: write now(), which is the time of the run")
    if kind != "Anonymous":
        raise PolicyError(f"only: {excerpt(node)} cannot stand in a condition here")
    return typed_call(catalogue, name, [value(one) for one in node.args.get("expressions") or ()])


def typed_call(catalogue: Catalogue, name: str, arguments: list[Any]) -> Function[Any]:
    """The function of that name on these arguments. PolicyError unless it is immutable."""
    if name not in PURE_FUNCTIONS:
        _require_harmless(catalogue, name, arguments)
    return Function(name, *arguments)


def grouped(element: Any) -> ColumnElement[Any]:
    """In parentheses, whatever stands around it: what was written together stays together."""
    return element if isinstance(element, Grouping) else Grouping(element)


def _json(node: exp.Expression, value: ReadValue, sign: str) -> Any:
    """`document ->> 'key'`, one step."""
    steps = node.args["expression"].args.get("expressions") or [None]
    step = steps[-1]
    if (
        len(steps) != 2
        or type(step).__name__ not in ("JSONPathKey", "JSONPathSubscript")
        or isinstance(step.this, list)
    ):
        raise PolicyError(f"only: {excerpt(node)}: write one step at a time, document ->> 'key'")
    return grouped(value(node.this).op(sign, return_type=Text())(step.this))


def _require_harmless(catalogue: Catalogue, name: str, arguments: list[Any]) -> None:
    if not _NAME.fullmatch(name):
        raise PolicyError(f"only: {name!r} is the name of no function here")
    if catalogue.dialect == "sqlite":
        if name not in SQLITE_PURE_FUNCTIONS:
            raise PolicyError(
                f"only: {name}() cannot be used; known: {', '.join(sorted({*PURE_FUNCTIONS, *SQLITE_PURE_FUNCTIONS}))}"
            )
        return
    if name in POSTGRESQL_PURE_FUNCTIONS:
        return
    asked = text(
        "SELECT provolatile <> 'i' OR prokind <> 'f' AS harmful, proargtypes::oid[]::regtype[]::text[] AS takes"
        " FROM pg_proc WHERE proname = :name AND pg_function_is_visible(oid)"
    )
    found = [(row.harmful, row.takes) for row in catalogue.connection.execute(asked, {"name": name})]
    if not found:
        why = search_path(catalogue.connection.dialect).because()
        raise PolicyError(f"only: there is no function {name}() in this database{why}")
    if any(harmful for harmful, _ in _meant(catalogue, found, arguments)):
        raise PolicyError(
            f"only: {name}() is not immutable; a condition calls only what depends on its arguments alone"
        )


def _meant(
    catalogue: Catalogue, found: list[tuple[bool, list[str]]], arguments: list[Any]
) -> list[tuple[bool, list[str]]]:
    """The one of several functions with a name that takes just these types; all of them where none does.

    An index has to have the same answer for ever, and timezone(text, timestamp) does, whatever timezone(text, timetz)
    depends on.
    """
    if not arguments or not any(harmful for harmful, _ in found):
        return found
    types = _types(catalogue, arguments)
    return [(harmful, takes) for harmful, takes in found if _fits(takes, types)] or found


def _fits(takes: list[str], types: list[str | None]) -> bool:
    return len(takes) == len(types) and all(kind in (None, taken) for taken, kind in zip(takes, types, strict=True))


def _types(catalogue: Catalogue, arguments: list[Any]) -> list[str | None]:
    """What PostgreSQL takes the arguments for, asked on no row at all. None: a text, which may be of any type."""
    tables = {part.table for argument in arguments for part in visitors.iterate(argument) if isinstance(part, Column)}
    rows: FromClause = select(literal_column("1").label("one")).subquery("sexton_none")
    for table in tables:
        rows = rows.join(table, false(), isouter=True)
    kinds = (
        null() if isinstance(argument, BindParameter) else cast(func.pg_typeof(argument), Text)
        for argument in arguments
    )
    return list(catalogue.connection.execute(select(*kinds).select_from(rows)).one())
