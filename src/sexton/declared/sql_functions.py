"""Functions that a condition written as SQL may call: those that change nothing, as the database itself says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, text
from sqlalchemy.sql.elements import Grouping
from sqlalchemy.sql.functions import Function
from sqlalchemy.types import Text

from ..errors import PolicyError
from .catalogue import Catalogue

if TYPE_CHECKING:
    from sqlglot import exp

PLAIN = {
    "Lower": "lower",
    "Upper": "upper",
    "Abs": "abs",
    "Floor": "floor",
    "Ceil": "ceil",
    "Length": "length",
    "Trim": "trim",
    "Coalesce": "coalesce",
    "Nullif": "nullif",
}
"""What the parser knows by name, as every database calls it."""

SQLITE = ("glob", "hex", "ifnull", "instr", "json_type", "json_valid", "likely", "ltrim", "rtrim", "typeof", "unlikely")
"""Further functions of SQLite without side effects; it has no catalogue that says so."""

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
Value = Callable[[Any], Any]


def called(catalogue: Catalogue, node: exp.Expression, value: Value) -> Any:
    """The call of a function, or what looks like one. PolicyError for all that is not free of side effects."""
    kind = type(node).__name__
    if kind in PLAIN:
        arguments = [node.this, *_more(node)]
        return Function(PLAIN[kind], *(value(one) for one in arguments))
    if kind == "RegexpLike" and node.args.get("flag") is None:
        return grouped(value(node.this).regexp_match(value(node.args["expression"])))
    if kind in ("JSONExtract", "JSONExtractScalar"):
        return _json(node, value, "->>" if kind.endswith("Scalar") else "->")
    if kind in ("CurrentTimestamp", "CurrentDate") or str(node.this).lower() == "now":
        raise PolicyError("only: now() stands alone on one side of a comparison, or with an interval")
    name, arguments = _named(node)
    if name is not None:
        _require_harmless(catalogue, name)
        return Function(name, *(value(one) for one in arguments))
    raise PolicyError(f"only: {node.sql()[:60]} cannot stand in a condition here")


def grouped(element: Any) -> ColumnElement[Any]:
    """In parentheses, whatever stands around it: what was written together stays together."""
    return element if isinstance(element, Grouping) else Grouping(element)


_MEANT = {"rand": "random"}
"""What the parser calls otherwise than both databases do."""


def _named(node: exp.Expression) -> tuple[str | None, list[Any]]:
    """Of any other call: the function's name and arguments; None: it is no call."""
    if type(node).__name__ == "Anonymous":
        return str(node.this).lower(), list(node.args.get("expressions") or ())
    if not hasattr(node, "sql_name"):
        return None, []
    name = node.sql_name().lower()
    return _MEANT.get(name, name), [part for part in (node.args.get("this"), *_more(node)) if part is not None]


def _more(node: exp.Expression) -> list[Any]:
    rest = [part for name, part in node.args.items() if name not in ("this", "expressions") and part is not None]
    known = [part for part in rest if part is node.args.get("expression")]
    if any(part not in known and part is not False and part is not True for part in rest):
        raise PolicyError(f"only: {node.sql()[:60]} cannot stand in a condition here")
    return [*known, *(node.args.get("expressions") or ())]


def _json(node: exp.Expression, value: Value, sign: str) -> Any:
    """`document ->> 'key'`, one step."""
    steps = node.args["expression"].args.get("expressions") or [None]
    step = steps[-1]
    if (
        len(steps) != 2
        or type(step).__name__ not in ("JSONPathKey", "JSONPathSubscript")
        or isinstance(step.this, list)
    ):
        raise PolicyError(f"only: {node.sql()[:60]}: write one step at a time, document ->> 'key'")
    return grouped(value(node.this).op(sign, return_type=Text())(step.this))


def _require_harmless(catalogue: Catalogue, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise PolicyError(f"only: {name!r} is the name of no function here")
    if catalogue.dialect == "sqlite":
        if name not in SQLITE:
            raise PolicyError(f"only: {name}() cannot be used; known: {', '.join(sorted({*PLAIN.values(), *SQLITE}))}")
        return
    asked = text(
        "SELECT count(*) AS known, bool_or(provolatile <> 'i' OR prokind <> 'f') AS harmful FROM pg_proc"
        " WHERE proname = :name AND pg_function_is_visible(oid)"
    )
    found = catalogue.connection.execute(asked, {"name": name}).one()
    if not found.known:
        raise PolicyError(f"only: there is no function {name}() in this database")
    if found.harmful:
        raise PolicyError(
            f"only: {name}() is not immutable; a condition calls only what depends on its arguments alone"
        )
