"""The text of a condition in SQL, parsed: one expression, or one line that says what it is instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import PolicyError

if TYPE_CHECKING:
    from sqlglot import exp

_DIALECT = "sexton_dialect"

MOST = 4_000
"""Characters of a condition."""


def parsed(sql: str, dialect: str) -> exp.Expression:
    """The tree. PolicyError."""
    try:
        import sqlglot

        from .sql_dialects import PostgresAsWritten, SQLiteAsWritten
    except ImportError as error:
        raise PolicyError("only: SQL is read by a library: pip install 'sexton[sql]'; or write a table") from error
    if len(sql) > MOST:
        raise PolicyError(f"only: more than {MOST:,} characters; write a policy in Python")
    try:
        trees = sqlglot.parse(sql, dialect=SQLiteAsWritten if dialect == "sqlite" else PostgresAsWritten)
    except sqlglot.errors.SqlglotError as error:
        first = (getattr(error, "errors", None) or [{}])[0]
        where = " ".join(str(first.get("start_context", "")).split())[-40:] + str(first.get("highlight", ""))
        raise PolicyError(f"only: this is no condition in SQL{f', near {where!r}' if where else ''}") from None
    except RecursionError:
        raise PolicyError("only: too deep; write a policy in Python") from None
    if len(trees) != 1 or trees[0] is None:
        raise PolicyError("only: one condition, not several statements")
    tree: exp.Expression = trees[0]  # type: ignore[assignment]
    tree.meta[_DIALECT] = "sqlite" if dialect == "sqlite" else "postgres"
    return tree


def shown(node: exp.Expression) -> str:
    """A part of a condition as somebody wrote it, at most 60 characters."""
    text = node.sql(dialect=node.root().meta.get(_DIALECT), normalize_functions=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
