"""Rows that the database refuses, inside one step: each is proved alone and set aside, unless it is all of them.

Foreign keys: when they have kept a few dozen rows, the others that they keep are left out by one condition; none is
set aside then, and the run says how many stay. Any other cause: when a few dozen rows met it and none was taken, as
many rows are tried from anywhere among those that are due. If each of them is refused too, the step fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from ..db.faults import Fault, describe, is_reference, while_changing
from ..db.ledger import subject_text
from ..errors import JobFailed
from ..policies.contract import Plan
from ..run_counts import Counts
from ..statements.batch_strategy import BatchStrategy, Request, Result, parameters
from ..statements.poison import next_subject, quarantine, single_row_plan, take_back
from ..statements.referencing_tables import FOREIGN_KEY_FAILED, referencing_tables
from ..statements.selection import cursor_value, due_condition, select_due
from ..statements.strategy_choice import choose
from ..statements.unlisted_references import MIN_REFUSED_FOR_CONDITION, UnlistedReference, unlisted_references
from .context import RunContext
from .sizing import MAX_BATCH_SECONDS
from .transaction_retries import TransactionRetries

VAIN = 8
"""Refusals in a row without a row that is refused alone, from which on it is the statement and no row."""

REFERENCE = ("23503", "23001", FOREIGN_KEY_FAILED)
"""How the words begin of a row that a foreign key keeps."""

Row = tuple[str, tuple[Any, ...]]
"""A row's name, and the cursor just after it."""


class BatchStep(Protocol):
    """What is asked of the loop, `Batches`."""

    context: RunContext
    plan: Plan
    counts: Counts
    request: Request
    attempts: TransactionRetries
    unlisted_references: list[UnlistedReference]

    def go_around(self, found: list[UnlistedReference]) -> None:
        """From now on only rows that none of these keep."""
        ...

    def count(self, result: Result) -> None:
        """What one batch did."""
        ...

    def counts_restored(self) -> AbstractContextManager[None]:
        """Around a transaction: when it fails, it has counted nothing."""
        ...


class Refusals:
    """What one step was refused so far."""

    def __init__(self, batches: BatchStep) -> None:
        self.batches = batches
        self.by_reference = 0
        self.tried = 0
        self.vain = 0
        self.causes: dict[str, int] = {}
        """Rows by cause, as long as no row was taken."""
        self._built: tuple[Plan, Plan, BatchStrategy] | None = None

    def met(self, error: DBAPIError, request: Request) -> None:
        """A batch of one row was refused: set the row aside, and decide how to go on. JobFailed: all are refused."""
        batches, words = self.batches, describe(error)
        aside = self._set_aside(lambda connection: next_subject(connection, batches.plan, request), words, request)
        self.vain = 0 if aside else self.vain + 1
        if self.vain > VAIN:
            raise JobFailed(f"refused, and no row is to blame: {words}") from error
        if not aside:
            return
        self.by_reference += is_reference(error)
        if self.by_reference >= MIN_REFUSED_FOR_CONDITION and not batches.unlisted_references:
            found = batches.attempts.side_transaction(lambda connection: unlisted_references(connection, batches.plan))
            if found:
                batches.attempts.side_transaction(lambda connection: self._forget(connection, REFERENCE))
                batches.go_around(found)
                return
        cause = re.sub(r"\d+|'.*?'|\".*?\"", "…", words)
        self.causes[cause] = self.causes.get(cause, 0) + 1
        if batches.counts.picked == 0 and self.causes[cause] >= MIN_REFUSED_FOR_CONDITION and not self.tried:
            self._try_elsewhere(words, request)

    def _try_elsewhere(self, words: str, request: Request) -> None:
        """Rows from anywhere: the first ones may not be like the others."""
        batches = self.batches
        self.tried = 1
        some = batches.attempts.look_aside(lambda connection: _anywhere(connection, batches.plan, request))
        if some is None:  # too many to choose among in time: the newest, which are those that an index gives as quickly
            some = batches.attempts.look_aside(
                lambda connection: _anywhere(connection, batches.plan, request, newest=True)
            )
        if some is None:
            return
        for row in some:
            batches.context.check()
            if not self._set_aside(lambda _, row=row: row, words, request):  # type: ignore[misc]
                return
        refused = batches.counts.poison
        batches.attempts.side_transaction(lambda connection: self._forget(connection, but_one=True))
        table = batches.plan.table.fullname
        raise JobFailed(f"every row of {table} that was tried is refused, {refused:,} of them: {words}")

    def _forget(self, connection: Connection, words: Sequence[str] = (), *, but_one: bool = False) -> None:
        """What this run set aside here is no news about single rows."""
        batches = self.batches
        batches.counts.poison -= take_back(connection, batches.plan, batches.request, words, but_one=but_one)

    def _set_aside(self, find: Callable[[Connection], Row | None], words: str, request: Request) -> bool:
        """Find the refused row, prove that it is the one, and set it aside; False when it went, or was not there.

        It is the first that is free; but a row before it may have become free since, so it is tried alone first.
        """
        batches = self.batches

        def aside(connection: Connection) -> Result | str | None:
            row = find(connection)
            if row is None:
                return None
            taken = self._alone(connection, replace(request, cursor=None, this=row[1]))
            if isinstance(taken, Result) and taken.picked:
                batches.count(taken)
                return taken
            quarantine(connection, batches.plan, request, row[0], taken if isinstance(taken, str) else words)
            return row[0]

        def undone(connection: Connection) -> str | None:
            row = find(connection)
            if row is not None:
                quarantine(connection, batches.plan, request, row[0], words)
            return None if row is None else row[0]

        statement = batches.context.limits.statement
        try:
            with batches.counts_restored():
                taken = batches.attempts.commit_once(aside, lock=MAX_BATCH_SECONDS / 2, statement=statement)
        except _Undone:
            taken = batches.attempts.commit_once(undone, lock=MAX_BATCH_SECONDS / 2, statement=statement)
        if not isinstance(taken, str):
            return False
        batches.counts.poison += 1
        batches.request = replace(batches.request, excluding=True)
        return True

    def _single(self, connection: Connection) -> tuple[Plan, BatchStrategy]:
        """The plan for one row, built once: as long as each row had its own, each statement was compiled anew."""
        plan = self.batches.plan
        if self._built is None or self._built[0] is not plan:
            this = single_row_plan(plan)
            self._built = (plan, this, choose(connection, this, self.batches.request, by_row=True).executor)
        return self._built[1:]

    def _alone(self, connection: Connection, request: Request) -> Result | str:
        """The batch of one row, or why the database refuses it."""
        this, executor = self._single(connection)
        picked = select_due(this, excluding=False).subquery()
        if kept := referencing_tables(connection, this, request, picked, {}):
            return f"{FOREIGN_KEY_FAILED}{kept}"
        words = ""
        try:
            with connection.begin_nested():
                try:
                    result = executor.execute(connection, request)
                    if connection.dialect.name == "postgresql":
                        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
                except DBAPIError as error:
                    words = describe(error) if while_changing(error) is Fault.POISON else ""
                    raise
        except DBAPIError as error:
            if not words:
                raise
            if connection.dialect.name == "sqlite" and not _in_transaction(connection):
                raise _Undone(words) from error
            return words
        return result


class _Undone(Exception):
    """SQLite: a trigger ended the whole transaction, RAISE(ROLLBACK), so nothing more can be written in it."""


def _in_transaction(connection: Connection) -> bool:
    driver: Any = connection.connection.driver_connection
    return bool(driver.in_transaction)


def _anywhere(connection: Connection, plan: Plan, request: Request, *, newest: bool = False) -> list[Row]:
    """Some due rows, from anywhere among them, or from their end."""
    marks = (cursor_value(column) for column in plan.order)
    some = select(*marks, subject_text(list(plan.key)).label("subject")).where(due_condition(plan, excluding=True))
    some = some.order_by(*([column.desc() for column in plan.order] if newest else [func.random()])).limit(
        MIN_REFUSED_FOR_CONDITION
    )
    return [(row.subject, tuple(row[:-1])) for row in connection.execute(some, parameters(some, request))]
