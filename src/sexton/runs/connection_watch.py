"""What anybody's statements do on one connection: rows that they write are counted, the end of its transaction refused.

Rows are counted as the driver tells; those of a savepoint that was given up are taken back.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection, event

from ..errors import JobFailed

_WRITING = ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY")
"""How the server names, after a statement, those that write."""

_BLANK = r"(?:\s|/\*.*?\*/|--[^\n]*\n)*"
_ENDING = re.compile(
    _BLANK + r"(?:COMMIT|END|ABORT|BEGIN|START\s+TRANSACTION|PREPARE\s+TRANSACTION|ROLLBACK(?![^;]*\bTO\b))\b",
    re.IGNORECASE | re.DOTALL,
)
_SAVEPOINT = re.compile(_BLANK + r"SAVEPOINT\s+(\S+)", re.IGNORECASE | re.DOTALL)
_BACK_TO = re.compile(_BLANK + r"ROLLBACK\b[^;]*\bTO\s+(?:SAVEPOINT\s+)?(\S+)", re.IGNORECASE | re.DOTALL)

TRANSACTION_ENDS_ITSELF = (
    "run.transaction() ends its transaction by itself, at the end of the block; a statement inside it must not"
)


class WatchedTransaction:
    """What is written in one transaction.

    rows: inserted, updated and deleted so far.  watching: until it is set to False.
    """

    def __init__(self, connection: Connection) -> None:
        self.rows = 0
        self.watching = True
        self._driver: Any = connection.connection.driver_connection
        self._sqlite = connection.dialect.name == "sqlite"
        self._changes = self._total()
        self._savepoints: dict[str, int] = {}

    def before(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        """JobFailed when this statement would end the transaction, or when that is over already."""
        if self.watching and (_ENDING.match(statement) or self.ended):
            raise JobFailed(TRANSACTION_ENDS_ITSELF)

    def after(self, _connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        """Count what a statement wrote."""
        if not self.watching:
            return
        if begun := _SAVEPOINT.match(statement):
            self._savepoints[begun[1]] = self.rows
        elif back := _BACK_TO.match(statement):
            self.rows = self._savepoints.get(back[1], self.rows)
        else:
            self.rows += self._by_sqlite(cursor) if self._sqlite else _by_postgresql(cursor)

    @property
    def ended(self) -> bool:
        """Whether the transaction is over for the server, whatever SQLAlchemy thinks."""
        if self._sqlite:
            return not bool(self._driver.in_transaction)
        return bool(self._driver.closed or self._driver.info.transaction_status == 0)  # IDLE

    def _by_sqlite(self, cursor: Any) -> int:
        """The driver knows the rows of no statement that begins with WITH."""
        before, self._changes = self._changes, self._total()
        if cursor.rowcount >= 0 or self._changes == before:
            return max(int(cursor.rowcount), 0)
        return int(self._driver.execute("SELECT changes()").fetchone()[0])

    def _total(self) -> int:
        return int(self._driver.total_changes) if self._sqlite else 0


def _by_postgresql(cursor: Any) -> int:
    writing = (cursor.statusmessage or "").startswith(_WRITING)
    return max(int(cursor.rowcount), 0) if writing else 0


def watched(connection: Connection) -> WatchedTransaction:
    """Watch a connection in a transaction, as long as `watching` stays."""
    written = WatchedTransaction(connection)
    event.listen(connection, "before_cursor_execute", written.before)
    event.listen(connection, "after_cursor_execute", written.after)
    return written
