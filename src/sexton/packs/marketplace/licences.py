"""Licences: warn, expire, revoke the store, delete with media (PF-137). Every day, in this order.

1. `warn`    verified, expires within 14 days, at least a day old: the vendor hears it once a deadline (PF-137.2).
2. `expire`  the date has passed: status `expired`, and the vendor hears that too (PF-137.3).
3. `record`  expired before Sexton came: put on record without a message, so that the day of dwelling starts.
4. `revoke`  a verified store without a valid licence: `kyc_status` `expired` (PF-137.4).
5. `delete`  expired for more than 30 days by its date, and on record for at least a day: the licence, its attachments,
   and media that nothing else uses; the object store hears of each (PF-137.5, PF-137.6).

Twice at the same instant: the second run counts 0. Late by days: everything happens, late, once; but what expires
today is never deleted today. A day missed loses no warning, as step 1 is a window and not a day.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, exists, not_, or_, select

from sexton import (
    Change,
    Found,
    Message,
    Policy,
    Purge,
    Transition,
    WarnOnce,
    ago,
    ahead,
    days_left,
    now,
    set_aside,
    text_key,
    told,
)

from .options import Options
from .tables import Tables, tables

ENDED_LICENCE_STATES = ("expired", "deleted", "rejected")
REVOKE = "revoke"
LAST_USED = ("last_expires_at", "last_id", "id")


def steps(options: Options, dialect: str = "postgresql") -> list[Policy]:
    """The work of `marketplace.expire_licences`."""
    own = tables(options)
    return [_warn(own, options), _expire(own), _record(own), _revoke(own), _delete(own, options)]


def _warn(own: Tables, options: Options) -> WarnOnce:
    licences = own.licenses.c
    return WarnOnce(
        own.licenses,
        by=licences.expires_at,
        when=and_(
            licences.status == "verified",
            licences.expires_at > now(),
            licences.expires_at <= ahead(options.warn_before),
            licences.created_at <= ago(options.warn_min_age),
        ),
        tell=Message(
            "license_expiring_soon",
            key=text_key("license_expiring_soon", licences.id, licences.expires_at),
            to=licences.store_id,
            payload={
                "license_id": licences.id,
                "store_id": licences.store_id,
                "expires_at": licences.expires_at,
                "days_left": days_left(licences.expires_at),
            },
        ),
        outbox=own.outbox,
        name="warn",
    )


def _expire(own: Tables) -> Transition:
    licences = own.licenses.c
    return Transition(
        own.licenses,
        {"status": "expired"},
        only=licences.status.not_in(ENDED_LICENCE_STATES),
        by=licences.expires_at,
        kind="deadline",
        tell=(
            Message(
                "license_expired",
                key=text_key("license_expired", licences.id, licences.expires_at),
                to=licences.store_id,
                payload={
                    "license_id": licences.id,
                    "store_id": licences.store_id,
                    "expires_at": licences.expires_at,
                },
            ),
        ),
        outbox=own.outbox,
        name="expire",
    )


def _record(own: Tables) -> WarnOnce:
    licences = own.licenses.c
    return WarnOnce(
        own.licenses,
        by=licences.expires_at,
        when=and_(licences.status == "expired", licences.expires_at < now()),
        tell=Message(None, key=text_key("license_expired", licences.id, licences.expires_at)),
        name="record",
    )


def _revoke(own: Tables) -> Transition:
    # Whoever approves a licence locks its store first; only then is "no valid licence" asked (lock_first).
    stores, licences = own.stores.c, own.licenses.c
    valid = select(1).where(licences.store_id == stores.id, licences.status == "verified", licences.expires_at >= now())
    return Transition(
        own.stores,
        {"kyc_status": "expired"},
        only=and_(stores.kyc_status == "verified", not_(exists(valid))),
        lock_first=True,
        name=REVOKE,
    )


def _delete(own: Tables, options: Options) -> Purge:
    licences, attachments, media = own.licenses.c, own.media_attachments.c, own.media.c
    return Purge(
        own.licenses,
        by=licences.expires_at,
        keep=options.delete_after,
        kind="deadline",
        only=and_(
            licences.status == "expired",
            told(text_key("license_expired", licences.id, licences.expires_at), age=options.min_dwell),
            not_(set_aside(REVOKE, licences.store_id)),
        ),
        found=(Found("orphans", lambda rows: _orphans(own, options, rows), lock=own.media, order=LAST_USED),),
        changes=(
            Change.delete(
                "media_attachments",
                own.media_attachments,
                lambda rows: and_(
                    attachments.entity_type == "license",
                    attachments.entity_id.in_(select(rows["picked"].c.id)),
                ),
            ),
            Change.delete("media", own.media, lambda rows: media.id.in_(select(rows["orphans"].c.id))),
        ),
        tell=(
            Message(
                "media_object_delete",
                key=lambda orphan: text_key("media_object_delete", orphan.c.id),
                payload={
                    "media_id": lambda orphan: orphan.c.id,
                    "storage_key": lambda orphan: orphan.c.storage_key,
                },
                of="orphans",
            ),
        ),
        outbox=own.outbox,
        name="delete",
    )


def _orphans(own: Tables, options: Options, rows: Any) -> Select[Any]:
    """Media of the picked licences that no other thing uses, old enough, locked in key order."""
    media, picked = own.media.c, rows["picked"]
    theirs = own.media_attachments.alias("theirs")
    others = own.media_attachments.alias("others")
    attached = select(theirs.c.media_id).where(
        theirs.c.entity_type == "license", theirs.c.entity_id.in_(select(picked.c.id))
    )
    elsewhere = select(1).where(
        others.c.media_id == media.id,
        or_(others.c.entity_type != "license", others.c.entity_id.not_in(select(picked.c.id))),
    )
    # The licence with which a file goes, however the batches are cut: its messages have an order of their own.
    users = (
        select(picked.c.expires_at, picked.c.id)
        .join_from(picked, own.media_attachments, own.media_attachments.c.entity_id == picked.c.id)
        .where(own.media_attachments.c.media_id == media.id, own.media_attachments.c.entity_type == "license")
        .order_by(picked.c.expires_at.desc(), picked.c.id.desc())
        .limit(1)
        .correlate(own.media)
    )
    last = (
        users.with_only_columns(picked.c.expires_at).scalar_subquery().label("last_expires_at"),
        users.with_only_columns(picked.c.id).scalar_subquery().label("last_id"),
    )
    found = select(media.id, media.storage_key, *last).where(
        media.id.in_(attached), media.created_at < ago(options.media_min_age), not_(exists(elsewhere))
    )
    return found.order_by(media.id)
