"""Settings of the storefront pack: `[pack.storefront]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sexton import parse_duration, setting

STOREFRONT_TABLES = (
    "users",
    "products",
    "orders",
    "order_items",
    "inventory_locks",
    "payments",
    "notifications",
    "password_resets",
    "sales_summary",
    "outbox_events",
)
"""Logical names of the pack's tables; `tables` and `columns` map them to what a shop already has."""

KINDS_OF_IDS = ("number", "text", "uuid")

GUARD_COLUMN = re.compile(r"(?:\w+\.)?\w+\.\w+")


@dataclass(frozen=True, slots=True)
class StorefrontOptions:
    """What a shop may set about its jobs. Durations count 24-hour days; money is whole numbers of the smallest unit."""

    tables: Mapping[str, str] = setting(
        {}, 'names your tables have here: { inventory_locks = "shop.stock_holds" }', keys=STOREFRONT_TABLES
    )
    columns: Mapping[str, Mapping[str, str]] = setting(
        {},
        'names your columns have here, by table: { payments = { transaction_id = "razorpay_id" } }',
        keys=STOREFRONT_TABLES,
    )
    ids: str = setting("number", 'what ids are in your tables: "number", "text", or "uuid" on PostgreSQL')
    settle_window: str = setting(
        "15m",
        "how long a payment that is under way keeps the holds of its order, although they have run out",
        kind="duration",
        minimum="0s",
    )
    low_stock: int = setting(
        5, "an active product with so few free pieces, or fewer, is low on stock", minimum=0, maximum=1_000_000
    )
    low_stock_over: int = setting(
        2, "so many free pieces above low_stock end that: a product on the edge is told once", minimum=0, maximum=1000
    )
    low_stock_repeat: str = setting(
        "1d", "how often a product that stays low is told again", kind="duration", minimum="1h"
    )
    admin: str = setting("admin", "who is told about stock, sales and money: the recipient of these messages")
    mail: bool = setting(
        False, "send notices of orders to customers, and the others to `admin`, by mail; needs [channel.email]"
    )
    check_after: str = setting(
        "10m", "how old a pending payment is when the gateway is asked about it", kind="duration", minimum="1m"
    )
    give_up_after: str = setting(
        "73h", "how long the gateway is asked before a person must look", kind="duration", minimum="1h"
    )
    failed_for_good: str = setting(
        "72h",
        "how old a payment is when `failed` is its end; before that a bank may still let it through",
        kind="duration",
        minimum="1h",
    )
    capture: bool = setting(True, "capture money that the gateway holds authorised; false: somebody else does")
    gateway: str = setting(
        "", 'a gateway of your own, "package.module:function", called with these options; default: Razorpay\'s'
    )
    gateway_url: str = setting("https://api.razorpay.com", "where the gateway is", kind="url")
    gateway_key: str = setting(
        "", 'id of the key with which the gateway is asked; "env:NAME": what that variable holds', secret=True
    )
    gateway_secret: str = setting("", 'its secret; "env:NAME" likewise', secret=True)
    gateway_rate: str = setting("20/10m", "how many payments are asked about at most, in any such time")
    gateway_timeout: str = setting("10s", "how long one answer of the gateway may take", kind="duration", minimum="1s")
    payable: tuple[str, ...] = setting(
        ("PENDING", "PLACED"), "states of an order in which a payment is accepted without further questions"
    )
    paid_status: str = setting("PROCESSING", "state of an order that is paid")
    cancelled_status: str = setting("CANCELLED", "state of an order that was paid and cannot be delivered")
    review_status: str = setting("needs_review", "state of a payment about which the gateway never gave an answer")
    refund_status: str = setting("refund_due", "state of a payment that came for an order that cannot be delivered")
    delivery_time: str = setting(
        "5d", "from its confirmation to the estimated delivery of an order", kind="duration", minimum="0s"
    )
    notifications_keep: str = setting("30d", "how long read notifications are kept", kind="duration", minimum="1d")
    reset_grace: str = setting(
        "24h",
        "how long a password reset is kept after it has run out, so that its link can say so; a used one goes at once",
        kind="duration",
        minimum="0s",
    )
    unverified_keep: str = setting(
        "30d",
        "how old an account is that was never verified when it is deleted, counted from the last mail about that",
        kind="duration",
        minimum="1d",
    )
    user_guards: tuple[str, ...] = setting(
        (), 'columns whose rows keep an account, beside its orders: ["reviews.user_id", "tickets.author_id"]'
    )
    sales_statuses: tuple[str, ...] = setting(
        ("PROCESSING", "SHIPPED", "DELIVERED"), "states of an order that count as a sale"
    )
    sales_lateness: str = setting(
        "14d",
        "how long after its end a day of sales is computed again: what changed is told as a correction",
        kind="duration",
        minimum="1d",
    )
    timezone: str = setting("Asia/Kolkata", "zone of the shop's day, which ends at 18:00", kind="timezone")

    def check(self) -> None:
        """ValueError when values that are right alone do not fit together."""
        if parse_duration(self.failed_for_good) >= parse_duration(self.give_up_after):
            raise ValueError(
                f'failed_for_good "{self.failed_for_good}" must be shorter than give_up_after "{self.give_up_after}"'
            )
        if self.mail and "@" not in self.admin:
            raise ValueError(f"admin: {self.admin!r} is no address, and mail is to be sent there")
        if self.ids not in KINDS_OF_IDS:
            raise ValueError(f'ids: {self.ids!r} is no kind of ids; write "number", "text" or "uuid"')
        for guard in self.user_guards:
            if not GUARD_COLUMN.fullmatch(guard):
                raise ValueError(f'user_guards: {guard!r} is no column of a table; write "reviews.user_id"')
