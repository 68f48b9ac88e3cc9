"""The books: what must be true of the ledger at any instant, asked in one look at it. Read-only; a report, no repair.

    violations = audit(connection, options)      # [] is right

It is asked in one transaction of the caller's; on PostgreSQL in one that repeats its reads, or while nobody writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, literal, or_, select

from .options import LedgerOptions
from .tables import (
    COMPLETED,
    CREDIT,
    EXPIRED_OPERATION,
    HOLD,
    OPEN_OPERATION,
    OPERATION_CANCELLED,
    RELEASE,
    LedgerTables,
    ledger_tables,
)

KEEPS = (OPEN_OPERATION, COMPLETED)
GAVE_BACK = (OPERATION_CANCELLED, EXPIRED_OPERATION)


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not be. rule: which.  subject: of the lot, or "operation, lot".  found, wanted: amounts."""

    rule: str
    subject: str
    found: int
    wanted: int


def audit(connection: Connection, options: LedgerOptions) -> list[Violation]:
    """All that is wrong, rule by rule; empty is right.

    negative    a lot has given more than it had
    unheld      what an operation holds of a lot is not what its entry took of it
    returned    what came back is not what was held, or came back twice
    kept        an operation that is cancelled, or whose time is up, has not given back
    leaked      an operation that is open or completed has given back
    refunded    more was refunded than the operation held
    unbalanced  the sum of a lot's entries is not what follows from its credits, its holds, and what was written off
    """
    own = ledger_tables(options)
    return [violation for rule in RULES for violation in rule(connection, own)]


def _negative(connection: Connection, own: LedgerTables) -> Iterator[Violation]:
    entries = own.entries.c
    left = func.sum(entries.amount)
    asked = select(entries.lot_id, left).group_by(entries.lot_id).having(left < 0).order_by(entries.lot_id)
    for lot, amount in connection.execute(asked):
        yield Violation("negative", f"{lot}", int(amount), 0)


def _unheld(connection: Connection, own: LedgerTables) -> Iterator[Violation]:
    taken = _sums(own, HOLD)
    yield from _differing(connection, own, "unheld", taken, own.holds.c.amount, -taken.c.amount)


def _returned(connection: Connection, own: LedgerTables) -> Iterator[Violation]:
    back = _sums(own, RELEASE)
    returned = func.coalesce(back.c.amount, 0)
    asked = _held_with(own, back).where(returned != 0, or_(back.c.number > 1, returned != own.holds.c.amount))
    for row in connection.execute(asked.add_columns(returned, own.holds.c.amount)):
        yield Violation("returned", f"{row[0]}, {row[1]}", int(row[2]), int(row[3]))


def _kept(connection: Connection, own: LedgerTables) -> Iterator[Violation]:
    yield from _by_state(connection, own, "kept", GAVE_BACK, own.holds.c.amount)


def _leaked(connection: Connection, own: LedgerTables) -> Iterator[Violation]:
    yield from _by_state(connection, own, "leaked", KEEPS, literal(0))


def _refunded(connection: Connection, own: LedgerTables) -> Iterator[Violation]:
    entries, holds = own.entries.c, own.holds.c
    whole = select(func.sum(holds.amount)).where(holds.operation_id == entries.operation_id).scalar_subquery()
    back = func.sum(entries.amount)
    asked = (
        select(entries.operation_id, back, func.coalesce(whole, 0))
        .where(entries.type == CREDIT, entries.operation_id.is_not(None))
        .group_by(entries.operation_id)
        .having(back > func.coalesce(whole, 0))
        .order_by(entries.operation_id)
    )
    for operation, found, wanted in connection.execute(asked):
        yield Violation("refunded", f"{operation}", int(found), int(wanted))


def _unbalanced(connection: Connection, own: LedgerTables) -> Iterator[Violation]:
    """The entries of operations are left out on one side, their holds on the other: two ways to the same sum."""
    entries, holds, operations = own.entries.c, own.holds.c, own.operations.c
    others = entries.type.not_in([HOLD, RELEASE])
    sums = (
        select(
            entries.lot_id,
            func.sum(entries.amount).label("whole"),
            func.sum(case((others, entries.amount), else_=0)).label("others"),
        )
        .group_by(entries.lot_id)
        .subquery()
    )
    kept = (
        select(func.coalesce(func.sum(holds.amount), 0))
        .join_from(own.holds, own.operations, operations.id == holds.operation_id)
        .where(holds.lot_id == sums.c.lot_id, operations.status.in_(KEEPS))
        .correlate(sums)
        .scalar_subquery()
    )
    wrong = select(sums.c.lot_id, sums.c.whole, sums.c.others - kept).where(sums.c.whole != sums.c.others - kept)
    for lot, found, wanted in connection.execute(wrong.order_by(sums.c.lot_id)):
        yield Violation("unbalanced", f"{lot}", int(found), int(wanted))


def _by_state(
    connection: Connection, own: LedgerTables, rule: str, states: tuple[str, ...], wanted: Any
) -> Iterator[Violation]:
    back, operations = _sums(own, RELEASE), own.operations.c
    asked = _held_with(own, back).join(own.operations, operations.id == own.holds.c.operation_id)
    returned = func.coalesce(back.c.amount, 0)
    asked = asked.where(operations.status.in_(states), returned != wanted).add_columns(returned, wanted)
    for row in connection.execute(asked):
        yield Violation(rule, f"{row[0]}, {row[1]}", int(row[2]), int(row[3]))


def _differing(
    connection: Connection, own: LedgerTables, rule: str, sums: Any, wanted: Any, found: Any
) -> Iterator[Violation]:
    there = func.coalesce(found, 0)
    for row in connection.execute(_held_with(own, sums).where(there != wanted).add_columns(there, wanted)):
        yield Violation(rule, f"{row[0]}, {row[1]}", int(row[2]), int(row[3]))
    unheld = select(sums.c.operation_id, sums.c.lot_id, found).where(
        ~select(1)
        .where(own.holds.c.operation_id == sums.c.operation_id, own.holds.c.lot_id == sums.c.lot_id)
        .correlate(sums)
        .exists()
    )
    for row in connection.execute(unheld.order_by(sums.c.operation_id, sums.c.lot_id)):
        yield Violation(rule, f"{row[0]}, {row[1]}", int(row[2]), 0)


def _sums(own: LedgerTables, kind: str) -> Any:
    """What entries of a type come to, and how many they are, by operation and lot."""
    entries = own.entries.c
    whole = (func.sum(entries.amount).label("amount"), func.count().label("number"))
    asked = select(entries.operation_id, entries.lot_id, *whole).where(entries.type == kind)
    return asked.group_by(entries.operation_id, entries.lot_id).subquery()


def _held_with(own: LedgerTables, sums: Any) -> Select[Any]:
    """Each hold, beside the entries of its operation and lot, which there may be none of."""
    holds = own.holds.c
    same = and_(sums.c.operation_id == holds.operation_id, sums.c.lot_id == holds.lot_id)
    asked = select(holds.operation_id, holds.lot_id).join_from(own.holds, sums, same, isouter=True)
    return asked.order_by(holds.operation_id, holds.lot_id)


RULES: tuple[Callable[[Connection, LedgerTables], Iterator[Violation]], ...] = (
    _negative,
    _unheld,
    _returned,
    _kept,
    _leaked,
    _refunded,
    _unbalanced,
)
