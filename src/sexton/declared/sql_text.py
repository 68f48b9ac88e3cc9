"""The text of a condition in SQL, parsed: one expression, or one line that says what it is instead."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import PolicyError

if TYPE_CHECKING:
    from sqlglot import exp

_DIALECT = "sexton_dialect"

MAX_CONDITION_CHARACTERS = 4_000
"""Characters of a condition."""

MAX_CONDITION_DEPTH = 50
"""Expressions inside each other; each takes some calls of Python to be read, built and written."""

_TOO_DEEP = f"only: more than {MAX_CONDITION_DEPTH} parts inside each other; write a policy in Python"


def parse_condition(sql: str, dialect: str) -> exp.Expression:
    """The tree. PolicyError."""
    try:
        import sqlglot

        from .sql_dialects import PostgresAsWritten, SQLiteAsWritten
    except ImportError as error:
        raise PolicyError("only: SQL is read by a library: pip install 'sexton[sql]'; or write a table") from error
    if len(sql) > MAX_CONDITION_CHARACTERS:
        raise PolicyError(f"only: more than {MAX_CONDITION_CHARACTERS:,} characters; write a policy in Python")
    try:
        with _silent(logging.getLogger("sqlglot")):
            trees = sqlglot.parse(sql, dialect=SQLiteAsWritten if dialect == "sqlite" else PostgresAsWritten)
    except sqlglot.errors.SqlglotError as error:
        first = (getattr(error, "errors", None) or [{}])[0]
        where = " ".join(str(first.get("start_context", "")).split())[-40:] + str(first.get("highlight", ""))
        raise PolicyError(f"only: this is no condition in SQL{f', near {where!r}' if where else ''}") from None
    except RecursionError:
        raise PolicyError(_TOO_DEEP) from None
    if len(trees) != 1 or trees[0] is None:
        raise PolicyError("only: one condition, not several statements")
    tree: exp.Expression = trees[0]  # type: ignore[assignment]
    if _depth(tree) > MAX_CONDITION_DEPTH:
        raise PolicyError(_TOO_DEEP)
    tree.meta[_DIALECT] = "sqlite" if dialect == "sqlite" else "postgres"
    return tree


def chain(node: exp.Expression) -> list[exp.Expression]:
    """The parts of `a AND b AND c`, or of OR, which the parser puts into each other, in their order."""
    kind, parts = type(node), []
    while type(node) is kind:
        parts.append(node.args["expression"])
        node = node.this
    return [node, *reversed(parts)]


def cast_to(node: exp.Expression) -> str:
    """The type of a cast as the parser calls it, or as it was written where the parser has no name for it."""
    kind = node.args["to"]
    name = getattr(getattr(kind, "this", None), "name", None)
    return name if isinstance(name, str) else str(kind.sql()).upper()


def _depth(tree: exp.Expression) -> int:
    """How many expressions stand inside each other; a chain of AND or OR is one."""
    deepest, waiting = 0, [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        chained = type(node).__name__ in ("And", "Or")
        inside = chain(node) if chained else list(node.iter_expressions())
        waiting += [(one, depth + 1) for one in inside]
    return deepest


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """The parser warns on standard error of what it does not know; here that is refused with a sentence."""

    def drop(_record: logging.LogRecord) -> bool:
        return False

    logger.addFilter(drop)
    try:
        yield
    finally:
        logger.removeFilter(drop)


def excerpt(node: exp.Expression) -> str:
    """A part of a condition as it was written, at most 60 characters."""
    text = node.sql(dialect=node.root().meta.get(_DIALECT), normalize_functions=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
