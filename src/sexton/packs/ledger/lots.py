"""Lots past their time: what is left of them goes by a counter-entry (PGC-6).

What an open operation holds is not left: its entry has lowered the sum already. It goes when the operation is closed
without being completed, see `operations`. A lot that comes to something again, by whatever way, is due again.
"""

from __future__ import annotations

from sqlalchemy import FromClause
from sqlalchemy.sql.elements import ColumnElement

from sexton import CounterEntry, Message, Policy, text_key

from .options import LedgerOptions
from .tables import EXPIRY, ledger_tables

LOT_EXPIRED = "lot_expired"


def expired(options: LedgerOptions) -> list[Policy]:
    """The work of `ledger.expire_lots`."""
    own = ledger_tables(options)
    lots, entries = own.lots.c, own.entries.c
    return [
        CounterEntry(
            own.lots,
            by=lots.expires_at,
            entries=own.entries,
            of=entries.lot_id,
            amount=entries.amount,
            values={"type": EXPIRY},
            at=entries.created_at,
            last=entries.last_id,
            carry=(lots.account_id,),
            tell=(
                Message(
                    LOT_EXPIRED,
                    key=_once,
                    to=lambda left: left.c.account_id,
                    payload={
                        "lot_id": lambda left: left.c.id,
                        "amount": lambda left: left.c.left_sum,
                        "expires_at": lambda left: left.c.expires_at,
                    },
                    of="left",
                ),
            ),
            outbox=own.outbox,
            name="expire",
        )
    ]


def _once(left: FromClause) -> ColumnElement[str]:
    """Once a lot and what it came to: one that comes to something again is told again."""
    return text_key(LOT_EXPIRED, left.c.id, left.c.left_last)
