"""The page of the marketplace pack: its jobs, options, tables and events."""

from __future__ import annotations

from collections.abc import Iterator

from sexton.packs.marketplace import jobs
from sexton.packs.marketplace.options import Options
from sexton.packs.marketplace.tables import tables

from .markdown import page
from .pack_parts import events_table, jobs_table, options_table, tables_table

OPTIONAL = {"key": "key", "recipient": "recipient"}
"""Columns of a product's outbox that are written only when they are mapped."""


def marketplace() -> str:
    """Jobs, options, tables and events of the pack."""
    return page("The marketplace pack", "src/sexton/packs/marketplace", _parts())


def _parts() -> Iterator[str]:
    yield (
        'Enabled by `packs = ["marketplace"]` in `sexton.toml`. How to set it up, and what the product itself must do: '
        "[the marketplace pack, step by step](../how-to/marketplace.md)."
    )
    made = jobs(Options(), "postgresql")
    yield "## Jobs"
    yield 'They run in this order, and so do their steps. [`[job."NAME"]`](settings.md#jobname) moves or stops one.'
    yield jobs_table(made)
    yield "## Options"
    yield (
        "In the table `[pack.marketplace]` of `sexton.toml`. A duration counts days of 24 hours. `nudge_after` must be "
        "shorter than `expire_after`."
    )
    yield options_table(Options)
    yield "## Tables and columns"
    yield (
        "What the jobs read and write, under the pack's own names; `tables` and `columns` map them to yours. Your "
        "tables may have more columns. `payments` is not read when `payment_holds` is empty, "
        "`notifications.read_at` only with `only_read`, `inventory.available` only by `settle_late`; "
        "`stores.vendor_id`, `stores.name` and `notifications.user_id` are there for the demonstration."
    )
    yield (
        "Unless `outbox_events` is mapped, messages go to [Sexton's own outbox](tables.md#outbox_events). In a mapped "
        "one, `key` and `recipient` are written only when they are mapped, too."
    )
    mapped = Options(tables={"outbox_events": "outbox_events"}, columns={"outbox_events": OPTIONAL})
    yield tables_table(tables(mapped).metadata)
    yield "## Events"
    yield "Messages that the jobs write. The effect key decides that each is written once."
    yield events_table(made)
    yield (
        "`order_paid_after_expiry` is written by `settle_late`, not by a job; see "
        "[late payments](../how-to/marketplace.md#late-payments)."
    )
