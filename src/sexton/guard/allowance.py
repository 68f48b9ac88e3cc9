"""Rows that runs may take beyond their limits, as a person saw them: written down with each batch that takes some.

So neither a run that was killed nor the end of its row in history makes the number forget what has gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, update

from ..db.tables import own_tables
from ..run_counts import Counts


@dataclass(frozen=True, slots=True)
class Allowance:
    """Of one step. left: rows when its run began.  armed_at: when the person looked; a later look gives another one."""

    name: str
    step: str
    armed_at: datetime
    left: int

    def spend(self, connection: Connection, counts: Counts) -> None:
        """The run has taken so many; in the transaction that took the last of them."""
        self._write(connection, max(self.left - counts.taken, 0) or None)

    def end(self, connection: Connection) -> None:
        """It is not needed any more."""
        self._write(connection, None)

    def _write(self, connection: Connection, left: int | None) -> None:
        armed = own_tables(connection.dialect.name).armed
        this = update(armed).where(armed.c.policy == self.name, armed.c.armed_at == self.armed_at)
        connection.execute(this.values(allowed=left))
