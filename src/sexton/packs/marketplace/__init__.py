"""Marketplace: licences that expire, orders that wait too long, notifications and outbox rows past keeping.

Tickets PF-137 to PF-140, once a day each, one after the other in this order (PF-137.7, PF-141): licences, orders,
notifications, and the outbox last, after the jobs that write to it.
"""

from collections.abc import Sequence

from sexton import Job, LazyWork, Pack, cron

from .options import Options

CLEANUP = -5
"""What only deletes comes after everything that tells somebody (BJ-28.2), and before Sexton's own housekeeping."""


def jobs(options: Options, dialect: str) -> Sequence[Job]:
    """The four jobs. Times are UTC and ten minutes apart; `[job."…"]` in the settings moves them."""
    return [
        Job(
            "marketplace.expire_licences",
            schedule=cron("0 4 * * *"),
            work=LazyWork("sexton.packs.marketplace.licences:steps", (options, dialect)),
            description="warn, expire, revoke stores, delete licences with their media (PF-137)",
        ),
        Job(
            "marketplace.expire_orders",
            schedule=cron("10 4 * * *"),
            work=LazyWork("sexton.packs.marketplace.orders:steps", (options, dialect)),
            description="nudge vendors, expire pending orders, give stock back (PF-138)",
        ),
        Job(
            "marketplace.purge_notifications",
            priority=CLEANUP,
            schedule=cron("20 4 * * *"),
            work=LazyWork("sexton.packs.marketplace.retention:notifications", (options, dialect)),
            description="delete notifications past keeping (PF-139)",
        ),
        Job(
            "marketplace.purge_outbox",
            priority=CLEANUP,
            schedule=cron("30 4 * * *"),
            work=LazyWork("sexton.packs.marketplace.retention:outbox", (options, dialect)),
            description="delete published and dead-lettered outbox rows (PF-140)",
        ),
    ]


pack = Pack(
    "marketplace",
    options=Options,
    jobs=jobs,
    demo=LazyWork("sexton.packs.marketplace.demo:demonstration"),
    keeps_outbox=lambda options: "outbox_events" not in options.tables,
)
