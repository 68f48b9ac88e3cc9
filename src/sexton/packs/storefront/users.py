"""Accounts that were never verified: deleted on the first of the month, unless something hangs on them (ORA-USR)."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, column, exists, not_, or_, select, table

from sexton import Child, Policy, Purge, ago

from .options import StorefrontOptions
from .tables import StorefrontTables, storefront_tables


def unverified(options: StorefrontOptions) -> list[Policy]:
    """The work of `storefront.purge_unverified_users`.

    Older than 30 days, never verified, and no verification mail for 30 days: one that was sent again starts the clock
    anew. An account with an order, or with a row of `user_guards`, stays. Its notifications and password resets go
    along. A user who verifies meanwhile has the row locked, or finds it gone: the condition is asked again under lock.
    """
    own = storefront_tables(options)
    users = own.users.c
    return [
        Purge(
            own.users,
            by=users.created_at,
            keep=options.unverified_keep,
            only=and_(
                users.is_verified.is_(False),
                or_(users.verification_sent_at.is_(None), users.verification_sent_at < ago(options.unverified_keep)),
                *(not_(guard) for guard in _guards(own, options)),
            ),
            children=(
                Child(own.notifications, own.notifications.c.user_id),
                Child(own.password_resets, own.password_resets.c.user_id),
            ),
            lock_first=True,
            name="purge",
        )
    ]


def _guards(own: StorefrontTables, options: StorefrontOptions) -> list[ColumnElement[bool]]:
    """Rows that keep an account. Payments hang on orders."""
    found = [exists(select(1).where(own.orders.c.user_id == own.users.c.id))]
    for guard in options.user_guards:
        whole, _, name = guard.rpartition(".")
        schema, _, plain = whole.rpartition(".")
        other = table(plain, column(name), schema=schema or None).alias(f"guard_{len(found)}")
        found.append(exists(select(1).select_from(other).where(other.c[name] == own.users.c.id)))
    return list(found)
