"""Settings of the invoicing pack: `[pack.invoicing]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sexton import parse_duration, setting

INVOICING_TABLES = (
    "businesses",
    "customers",
    "invoices",
    "invoice_items",
    "deleted_drafts",
    "invoice_documents",
    "sessions",
    "business_shaam_credentials",
    "outbox_events",
)
"""Logical names of the pack's tables; `tables` and `columns` map them to what a product already has."""

KINDS_OF_KEYS = ("number", "text", "uuid")
DIGEST_RULES = ("on_change", "daily")
LONGEST_PERIOD = "15m"
"""How often tokens are looked at; `token_lead` must be longer, or tokens would run out between two looks."""


@dataclass(frozen=True, slots=True)
class InvoicingOptions:
    """What a product may set about its invoices. Durations count 24-hour days; money is whole cents or agorot."""

    tables: Mapping[str, str] = setting(
        {}, 'names your tables have here: { invoices = "billing.invoices" }', keys=INVOICING_TABLES
    )
    columns: Mapping[str, Mapping[str, str]] = setting(
        {},
        'names your columns have here, by table: { invoices = { due_date = "pay_until" } }',
        keys=INVOICING_TABLES,
    )
    ids: str = setting("number", 'what ids are in your tables: "number", "text", or "uuid" on PostgreSQL')
    timezone: str = setting(
        "Asia/Jerusalem", "zone of the schedules, and of the date that due dates mean", kind="timezone"
    )
    overdue_statuses: tuple[str, ...] = setting(
        ("finalized", "sent", "partially_paid"), "states of an invoice that still has to be paid"
    )
    digest: str = setting(
        "on_change", '"on_change": a business hears of its overdue invoices when one is new; "daily": each day'
    )
    draft_status: str = setting("draft", "state of an invoice that is not yet one")
    drafts_keep: str = setting("30d", "how long a draft that nobody touches is kept", kind="duration", minimum="1d")
    undo: bool = setting(True, "keep what a deleted draft was, so that `restore_draft` can put it back")
    undo_keep: str = setting("30d", "how long a deleted draft can be put back", kind="duration", minimum="1d")
    mail: bool = setting(False, "send digests, notices and invoices by mail; needs [channel.email]")
    token_keys: str = setting(
        "",
        'keys that encrypt tokens, the newest first, with spaces in between; "env:NAME": what that variable holds',
        secret=True,
    )
    token_lead: str = setting(
        "20m", "how long before its end a token is renewed", kind="duration", minimum="16m", maximum="30d"
    )
    shaam: str = setting("", 'a client of your own, "package.module:function", called with these options')
    shaam_token_url: str = setting("", "where SHAAM renews tokens (OAuth 2)", kind="url")
    shaam_allocation_url: str = setting("", "where SHAAM gives allocation numbers", kind="url")
    shaam_client: str = setting("", 'id of your application at SHAAM; "env:NAME" likewise', secret=True)
    shaam_secret: str = setting("", 'its secret; "env:NAME" likewise', secret=True)
    shaam_timeout: str = setting(
        "20s", "how long one answer of SHAAM may take", kind="duration", minimum="1s", maximum="2m"
    )
    allocation_statuses: tuple[str, ...] = setting(
        ("finalized", "sent", "partially_paid", "paid"), "states of an invoice that may have an allocation number"
    )
    pdf_font: str = setting(
        "", "a TrueType font with Hebrew and Latin letters for PDFs; default: DejaVu Sans, which comes along"
    )

    def check(self) -> None:
        """ValueError when values that are right alone do not fit together."""
        if self.ids not in KINDS_OF_KEYS:
            raise ValueError(f'ids: {self.ids!r} is no kind of ids; write "number", "text" or "uuid"')
        if self.digest not in DIGEST_RULES:
            raise ValueError(f'digest: {self.digest!r} is no rule; write "on_change" or "daily"')
        if parse_duration(self.token_lead) <= parse_duration(LONGEST_PERIOD):
            raise ValueError(f'token_lead "{self.token_lead}" must be longer than {LONGEST_PERIOD}, the job\'s period')
        if self.draft_status in self.overdue_statuses:
            raise ValueError(f"draft_status: {self.draft_status!r} is among overdue_statuses")
        if not self.overdue_statuses:
            raise ValueError('overdue_statuses: name at least one state, such as "sent"')
