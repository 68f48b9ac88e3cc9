"""What only goes: holds that ran out, read notifications, password resets. Twice changes nothing."""

from __future__ import annotations

from sexton import Policy, Purge

from .options import StorefrontOptions
from .stock import run_out
from .tables import storefront_tables


def holds(options: StorefrontOptions) -> list[Policy]:
    """The work of `storefront.release_stale_holds` (ORA-INV.1).

    What is held is the sum of the live holds, so deleting one gives its pieces back. A hold stays while a payment for
    its order is under way. Whoever extends a hold, or begins a payment for its order, locks the hold first: then
    whichever commits second sees the other.
    """
    own = storefront_tables(options)
    return [
        Purge(
            own.inventory_locks,
            by=own.inventory_locks.c.expires_at,
            keep="0s",
            kind="deadline",
            only=run_out(own, options),
            lock_first=True,
            name="release",
        )
    ]


def notifications(options: StorefrontOptions) -> list[Policy]:
    """The work of `storefront.purge_notifications`: read and older than 30 days; unread ones stay (ORA-NTF.2)."""
    table = storefront_tables(options).notifications
    return [
        Purge(
            table, by=table.c.created_at, keep=options.notifications_keep, only=table.c.is_read.is_(True), name="purge"
        )
    ]


def password_resets(options: StorefrontOptions) -> list[Policy]:
    """The work of `storefront.purge_password_resets` (ORA-PWD).

    `expired`: a day after their time, until when the link can say that it is too late.  `used`: at once.
    """
    table = storefront_tables(options).password_resets
    return [
        Purge(table, by=table.c.expires_at, keep=options.reset_grace, kind="deadline", name="expired"),
        Purge(table, by=table.c.used_at, keep="0s", kind="deadline", name="used"),
    ]
