"""Retention: notifications (PF-139) and outbox rows (PF-140) past keeping. Every day; twice changes nothing.

Both are plain purges: rows of the time index, oldest first, in batches; the time taken grows with the rows deleted,
not with the table. A row that somebody has locked (marked as read, being published) is left for the next batch.
"""

from __future__ import annotations

from sqlalchemy import and_, func

from sexton import Policy, Purge, ago, own_outbox

from .options import Options
from .tables import tables


def notifications(options: Options, dialect: str = "postgresql") -> list[Policy]:
    """The work of `marketplace.purge_notifications`: any notification older than 30 days, read or not (PF-139.1)."""
    table = tables(options).notifications
    read = table.c.read_at.is_not(None) if options.only_read else None
    return [Purge(table, by=table.c.created_at, keep=options.notifications_keep, only=read, name="purge")]


def outbox(options: Options, dialect: str) -> list[Policy]:
    """The work of `marketplace.purge_outbox`.

    `published`: published more than 30 days ago (PF-140.1). `dead_lettered`: never published, 5 attempts or more, the
    last one (or else the writing) more than 30 days ago (PF-140.2). Everything else stays, whatever its age.
    """
    table = (tables(options).outbox or own_outbox(dialect)).table
    events = table.c
    last = func.coalesce(events.last_attempted_at, events.created_at)
    dead = and_(
        events.published_at.is_(None),
        events.attempt_count >= options.outbox_attempts,
        last < ago(options.outbox_keep),
    )
    return [
        Purge(table, by=events.published_at, keep=options.outbox_keep, name="published"),
        Purge(table, by=events.created_at, keep=options.outbox_keep, only=dead, name="dead_lettered"),
    ]
