"""Ledger: operations that nobody completed, lots past their time, idempotency keys that are over.

Three jobs of rows only: each is run from Python or compiled into PostgreSQL, by the same definition. Their counterpart
in the product's own code is `spending.Ledger`; `books.audit` says whether the books balance.
"""

from collections.abc import Sequence

from sexton import Guard, Job, LazyWork, Pack, cron, every

from .options import LedgerOptions

CLOSE_FIRST = 10
"""Operations come before lots that are due at the same minute: what they release has to expire with its lot."""

KEYS_LAST = -5
"""What only deletes comes after everything that tells somebody (BJ-28.2)."""


def jobs(options: LedgerOptions, dialect: str) -> Sequence[Job]:
    """The three jobs, at the times of the ticket (PGC-3), in UTC; `[job."…"]` in the settings moves them."""
    return [
        Job(
            "ledger.ops_cleanup",
            schedule=every("5m"),
            priority=CLOSE_FIRST,
            guard=None,  # after a night without a run most that is open is due
            work=LazyWork("sexton.packs.ledger.operations:steps", (options,)),
            description="close open operations past their time, and give back what they hold (PGC-6)",
        ),
        Job(
            "ledger.expire_lots",
            schedule=cron("0 2 * * *"),
            work=LazyWork("sexton.packs.ledger.lots:expired", (options,)),
            description="write off what is left of lots past their time, by a counter-entry (PGC-6)",
        ),
        Job(
            "ledger.idempotency_cleanup",
            schedule=cron("0 3 * * *"),
            priority=KEYS_LAST,
            guard=Guard(max_share=0.6),  # of keys kept for a week a third is due after a weekend without a run
            work=LazyWork("sexton.packs.ledger.retention:idempotency_keys", (options,)),
            description="delete idempotency keys that are finished for long; unfinished ones stay (PGC-6)",
        ),
    ]


pack = Pack(
    "ledger",
    options=LedgerOptions,
    jobs=jobs,
    demo=LazyWork("sexton.packs.ledger.demo:demonstration"),
)
