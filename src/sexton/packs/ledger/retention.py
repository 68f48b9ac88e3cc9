"""Idempotency keys that are over: deleted once nobody can come again with them. What is unfinished stays (PGC-6)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from sexton import Policy, Purge, ask_now, parse_duration

from .operations import is_stuck
from .options import LedgerOptions
from .tables import COMPLETED, KEY_FAILED, ledger_tables


def idempotency_keys(options: LedgerOptions) -> list[Policy]:
    """The work of `ledger.idempotency_cleanup`: finished for longer than `keys_keep`."""
    keys = ledger_tables(options).idempotency_keys
    return [
        Purge(
            keys,
            by=keys.c.finished_at,
            keep=options.keys_keep,
            only=keys.c.status.in_([COMPLETED, KEY_FAILED]),
            name="purge",
        )
    ]


def stuck(connection: Connection, options: LedgerOptions, *, at: datetime | None = None) -> int:
    """How many keys are in progress for longer than `stuck_after`.  at: an instant; the database's time by default."""
    own = ledger_tables(options)
    since = (at or ask_now(connection)) - parse_duration(options.stuck_after)
    asked = select(func.count()).select_from(own.idempotency_keys).where(is_stuck(own, since))
    return int(connection.execute(asked).scalar_one())
