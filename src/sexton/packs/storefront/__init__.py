"""Storefront: stock that carts hold, payments, notices about orders, resets, accounts, sales (ORA-SUM).

What helps a customer who waits runs before what only tidies up: priority 10 for the ticket's HIGH, 0 for MEDIUM, -5 for
LOW. What a change of an order tells is no job: `order_notices.order_status_changed` is called where it changes.
"""

from collections.abc import Sequence
from typing import Any

from sexton import Job, LazyWork, Pack, cron, every

from .options import StorefrontOptions

HIGH_PRIORITY = 10
LOW_PRIORITY = -5


def jobs(options: StorefrontOptions, dialect: str) -> Sequence[Job]:
    """The seven jobs, at minutes of their own. `[job."…"]` in the settings moves them."""
    return [*_for_customers(options), *_tidying(options)]


def _for_customers(options: StorefrontOptions) -> list[Job]:
    """What somebody waits for. Without a guard: after a night without a run most of it is due."""
    return [
        Job(
            "storefront.release_stale_holds",
            schedule=every("5m"),
            priority=HIGH_PRIORITY,
            guard=None,
            work=_work("retention:holds", options),
            description="delete holds on stock that have run out and whose order nobody is paying (ORA-INV.1)",
        ),
        Job(
            "storefront.check_payments",
            schedule=every("10m", offset="2m"),
            priority=HIGH_PRIORITY,
            guard=None,
            work=_work("check_payments:steps", options),
            description="ask the gateway about payments of which it has not told, and settle them (ORA-PAY.1)",
        ),
        Job(
            "storefront.check_low_stock",
            schedule=every("1h", offset="7m"),
            guard=None,
            work=_work("low_stock:steps", options),
            description="tell the admin about products that have become low, in one message (ORA-INV.2)",
        ),
    ]


def _tidying(options: StorefrontOptions) -> list[Job]:
    return [
        Job(
            "storefront.purge_password_resets",
            schedule=every("1h", offset="18m"),
            guard=None,  # most resets have run out whenever one looks
            work=_work("retention:password_resets", options),
            description="delete password resets that were used, or have run out a day ago (ORA-PWD)",
        ),
        Job(
            "storefront.sales_summary",
            schedule=cron("5 18 * * *", tz=options.timezone),
            priority=LOW_PRIORITY,
            guard=None,  # it takes nothing away
            work=_work("sales:summary", options),
            description="sum up the day's sales by currency, and tell the admin (ORA-ANA)",
        ),
        Job(
            "storefront.purge_notifications",
            schedule=cron("0 2 * * *", tz=options.timezone),
            priority=LOW_PRIORITY,
            work=_work("retention:notifications", options),
            description="delete notifications that were read, past keeping (ORA-NTF.2)",
        ),
        Job(
            "storefront.purge_unverified_users",
            schedule=cron("0 3 1 * *", tz=options.timezone),
            priority=LOW_PRIORITY,
            work=_work("users:unverified", options),
            description="delete accounts that were never verified and on which nothing hangs (ORA-USR)",
        ),
    ]


def _work(path: str, options: StorefrontOptions) -> LazyWork:
    return LazyWork(f"sexton.packs.storefront.{path}", (options,))


def routes(options: StorefrontOptions) -> Sequence[Any]:
    """The pack's mails, by `mail = true`; `[route.NAME]` in the settings changes one."""
    if not options.mail:
        return ()
    from .mails import mail_routes  # loads the relay's code

    return mail_routes(options)


pack = Pack(
    "storefront",
    options=StorefrontOptions,
    jobs=jobs,
    demo=LazyWork("sexton.packs.storefront.demo:demonstration"),
    routes=routes,
    templates="sexton.packs.storefront:templates",
)
