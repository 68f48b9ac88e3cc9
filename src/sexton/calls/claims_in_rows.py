"""Claims that stand in the rows themselves, with all that is kept of their calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, literal

from ..call_state import CallState
from ..policies.call_rule import CallColumns
from ..policies.contract import Plan
from .claim_store import (
    ATTEMPTS,
    CODE,
    FIRST,
    STATE,
    CallLease,
    mapped_values,
    waiting_again,
    write_alike,
    write_rows,
)
from .claimed_row import UNKNOWN_CODE, ClaimedRow, Verdict


class InRow:
    """All of it stands in the row."""

    def __init__(self, plan: Plan, columns: CallColumns) -> None:
        self._plan = plan
        self._columns = columns
        self.row_claim: ColumnElement[Any] | None = columns.claim

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
        write_alike(connection, self._plan, rows, values)
        return {row.subject for row in rows}

    def extend(self, connection: Connection, rows: Sequence[ClaimedRow], ends: datetime) -> int:
        """In the rows."""
        assert self.row_claim is not None
        values = mapped_values(self._columns, leased_until=ends)
        return write_alike(connection, self._plan, rows, values, self.row_claim == rows[0].token)

    def still_ours(self, connection: Connection, rows: Sequence[ClaimedRow]) -> set[str]:
        """Nothing stands elsewhere."""
        return set()

    def write(self, connection: Connection, written: Sequence[tuple[ClaimedRow, Verdict]], at: datetime) -> None:
        """Into the row."""
        groups: dict[tuple[Any, ...], list[ClaimedRow]] = {}
        single: list[tuple[ClaimedRow, Mapping[str, Any]]] = []
        for row, verdict in written:
            attempts = None if verdict.attempts == row.attempts else verdict.attempts
            shape = (verdict.state, verdict.code, verdict.next_at, verdict.error, attempts, verdict.theirs)
            if verdict.values:
                single.append((row, {**self._written(at, *shape), **verdict.values}))
            else:
                groups.setdefault(shape, []).append(row)
        for shape, rows in groups.items():
            write_alike(connection, self._plan, rows, self._written(at, *shape))
        write_rows(connection, self._plan, single)

    def _written(
        self,
        at: datetime,
        state: CallState,
        code: str,
        next_at: datetime | None,
        error: str | None,
        attempts: int | None,
        theirs: frozenset[str],
    ) -> dict[str, Any]:
        """attempts: None: as they are.  theirs: as in `Verdict`."""
        own = self._columns
        values = mapped_values(
            own, theirs, status=state, claim=None, leased_until=None, next_at=next_at, code=code, error=error
        )
        if attempts is not None:
            values |= mapped_values(own, theirs, attempts=attempts)
        if state is not CallState.WAITING:
            values |= mapped_values(own, closed_at=at)
        return values

    def forget(self, connection: Connection, rows: Sequence[ClaimedRow]) -> None:
        """The claim goes; the row says itself what it is now, or waits."""
        status = self._columns.status
        assert status is not None
        values = mapped_values(self._columns, status=waiting_again(status), claim=None, leased_until=None)
        write_rows(connection, self._plan, [(row, values) for row in rows])
