"""The table that messages are written to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table

from .tables import own_tables


@dataclass(frozen=True, slots=True)
class Outbox:
    """The table that messages are written to: ours, or the one a product already has.

    key, recipient: None where the product's table has no such column (receivers then find the key in the payload).
    """

    table: Table
    key: Column[Any] | None
    event_type: Column[Any]
    recipient: Column[Any] | None
    payload: Column[Any]
    created_at: Column[Any]


def own_outbox(dialect: str) -> Outbox:
    """Sexton's own outbox in this dialect."""
    table = own_tables(dialect).outbox_events
    return Outbox(table, table.c.key, table.c.event_type, table.c.recipient, table.c.payload, table.c.created_at)
