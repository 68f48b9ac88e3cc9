"""Operations that nobody completed: closed, and what they held goes back, once (PGC-6).

    operation 9, open, its time is up      hold 120 of lot 17
    status expired                         entry  release +120 on lot 17
    lot 17 is past its own time, too       entry  expiry  -120 beside it: what is released is not alive again

A lot is spent by an operation that was opened before the lot's time was up, however late that is completed. The state
is in the predicate of the job and of `spending.Ledger` alike: whoever comes second changes no row, and says so.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, literal, select

from sexton import Change, Found, Message, Policy, Transition, WarnOnce, ago, now, text_key

from .options import LedgerOptions
from .tables import EXPIRED_OPERATION, EXPIRY, KEY_IN_PROGRESS, OPEN_OPERATION, RELEASE, LedgerTables, ledger_tables

OPERATION_EXPIRED = "operation_expired"
KEY_STUCK = "idempotency_key_stuck"


def steps(options: LedgerOptions) -> list[Policy]:
    """The work of `ledger.ops_cleanup`.

    `expire`: see above.  `stuck`: keys in progress for long are told once, and never deleted: whether the request was
    done only the product knows.
    """
    own = ledger_tables(options)
    return [_expire(own), _stuck(own, options)]


def held(own: LedgerTables, operations: Select[Any]) -> Select[Any]:
    """What these operations hold, a row a lot, in the order in which everybody locks lots."""
    holds, lots = own.holds.c, own.lots.c
    columns = (holds.lot_id, holds.operation_id, holds.amount, lots.expires_at)
    found = select(*columns).join_from(own.holds, own.lots, lots.id == holds.lot_id)
    return found.where(holds.operation_id.in_(operations)).order_by(lots.expires_at.nulls_last(), lots.id)


def releases(own: LedgerTables, rows: FromClause, at: ColumnElement[Any]) -> Select[Any]:
    """An entry for each row of `held`: the lot has its amount back.  at: the time of the entries."""
    return _entries(own, rows, RELEASE, rows.c.amount, at)


def expiries(own: LedgerTables, rows: FromClause, at: ColumnElement[Any]) -> Select[Any]:
    """An entry for each row of `held` whose lot is past its time: what came back goes at once."""
    return _entries(own, rows, EXPIRY, -rows.c.amount, at).where(rows.c.expires_at < at)


def _entries(
    own: LedgerTables, rows: FromClause, kind: str, amount: ColumnElement[int], at: ColumnElement[Any]
) -> Select[Any]:
    return select(
        rows.c.lot_id.label("lot_id"),
        rows.c.operation_id.label("operation_id"),
        literal(kind, own.entries.c.type.type).label("type"),
        amount.label("amount"),
        at.label("created_at"),
    )


def _expire(own: LedgerTables) -> Transition:
    operations = own.operations.c
    return Transition(
        own.operations,
        {"status": EXPIRED_OPERATION, "closed_at": now()},
        only=operations.status == OPEN_OPERATION,
        by=operations.expires_at,
        kind="deadline",
        found=(Found("held_lots", lambda rows: held(own, select(rows["picked"].c.id)), lock=own.lots),),
        changes=(
            Change.insert("entries", own.entries, lambda rows: releases(own, rows["held_lots"], now())),
            Change.insert("entries", own.entries, lambda rows: expiries(own, rows["held_lots"], now())),
        ),
        tell=(
            Message(
                OPERATION_EXPIRED,
                key=text_key(OPERATION_EXPIRED, operations.id),
                to=operations.account_id,
                payload={"operation_id": operations.id, "expires_at": operations.expires_at},
            ),
        ),
        outbox=own.outbox,
        name="expire",
    )


def _stuck(own: LedgerTables, options: LedgerOptions) -> WarnOnce:
    keys = own.idempotency_keys.c
    return WarnOnce(
        own.idempotency_keys,
        by=keys.locked_at,
        when=is_stuck(own, ago(options.stuck_after)),
        tell=Message(
            KEY_STUCK,
            key=text_key(KEY_STUCK, keys.key, keys.locked_at),
            to=literal(options.admin),
            payload={"key": keys.key, "locked_at": keys.locked_at},
        ),
        outbox=own.outbox,
        name="stuck",
    )


def is_stuck(own: LedgerTables, since: Any) -> ColumnElement[bool]:
    """Of a key: it is in progress since before that time."""
    keys = own.idempotency_keys.c
    return and_(keys.status == KEY_IN_PROGRESS, keys.locked_at < since)
