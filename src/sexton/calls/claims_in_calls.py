"""Claims that stand in table `calls`; what the product keeps itself of the schedule stands in its rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)

from ..call_state import CallState
from ..db.ledger import subject_text
from ..db.sql_expressions import JOB
from ..db.tables import own_tables
from ..db.upsert import upsert
from ..policies.call_rule import CallColumns
from ..policies.contract import Plan
from .claim_store import ATTEMPTS, CODE, FIRST, STATE, CallLease, chunks, mapped_values, waiting_again, write_rows
from .claimed_row import UNKNOWN_CODE, ClaimedRow, Verdict


class InCalls:
    """Claims stand in table `calls`; attempts, next call and the like in the row, as far as it has columns for them."""

    row_claim: ColumnElement[Any] | None = None

    def __init__(self, plan: Plan, columns: CallColumns, job: str, dialect: str) -> None:
        self._plan, self._columns, self._job = plan, columns, job
        self._calls = own_tables(dialect).calls
        self._dialect = dialect

    def picked(self) -> tuple[list[ColumnElement[Any]], tuple[Any, Any] | None]:
        """Joined to `calls`."""
        calls = self._calls.c
        on = and_(
            calls.job == bindparam(JOB, type_=Text()),
            calls.step == self._plan.step,
            calls.subject == subject_text(self._plan.key),
        )
        attempts = self._columns.attempts if self._columns.attempts is not None else calls.attempts
        pairs = ((attempts, ATTEMPTS), (calls.state, STATE), (calls.code, CODE), (calls.first_at, FIRST))
        return [column.label(name) for column, name in pairs], (self._calls, on)

    def claim(
        self, connection: Connection, rows: Sequence[ClaimedRow], run: int, at: datetime, lease: CallLease
    ) -> set[str]:
        """One statement. Whoever claimed a row after our look has it, also if he has given it back by now."""
        ours: set[str] = set()
        for some in chunks(sorted(rows, key=lambda row: row.subject)):
            made = upsert(self._dialect, self._calls).values([self._row(row, run, lease.ends) for row in some])
            ours |= set(connection.execute(self._taken(made, at, lease.now)).scalars())
        own = self._columns
        changes = [
            (row, mapped_values(own, attempts=row.attempts, status=CallState.CLAIMED))
            for row in rows
            if row.subject in ours
        ]
        write_rows(connection, self._plan, changes)
        return ours

    def _taken(self, made: Any, at: datetime, clock: datetime) -> Any:
        """Where there is something about the row already, it must be free now, as it was when we looked."""
        calls, new = self._calls.c, made.excluded
        waits = and_(calls.state == CallState.WAITING, or_(calls.next_at.is_(None), calls.next_at <= at))
        free = or_(waits, and_(calls.state == CallState.CLAIMED, calls.leased_until <= clock))
        if self._columns.attempts is None:
            free = and_(free, calls.attempts == new.attempts - 1)
        names = ("claim", "leased_until", "attempts", "state", "run_id", "destination")
        lost = case((calls.state == CallState.CLAIMED, literal(UNKNOWN_CODE)), else_=calls.code)
        first_at = func.coalesce(calls.first_at, new.first_at)
        return made.on_conflict_do_update(
            index_elements=[calls.job, calls.step, calls.subject],
            set_={**{name: new[name] for name in names}, "code": lost, "first_at": first_at},
            where=free,
        ).returning(calls.subject)

    def _row(self, row: ClaimedRow, run: int, ends: datetime) -> dict[str, Any]:
        return {
            "job": self._job,
            "step": self._plan.step,
            "subject": row.subject,
            "destination": row.destination,
            "claim": row.token,
            "leased_until": ends,
            "attempts": row.attempts,
            "first_at": row.first_at,
            "state": CallState.CLAIMED,
            "run_id": run,
        }

    def _these(self, rows: Sequence[ClaimedRow]) -> tuple[ColumnElement[bool], ...]:
        calls, subjects = self._calls.c, sorted(row.subject for row in rows)
        return calls.job == self._job, calls.step == self._plan.step, calls.subject.in_(subjects)

    def extend(self, connection: Connection, rows: Sequence[ClaimedRow], ends: datetime) -> int:
        """In `calls` alone."""
        ours = 0
        for some in chunks(rows):
            these = (*self._these(some), self._calls.c.claim == some[0].token)
            ours += connection.execute(update(self._calls).where(*these).values(leased_until=ends)).rowcount
        return ours

    def still_ours(self, connection: Connection, rows: Sequence[ClaimedRow]) -> set[str]:
        """By its claim, locked in the order of subjects."""
        calls = self._calls.c
        tokens = {row.subject: row.token for row in rows}
        ours: set[str] = set()
        for some in chunks(rows):
            asked: Select[Any] = select(calls.subject, calls.claim).where(*self._these(some)).order_by(calls.subject)
            found = connection.execute(asked.with_for_update())
            ours |= {one.subject for one in found if one.claim == tokens[one.subject]}
        return ours

    def write(self, connection: Connection, written: Sequence[tuple[ClaimedRow, Verdict]], at: datetime) -> None:
        """Into `calls`, and what the product keeps itself into the row."""
        own = self._columns
        groups: dict[tuple[Any, ...], list[ClaimedRow]] = {}
        for row, verdict in written:
            # What the product keeps itself it decides alone: a second date here could say something else.
            next_at = None if own.next_at is not None else verdict.next_at
            groups.setdefault((verdict.state, verdict.code, verdict.attempts, next_at, verdict.error), []).append(row)
        for (state, code, attempts, next_at, error), rows in groups.items():
            closed_at = None if state is CallState.WAITING else at
            values = {"state": state, "code": code, "attempts": attempts, "next_at": next_at, "error": error}
            values |= {"claim": None, "leased_until": None, "closed_at": closed_at}
            for some in chunks(rows):
                connection.execute(update(self._calls).where(*self._these(some)).values(values))
        changes = []
        for row, verdict in written:
            mapped = mapped_values(
                own,
                verdict.theirs,
                attempts=verdict.attempts,
                next_at=verdict.next_at,
                error=verdict.error,
                status=verdict.state,
            )
            changes.append((row, {**mapped, **verdict.values}))
        write_rows(connection, self._plan, changes)

    def forget(self, connection: Connection, rows: Sequence[ClaimedRow]) -> None:
        """Whatever is due of it later begins anew."""
        if (status := self._columns.status) is not None:
            write_rows(connection, self._plan, [(row, {status.key: waiting_again(status)}) for row in rows])
        for some in chunks(rows):
            connection.execute(delete(self._calls).where(*self._these(some)))
