"""Claims that stand in the rows themselves, with all that is kept of their calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, literal, select, update

from ..call_state import CallState
from ..policies.call_rule import CallColumns
from ..policies.contract import Plan
from .claim_store import ATTEMPTS, CODE, FIRST, STATE, chunks, mapped_values, with_keys, write_rows
from .claimed_row import ClaimedRow, Verdict


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
        code = own.code if own.code is not None else own.status
        pairs = ((own.attempts, ATTEMPTS), (own.status, STATE), (code, CODE), (own.first_at, FIRST))
        return [column.label(name) for column, name in pairs], None

    def claim(
        self, connection: Connection, rows: Sequence[ClaimedRow], run: int, clock: datetime, ends: datetime
    ) -> set[str]:
        """The rows are locked, and were asked again when they were: all of them are ours."""
        own = self._columns
        assert own.attempts is not None
        values = mapped_values(own, status=CallState.CLAIMED, claim=rows[0].token, leased_until=ends, run_id=run)
        counted = func.coalesce(own.attempts, 0) + 1
        first = {own.first_at.key: func.coalesce(own.first_at, rows[0].first_at)} if own.first_at is not None else {}
        for some in chunks(rows):
            claimed = update(self._plan.table).where(with_keys(self._plan, some))
            connection.execute(claimed.values({**values, own.attempts.key: counted, **first}))
        return {row.subject for row in rows}

    def still_ours(self, connection: Connection, rows: Sequence[ClaimedRow]) -> set[str]:
        """By the column of the claim."""
        claim = self._columns.claim
        assert claim is not None
        tokens = {row.key: (row.token, row.subject) for row in rows}
        ours: set[str] = set()
        for some in chunks(rows):
            found = connection.execute(select(*self._plan.key, claim).where(with_keys(self._plan, some)))
            for one in found:
                token, subject = tokens[tuple(one[:-1])]
                if one[-1] == token:
                    ours.add(subject)
        return ours

    def write(self, connection: Connection, written: Sequence[tuple[ClaimedRow, Verdict]], at: datetime) -> None:
        """Into the row."""
        closed = self._plan.table.c.get("closed_at")
        changes = []
        for row, verdict in written:
            values = mapped_values(
                self._columns,
                status=verdict.state,
                claim=None,
                leased_until=None,
                next_at=verdict.next_at,
                code=verdict.code,
                error=verdict.error,
            )
            if verdict.attempts != row.attempts:
                values |= mapped_values(self._columns, attempts=verdict.attempts)
            if closed is not None and verdict.closed:
                values[closed.key] = at
            changes.append((row, {**values, **verdict.values}))
        write_rows(connection, self._plan, changes)

    def forget(self, connection: Connection, rows: Sequence[ClaimedRow]) -> None:
        """The claim goes; the row says itself what it is now, or waits."""
        status = self._columns.status
        assert status is not None
        waits = case((status == CallState.CLAIMED, literal(CallState.WAITING.value)), else_=status)
        values = mapped_values(self._columns, status=waits, claim=None, leased_until=None)
        write_rows(connection, self._plan, [(row, values) for row in rows])
