"""SQL of each database for the parser, with every function under the name by which it was written.

The parser has names of its own for hundreds of functions, so that it can translate them; here nothing is translated.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlglot.dialects.postgres import Postgres
from sqlglot.dialects.sqlite import SQLite

SPECIAL = ("CAST", "EXTRACT")
"""What looks like a function, but has a syntax of its own."""


class PostgresAsWritten(Postgres):
    """PostgreSQL."""

    class Parser(Postgres.Parser):  # type: ignore[valid-type, misc]
        """Knows no functions."""

        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {name: Postgres.Parser.FUNCTION_PARSERS[name] for name in SPECIAL}


class SQLiteAsWritten(SQLite):
    """SQLite."""

    class Parser(SQLite.Parser):  # type: ignore[valid-type, misc]
        """Knows no functions."""

        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {name: SQLite.Parser.FUNCTION_PARSERS[name] for name in SPECIAL}
