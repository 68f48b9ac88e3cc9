"""The ledger for the product's own code: give, hold, complete, cancel, refund; each in the caller's transaction.

    ledger = Ledger(app.options["ledger"])
    with engine.begin() as connection:
        operation = ledger.open_operation(connection, account, 1250)
    ...                                          # what it pays for
    with engine.begin() as connection:
        ledger.complete(connection, operation)   # OperationTooLate: its time was up, all it held has gone back

Who spends locks the lots, in the order of their deadlines, and reads what is left of them in a statement after that
one; so does the job that writes off what is left. The deadline of a lot is compared with the time at which the
operation is opened, and with nothing else: it decides, not the minute at which a job comes by.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, and_, func, insert, literal, or_, select, update

from sexton import SextonError, UtcDateTime, ask_now, parse_duration

from .operations import expiries, held, releases
from .options import LedgerOptions
from .refunds import refunded_parts
from .sessions import require_transaction
from .tables import (
    COMPLETED,
    CREDIT,
    HOLD,
    OPEN_OPERATION,
    OPERATION_CANCELLED,
    LedgerTables,
    ledger_tables,
)

LARGEST = 2**63 - 1
"""The largest amount: what a bigint holds."""


class OperationTooLate(SextonError):
    """The operation is no longer open: its time was up, or it has ended otherwise. Nothing was changed."""


class NotEnough(SextonError):
    """Less is left than is asked for. Nothing was changed."""


@dataclass(frozen=True)
class Ledger:
    """What a product calls. Amounts are whole numbers above 0; `at` is an instant, the database's time by default.

    ValueError for an amount that is none; SextonError for an operation that there is not, for a connection that commits
    each statement by itself, and for what must see what others committed meanwhile in a transaction that does not
    (REPEATABLE READ on PostgreSQL).
    """

    options: LedgerOptions

    @cached_property
    def own(self) -> LedgerTables:
        """The tables, under the product's names."""
        return ledger_tables(self.options)

    def grant(
        self,
        connection: Connection,
        account: object,
        amount: int,
        *,
        expires_at: datetime | None = None,
        at: datetime | None = None,
    ) -> int:
        """Give an account so much, to be spent up to and at `expires_at`; None: for ever. The id of the new lot."""
        _require_amount(amount)
        require_transaction(connection, self.own)
        return self._new_lot(connection, account, amount, expires_at, at or ask_now(connection), None)

    def balance(self, connection: Connection, account: object, *, at: datetime | None = None) -> int:
        """What the account can spend: the sum of entries of its lots that are not past their time."""
        lots, entries = self.own.lots.c, self.own.entries.c
        whole = select(func.coalesce(func.sum(entries.amount), 0)).join_from(
            self.own.entries, self.own.lots, lots.id == entries.lot_id
        )
        return int(connection.execute(whole.where(self._spendable(account, at or ask_now(connection)))).scalar_one())

    def open_operation(
        self,
        connection: Connection,
        account: object,
        amount: int,
        *,
        expires_at: datetime | None = None,
        at: datetime | None = None,
    ) -> int:
        """Hold so much of the account, of lots that end first; the id of the operation.

        expires_at: until when it can be completed; by default after `operation_time`.
        NotEnough if the lots that are not past their time come to less.
        """
        _require_amount(amount)
        require_transaction(connection, self.own, fresh=True)
        at = at or ask_now(connection)
        until = expires_at or at + parse_duration(self.options.operation_time)
        parts, missing = _taken(self._left_of_locked(connection, account, at), amount)
        if missing:
            raise NotEnough(f"account {account} has {amount - missing} to spend, {amount} is asked for")
        row = {"account_id": account, "status": OPEN_OPERATION, "opened_at": at, "expires_at": until}
        operations = self.own.operations
        operation = int(connection.execute(insert(operations).values(row).returning(operations.c.id)).scalar_one())
        holds = [{"operation_id": operation, "lot_id": lot, "amount": part} for lot, part in parts]
        connection.execute(insert(self.own.holds), holds)
        self._write(connection, HOLD, [(lot, -part) for lot, part in parts], operation, at)
        return operation

    def complete(self, connection: Connection, operation: int, *, at: datetime | None = None) -> None:
        """What it holds is spent. Twice changes nothing more.

        OperationTooLate when its time is up, whether or not the job has come by, or it was cancelled.
        """
        at = at or ask_now(connection)
        until = self.own.operations.c.expires_at
        if self._close(connection, operation, COMPLETED, at, or_(until.is_(None), until >= at)):
            return
        status, ended = self._operation(connection, operation)
        if status == OPEN_OPERATION:
            raise OperationTooLate(f"operation {operation} could be completed until {ended.isoformat()}")
        if status != COMPLETED:
            raise OperationTooLate(f"operation {operation} is {status}: what it held has gone back")

    def cancel(self, connection: Connection, operation: int, *, at: datetime | None = None) -> None:
        """What it holds goes back, as when its time is up. Twice changes nothing more.

        OperationTooLate when it was completed, or its time was up and the job has come by.
        """
        require_transaction(connection, self.own)
        at = at or ask_now(connection)
        if not self._close(connection, operation, OPERATION_CANCELLED, at):
            status, _ = self._operation(connection, operation)
            if status != OPERATION_CANCELLED:
                raise OperationTooLate(f"operation {operation} is {status} already")
            return
        rows = held(self.own, select(literal(operation)))
        connection.execute(rows.with_for_update(of=self.own.lots)).all()
        entries, time = self.own.entries, literal(at, UtcDateTime())
        relation = rows.order_by(None).subquery()
        for new in (releases(self.own, relation, time), expiries(self.own, relation, time)):
            connection.execute(insert(entries).from_select(new.selected_columns.keys(), new, include_defaults=False))

    def refund(
        self, connection: Connection, operation: int, amount: int | None = None, *, at: datetime | None = None
    ) -> list[int]:
        """Give back so much of a completed operation, by default all that was not given back; the lots that got it.

        Lots that end last first. What came out of a lot past its time goes into one new lot, with `refund_grace`.
        NotEnough if the operation took less, less what was given back. SextonError if it is not completed.
        """
        if amount is not None:
            _require_amount(amount)
        require_transaction(connection, self.own, fresh=True)
        at = at or ask_now(connection)
        operations = self.own.operations.c
        asked = select(operations.status, operations.account_id).where(operations.id == operation).with_for_update()
        found = connection.execute(asked).one_or_none()
        if found is None or found.status != COMPLETED:
            raise SextonError(f"operation {operation} is not completed, so there is nothing to refund")
        alive, gone, free = refunded_parts(connection, self.own, operation, amount, at)
        if amount is not None and free < amount:
            raise NotEnough(f"operation {operation} has {free} to give back, {amount} is asked for")
        self._write(connection, CREDIT, alive, operation, at)
        lots = [lot for lot, _ in alive]
        if gone:
            until = at + parse_duration(self.options.refund_grace)
            lots.append(self._new_lot(connection, found.account_id, gone, until, at, operation))
        return lots

    def _left_of_locked(self, connection: Connection, account: object, at: datetime) -> list[Any]:
        """(lot, what is left of it) of all that can be spent, locked. Lots that are spent already are let alone."""
        lots, entries = self.own.lots.c, self.own.entries.c
        order = (lots.expires_at.nulls_last(), lots.id)
        left = select(func.sum(entries.amount)).where(entries.lot_id == lots.id).correlate(self.own.lots)
        spendable = and_(self._spendable(account, at), left.scalar_subquery() > 0)
        found = connection.execute(select(lots.id).where(spendable).order_by(*order).with_for_update()).scalars().all()
        # In a statement of its own: entries that were written while the lock was waited for have to count.
        sums = (
            select(lots.id, func.sum(entries.amount))
            .join_from(self.own.lots, self.own.entries, entries.lot_id == lots.id)
            .where(lots.id.in_(found))
            .group_by(lots.id, lots.expires_at)
            .order_by(*order)
        )
        return list(connection.execute(sums).all())

    def _spendable(self, account: object, at: datetime) -> Any:
        lots = self.own.lots.c
        return and_(lots.account_id == account, or_(lots.expires_at.is_(None), lots.expires_at >= at))

    def _close(self, connection: Connection, operation: int, status: str, at: datetime, *more: Any) -> bool:
        """Whether it was open, and is no more; the job asks for the same state."""
        operations = self.own.operations
        still = and_(operations.c.id == operation, operations.c.status == OPEN_OPERATION, *more)
        done = update(operations).where(still).values(status=status, closed_at=at)
        return connection.execute(done).rowcount > 0

    def _operation(self, connection: Connection, operation: int) -> tuple[str, datetime]:
        operations = self.own.operations.c
        asked = select(operations.status, operations.expires_at).where(operations.id == operation)
        found = connection.execute(asked).one_or_none()
        if found is None:
            raise SextonError(f"there is no operation {operation}")
        return str(found.status), found.expires_at

    def _new_lot(
        self,
        connection: Connection,
        account: object,
        amount: int,
        expires_at: datetime | None,
        at: datetime,
        operation: int | None,
    ) -> int:
        row = {"account_id": account, "expires_at": expires_at, "created_at": at}
        lots = self.own.lots
        lot = int(connection.execute(insert(lots).values(row).returning(lots.c.id)).scalar_one())
        self._write(connection, CREDIT, [(lot, amount)], operation, at)
        return lot

    def _write(
        self, connection: Connection, kind: str, amounts: Iterable[tuple[int, int]], operation: int | None, at: datetime
    ) -> None:
        """One entry each."""
        shared = {"type": kind, "operation_id": operation, "created_at": at}
        rows = [{"lot_id": lot, "amount": amount, **shared} for lot, amount in amounts]
        if rows:
            connection.execute(insert(self.own.entries), rows)


def _require_amount(amount: int) -> None:
    """A driver would round half a unit, or store it, without a word."""
    if not isinstance(amount, int) or isinstance(amount, bool) or not 0 < amount <= LARGEST:
        raise ValueError(f"an amount is a whole number above 0 and at most {LARGEST}, not {amount!r}")


def _taken(left: Iterable[Any], amount: int) -> tuple[list[tuple[int, int]], int]:
    """(lot, part) of those that are needed, and what is missing."""
    parts = []
    for lot, there in left:
        part = min(int(there), amount)
        if part > 0:
            parts.append((int(lot), part))
            amount -= part
    return parts, amount
