"""Settings of the marketplace pack: `[pack.marketplace]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sexton import parse_duration, setting

TABLES = (
    "licenses",
    "stores",
    "media",
    "media_attachments",
    "vendor_orders",
    "orders",
    "order_items",
    "inventory",
    "payments",
    "notifications",
    "outbox_events",
)
"""Logical names of the pack's tables; `tables` and `columns` map them to what a product already has."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a product may set about its marketplace jobs. Durations count 24-hour days."""

    tables: Mapping[str, str] = setting(
        {}, 'names your tables have here: { licenses = "shop.vendor_licences" }', keys=TABLES
    )
    columns: Mapping[str, Mapping[str, str]] = setting(
        {},
        'names your columns have here, by table: { licenses = { expires_at = "valid_until" } }',
        keys=TABLES,
    )
    warn_before: str = setting(
        "14d", "how long before a licence expires its vendor is warned, once", kind="duration", minimum="1h"
    )
    warn_min_age: str = setting(
        "24h", "a licence younger than this is not warned about yet", kind="duration", minimum="0s"
    )
    delete_after: str = setting(
        "30d", "how long after its expiry date a licence is deleted", kind="duration", minimum="1d"
    )
    min_dwell: str = setting(
        "24h",
        "how long the expiry must have been on record before anything is deleted, whatever the dates say",
        kind="duration",
        minimum="1h",
    )
    media_min_age: str = setting(
        "24h",
        "media younger than this stay, as an upload may still be attaching them",
        kind="duration",
        minimum="0s",
    )
    nudge_after: str = setting(
        "5d", "how long an order is pending before its vendor is nudged, once", kind="duration", minimum="1h"
    )
    expire_after: str = setting("10d", "how long an order is pending before it expires", kind="duration", minimum="1h")
    payment_holds: tuple[str, ...] = setting(
        ("processing", "authorized", "captured", "settled"),
        "states of a payment that keep an order alive: settled or in flight, never a failed attempt; "
        "empty: there is no payments table",
    )
    child_ended: tuple[str, ...] = setting(
        ("expired", "cancelled", "rejected", "refunded"),
        "states in which a vendor order has ended; its parent expires only when all of its children have",
    )
    expire_guard: str = setting(
        "",
        "SQL condition about vendor_orders that must also hold before an order expires; it stands in the "
        "statement as written, so it is for operators, not for input",
    )
    notifications_keep: str = setting("30d", "how long notifications are kept", kind="duration", minimum="1d")
    only_read: bool = setting(False, "true: unread notifications are kept, however old")
    outbox_keep: str = setting(
        "30d", "how long published and dead-lettered outbox rows are kept", kind="duration", minimum="1d"
    )
    outbox_attempts: int = setting(
        5, "attempts from which an unpublished outbox row counts as dead-lettered", minimum=1, maximum=1000
    )

    def check(self) -> None:
        """ValueError when values that are right alone do not fit together."""
        if parse_duration(self.nudge_after) >= parse_duration(self.expire_after):
            raise ValueError(
                f'nudge_after "{self.nudge_after}" must be shorter than expire_after "{self.expire_after}"'
            )
