"""Rows that statements write on one connection, counted as the driver tells: what a function did that does not say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, event

_WRITING = re.compile(r"\s*(INSERT|UPDATE|DELETE|MERGE|REPLACE)\b", re.IGNORECASE)


@dataclass(slots=True)
class Written:
    """rows: inserted, updated and deleted so far, those of savepoints that were given up included."""

    rows: int = 0


@contextmanager
def counting(connection: Connection) -> Iterator[Written]:
    """Count inside the block."""
    written = Written()

    def count(_connection: Any, cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        crud = context is not None and (context.isinsert or context.isupdate or context.isdelete)
        if crud or _WRITING.match(statement):
            written.rows += max(cursor.rowcount, 0)

    event.listen(connection, "after_cursor_execute", count)
    try:
        yield written
    finally:
        event.remove(connection, "after_cursor_execute", count)
