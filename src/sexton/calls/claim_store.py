"""What a place is that keeps claims, `claims_in_calls` and `claims_in_rows`; and what both do alike.

Both write set by set: rows that are to get the same values get them in one statement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import ARRAY, ColumnElement, Connection, any_, case, literal, tuple_, update

from ..call_state import CallState
from ..policies.call_rule import CallColumns
from ..policies.contract import Plan
from .claimed_row import UNKNOWN_CODE, ClaimedRow, Verdict

ATTEMPTS, STATE, CODE, FIRST = "sexton_attempts", "sexton_state", "sexton_code", "sexton_first_at"
SUBJECT = "sexton_subject"

KEYS_PER_STATEMENT = 1_000
"""Keys in one statement; SQLite takes no more than 32,766 parameters, and composite keys need several each."""


@dataclass(frozen=True, slots=True)
class CallLease:
    """How long claims stand that are made now; by the database's clock. now: its time.  ends: of the claims."""

    now: datetime
    ends: datetime


class ClaimStore(Protocol):
    """Keeps who calls for which row, and when it is called for next."""

    row_claim: ColumnElement[Any] | None
    """The column of the row that holds the claim; None: it stands elsewhere, and so does all that is kept."""

    def picked(self) -> tuple[list[ColumnElement[Any]], tuple[Any, Any] | None]:
        """What a pick has to read beside the row (`ATTEMPTS`, `STATE`, `CODE`, `FIRST`), and what it joins, how."""
        ...

    def claim(
        self, connection: Connection, rows: Sequence[ClaimedRow], run: int, at: datetime, lease: CallLease
    ) -> set[str]:
        """Make the rows ours for the lease; the subjects of those that are. at: the run's time."""
        ...

    def extend(self, connection: Connection, rows: Sequence[ClaimedRow], ends: datetime) -> int:
        """Let the claims that are still ours end then, by the database's clock; how many. rows: of one claim."""
        ...

    def still_ours(self, connection: Connection, rows: Sequence[ClaimedRow]) -> set[str]:
        """The subjects of those whose claim is still ours, locked, where it does not stand in the row (`row_claim`)."""
        ...

    def write(self, connection: Connection, written: Sequence[tuple[ClaimedRow, Verdict]], at: datetime) -> None:
        """What follows, and the claim given back."""
        ...

    def forget(self, connection: Connection, rows: Sequence[ClaimedRow]) -> None:
        """Nothing is to be kept about them: they are no longer called for."""
        ...


def chunks(rows: Sequence[Any], size: int = KEYS_PER_STATEMENT) -> Iterable[Sequence[Any]]:
    """The rows, so many at a time."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


def with_keys(dialect: str, plan: Plan, rows: Sequence[ClaimedRow]) -> ColumnElement[bool]:
    """Whether a row is one of these; on PostgreSQL as one array, whose statement is the same however many they are."""
    if len(plan.key) == 1:
        keys = [row.key[0] for row in rows]
        if dialect == "postgresql":
            return plan.key[0] == any_(literal(keys, ARRAY(plan.key[0].type)))
        return plan.key[0].in_(keys)
    return tuple_(*plan.key).in_([row.key for row in rows])


def write_rows(connection: Connection, plan: Plan, written: Iterable[tuple[ClaimedRow, Mapping[str, Any]]]) -> None:
    """Give rows new values; those that get the same in one statement."""
    for values, rows in _alike(written):
        write_alike(connection, plan, rows, values)


def write_alike(
    connection: Connection,
    plan: Plan,
    rows: Sequence[ClaimedRow],
    values: Mapping[str, Any],
    *only: ColumnElement[bool],
) -> int:
    """Give all these rows the same new values, where `only` holds; how many have them."""
    written = 0
    for some in chunks(rows):
        these = with_keys(connection.dialect.name, plan, some)
        written += connection.execute(update(plan.table).where(these, *only).values(dict(values))).rowcount
    return written


def _alike(written: Iterable[tuple[ClaimedRow, Mapping[str, Any]]]) -> list[tuple[Mapping[str, Any], list[ClaimedRow]]]:
    groups: dict[str, tuple[Mapping[str, Any], list[ClaimedRow]]] = {}
    for row, values in written:
        if values:
            groups.setdefault(repr(sorted(values.items(), key=itemgetter(0))), (values, []))[1].append(row)
    return list(groups.values())


def mapped_values(own: CallColumns, theirs: Collection[str] = (), **values: Any) -> dict[str, Any]:
    """By the names of the columns that are there. theirs: those that a person has changed, and that stay so."""
    there = {name: getattr(own, name) for name in values if name not in theirs}
    return {column.key: values[name] for name, column in there.items() if column is not None}


def was_uncertain(state: str | None, code: str | None) -> bool:
    """Whether an earlier call may have been done: its claim ended without a word, or its answer was lost."""
    return state == CallState.CLAIMED or code == UNKNOWN_CODE


def is_spent(state: str | None, code: str | None) -> bool:
    """Whether a call that was made once more, for that reason, ended without a word as well."""
    return state == CallState.CLAIMED and code == UNKNOWN_CODE


def waiting_again(status: ColumnElement[Any]) -> ColumnElement[Any]:
    """For a row whose claim is given back: it waits, unless somebody has said since what it is."""
    return case((status == CallState.CLAIMED, literal(CallState.WAITING.value)), else_=status)


def lease_end(clock: datetime, timeout: float) -> datetime:
    """Until when a claim stands that is made by this clock: past any call, and its record."""
    return clock + timedelta(seconds=timeout + RECORDING_SECONDS)


RECORDING_SECONDS = 30.0
"""Seconds that a claim stands beyond the hard end of its call, for recording it."""
