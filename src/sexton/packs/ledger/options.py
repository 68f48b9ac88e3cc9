"""Settings of the ledger pack: `[pack.ledger]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sexton import parse_duration, setting

LEDGER_TABLES = ("lots", "entries", "operations", "holds", "idempotency_keys", "outbox_events")
"""Logical names of the pack's tables; `tables` and `columns` map them to what a product already has."""

KINDS_OF_ACCOUNT_IDS = ("number", "text", "uuid")

WEBHOOK_RETRIES = "75h"
"""For how long a sender of webhooks may come again (Standard Webhooks: ten attempts in 75 h 35 min; Stripe: 3 days)."""


@dataclass(frozen=True, slots=True)
class LedgerOptions:
    """What a product may set about its ledger. Durations count 24-hour days; amounts are whole numbers."""

    tables: Mapping[str, str] = setting(
        {}, 'names your tables have here: { lots = "app.credit_lots" }', keys=LEDGER_TABLES
    )
    columns: Mapping[str, Mapping[str, str]] = setting(
        {}, 'names your columns have here, by table: { lots = { account_id = "merchant_id" } }', keys=LEDGER_TABLES
    )
    account_ids: str = setting("number", 'what ids of accounts are: "number", "text", or "uuid" on PostgreSQL')
    operation_time: str = setting(
        "15m", "how long an operation is open unless the product says another time", kind="duration", minimum="1s"
    )
    refund_grace: str = setting(
        "30d",
        "the time of the new lot that gets what is refunded into a lot past its own",
        kind="duration",
        minimum="0s",
    )
    keys_keep: str = setting(
        "7d", "how long a finished idempotency key is kept, from its end on", kind="duration", minimum="1d"
    )
    retry_horizon: str = setting(
        WEBHOOK_RETRIES,
        "for how long the most patient of your clients tries one request again; keys_keep must be longer",
        kind="duration",
        minimum=WEBHOOK_RETRIES,
    )
    stuck_after: str = setting(
        "1h", "how long a key is in progress when somebody must look at it", kind="duration", minimum="1m"
    )
    admin: str = setting("admin", "who is told about keys that are stuck: the recipient of that message")

    def check(self) -> None:
        """ValueError when values that are right alone do not fit together."""
        if parse_duration(self.retry_horizon) >= parse_duration(self.keys_keep):
            raise ValueError(
                f'keys_keep "{self.keys_keep}" must be longer than retry_horizon "{self.retry_horizon}": '
                "a request that comes again after its key is gone would be done twice"
            )
        if self.account_ids not in KINDS_OF_ACCOUNT_IDS:
            raise ValueError(f'account_ids: {self.account_ids!r} is no kind of ids; write "number", "text" or "uuid"')
