"""Names of tables and columns as SQL has them, for the catalogue's functions, for DDL and for SQL written as text."""

from __future__ import annotations

from sqlalchemy import Table
from sqlalchemy.engine import Dialect


def quoted(dialect: Dialect, name: str) -> str:
    """One name, in quotes where it needs them."""
    return _single(dialect, dialect.identifier_preparer.quote(name))


def quoted_table(dialect: Dialect, table: Table) -> str:
    """A table's name, with its schema if it has one."""
    return _single(dialect, dialect.identifier_preparer.format_table(table))


def text_literal(value: str) -> str:
    """A word as SQL has it, on PostgreSQL with standard_conforming_strings."""
    return "'" + value.replace("'", "''") + "'"


def for_text(sql: str) -> str:
    """SQL as `sqlalchemy.text` takes it: a colon in a name would begin a parameter there."""
    return sql.replace(":", "\\:")


def _single(dialect: Dialect, name: str) -> str:
    """The library doubles percent signs for drivers that take them for parameters, before it compiles a statement."""
    return name.replace("%%", "%") if dialect.paramstyle in ("format", "pyformat") else name
