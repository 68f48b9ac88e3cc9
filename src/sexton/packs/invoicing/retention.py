"""What only goes: sessions whose time is up. Whoever reads a session asks for its time as well (T4.1 to T4.5)."""

from __future__ import annotations

from sexton import Policy, Purge

from .options import InvoicingOptions
from .tables import invoicing_tables


def sessions(options: InvoicingOptions) -> list[Policy]:
    """The work of `invoicing.clean_sessions`: `expires_at` is before the run's time."""
    table = invoicing_tables(options).sessions
    return [Purge(table, by=table.c.expires_at, keep="0s", kind="deadline", name="expired")]
