"""What the batch loop asks of a dialect's way to execute a plan: one batch, from a cursor, of a size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from sqlalchemy import BindParameter, Connection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import ClauseElement

from ..db.faults import RowKept
from ..db.sql_expressions import BATCH, JOB, RUN
from ..db.statement_parts import statement_parts
from ..db.time_parameters import instant_values as instant_values
from ..policies.contract import Plan
from .selection import cursor_parameter, single_row_parameter

Cursor = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One batch. size: in the executor's unit.  waiting: wait for locked rows (the last pass) instead of skipping.

    this: the cursor of the one row that it is about, where the plan is for one; see `poison.single_row_plan`.
    """

    size: int
    cursor: Cursor | None
    as_of: datetime
    job: str
    run_id: int | None
    excluding: bool = False
    waiting: bool = False
    this: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What one batch did. cursor: where the next one starts.  more: whether a next one may find rows.

    skips: whether it may have left out due rows, which are looked for at the end.  kept: rows that it found and that
    the database did not change.
    told_before: messages that were not written, as their facts were on record.
    """

    picked: int
    changed: int
    told: int
    cursor: Cursor | None
    more: bool
    also: Mapping[str, int] = field(default_factory=dict)
    skips: bool = True
    kept: int = 0
    told_before: int = 0


class BatchStrategy(Protocol):
    """A way to execute a plan in one dialect. Holds no transaction and no position of its own."""

    unit: str
    first: int
    """Size of the first batch in `unit` ("rows" or "blocks"); 0: the setting `run.batch_rows`."""
    goes_around: bool
    """Whether `rescue` leaves locked rows out, so that `execute` need not wait for them."""

    def execute(self, connection: Connection, request: Request) -> Result:
        """Run one batch inside the transaction at hand."""
        ...

    def statements(self) -> list[ClauseElement]:
        """What `execute` runs in one batch, in order, for people to read and for the database to check."""
        ...

    def rescue(self, connection: Connection, request: Request) -> Result:
        """The same stretch again after another session's row lock stood in the way: leave locked rows out."""
        ...


def refuse_kept(plan: Plan, kept: int) -> None:
    """DBAPIError when a batch inserts about rows that a trigger kept from being changed: they would be picked again.

    Their rows would then be inserted once more by each run. The batch is tried row by row, and such a row set aside."""
    if kept and plan.inserts:
        raise IntegrityError(None, None, RowKept("a trigger keeps it as it is, so nothing is inserted about it"))


@lru_cache(maxsize=32)
def _names(statement: ClauseElement) -> frozenset[str]:
    """Built statements are kept by their executors, so each is looked through once."""
    return frozenset(part.key for part in statement_parts(statement) if isinstance(part, BindParameter))


def parameters(statement: ClauseElement, request: Request, **more: Any) -> dict[str, Any]:
    """Values for the parameters that `statement` has and the request knows; `more` overrides."""
    names = _names(statement)
    known: dict[str, Any] = {BATCH: request.size, JOB: request.job, RUN: request.run_id}
    known.update(instant_values(names, request.as_of))
    if request.cursor is not None:
        known.update({cursor_parameter(number): value for number, value in enumerate(request.cursor)})
    if request.this is not None:
        known.update({single_row_parameter(number): value for number, value in enumerate(request.this)})
    known.update(more)
    return {name: value for name, value in known.items() if name in names}
