"""Claims that stand in the rows themselves, with all that is kept of their calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, literal, select, update

from ..call_state import CallState
from ..policies.call_rule import CallColumns
from ..policies.contract import Plan
from .claim_store import (
    ATTEMPTS,
    CODE,
    FIRST,
    STATE,
    CallLease,
    chunks,
    mapped_values,
    waiting_again,
    with_keys,
    write_rows,
)
from .claimed_row import UNKNOWN_CODE, ClaimedRow, Verdict


class InRow:
    """All of it stands in the row."""

    by_row = True

    def __init__(self, plan: Plan, columns: CallColumns) -> None:
        self._plan = plan
        self._columns = columns

    def picked(self) -> tuple[list[ColumnElement[Any]], tuple[Any, Any] | None]:
        """Columns of the row; nothing is joined."""
        own = self._columns
        assert own.attempts is not None
        assert own.status is not None
        assert own.first_at is not None
        assert own.code is not None
        pairs = ((own.attempts, ATTEMPTS), (own.status, STATE), (own.code, CODE), (own.first_at, FIRST))
        return [column.label(name) for column, name in pairs], None

    def claim(
        self, connection: Connection, rows: Sequence[ClaimedRow], run: int, at: datetime, lease: CallLease
    ) -> set[str]:
        """The rows are locked, and were asked again when they were: all of them are ours."""
        own = self._columns
        assert own.attempts is not None
        assert own.first_at is not None
        assert own.code is not None
        assert own.status is not None
        values = mapped_values(
            own, status=CallState.CLAIMED, claim=rows[0].token, leased_until=lease.ends, run_id=run
        ) | {
            own.attempts.key: func.coalesce(own.attempts, 0) + 1,
            own.first_at.key: func.coalesce(own.first_at, literal(at, own.first_at.type)),
            own.code.key: case((own.status == CallState.CLAIMED.value, literal(UNKNOWN_CODE)), else_=own.code),
        }
        for some in chunks(rows):
            connection.execute(update(self._plan.table).where(with_keys(self._plan, some)).values(values))
        return {row.subject for row in rows}

    def still_ours(self, connection: Connection, rows: Sequence[ClaimedRow]) -> set[str]:
        """By the column of the claim. A row that is there no more was taken by nobody: what came of it is told."""
        claim = self._columns.claim
        assert claim is not None
        others: set[str] = set()
        tokens = {row.key: (row.token, row.subject) for row in rows}
        for some in chunks(rows):
            found = connection.execute(select(*self._plan.key, claim).where(with_keys(self._plan, some)))
            for one in found:
                token, subject = tokens[tuple(one[:-1])]
                if one[-1] != token:
                    others.add(subject)
        return {row.subject for row in rows} - others

    def write(self, connection: Connection, written: Sequence[tuple[ClaimedRow, Verdict]], at: datetime) -> None:
        """Into the row."""
        closed = self._plan.table.c.get("closed_at")
        changes = []
        for row, verdict in written:
            values = mapped_values(
                self._columns,
                verdict.theirs,
                status=verdict.state,
                claim=None,
                leased_until=None,
                next_at=verdict.next_at,
                code=verdict.code,
                error=verdict.error,
            )
            if verdict.attempts != row.attempts:
                values |= mapped_values(self._columns, verdict.theirs, attempts=verdict.attempts)
            if closed is not None and verdict.closed:
                values[closed.key] = at
            changes.append((row, {**values, **verdict.values}))
        write_rows(connection, self._plan, changes)

    def forget(self, connection: Connection, rows: Sequence[ClaimedRow]) -> None:
        """The claim goes; the row says itself what it is now, or waits."""
        status = self._columns.status
        assert status is not None
        values = mapped_values(self._columns, status=waiting_again(status), claim=None, leased_until=None)
        write_rows(connection, self._plan, [(row, values) for row in rows])
