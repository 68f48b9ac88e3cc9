"""Drafts that nobody touches: deleted, counted by business, put back on request (T3.1 to T3.6).

1. `delete`        drafts untouched for longer than `drafts_keep`. What each was goes into `deleted_drafts`.
2. `by_business`   how many that were, for the run's counts and the log.
3. `forget`        what can be put back no more.

Opening a draft should touch `updated_at`: whoever has it open then keeps it. A draft to which a row of another table
refers is not deleted, and the run says so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, null, select, text, type_coerce, update
from sqlalchemy import delete as delete_from
from sqlalchemy.types import JSON

from sexton import Change, Counts, Policy, Purge, Run, as_text, ask_now, now, parse_duration

from .options import InvoicingOptions
from .pack_log import INVOICING_LOG
from .tables import InvoicingTables, invoicing_tables

BUSINESSES_NAMED = 100
"""Businesses that the counts of a run name; the log names all."""


def steps(options: InvoicingOptions, dialect: str) -> list[Policy | Callable[[Run], Counts]]:
    """The work of `invoicing.clean_drafts`."""
    own = invoicing_tables(options)
    return [_delete(own, options, dialect), _by_business(own, options), _forget(own, options)]


def restore_draft(connection: Connection, options: InvoicingOptions, invoice_id: object) -> bool:
    """Put a deleted draft back with its items, in the caller's transaction; it counts as touched now.

    False when there is nothing to put back: it was never deleted, too long ago, without `undo`, or is there again.
    On PostgreSQL all its columns come back, on SQLite those that the pack knows.
    """
    own = invoicing_tables(options)
    deleted, invoices = own.deleted_drafts.c, own.invoices
    asked = select(deleted.id, deleted.contents).where(deleted.invoice_id == invoice_id)
    found = connection.execute(asked.order_by(deleted.id.desc()).limit(1).with_for_update()).one_or_none()
    if found is None or not found.contents:
        return False
    if connection.execute(select(invoices.c.id).where(invoices.c.id == invoice_id)).first() is not None:
        return False
    for table, rows in ((invoices, [found.contents["invoice"]]), (own.invoice_items, found.contents["items"])):
        for row in rows:
            _put_back(connection, table, row)
    touched = update(invoices).where(invoices.c.id == invoice_id)
    connection.execute(touched.values(updated_at=ask_now(connection)))
    connection.execute(delete_from(own.deleted_drafts).where(deleted.id == found.id))
    return True


def _abandoned(own: InvoicingTables, options: InvoicingOptions, before: datetime) -> ColumnElement[bool]:
    return and_(own.invoices.c.status == options.draft_status, own.invoices.c.updated_at < before)


def _delete(own: InvoicingTables, options: InvoicingOptions, dialect: str) -> Purge:
    items, documents, deleted = own.invoice_items, own.invoice_documents, own.deleted_drafts
    contents = _contents(own, dialect) if options.undo else null()

    def keep(rows: Any) -> Select[Any]:
        draft = own.invoices.alias("draft")
        what = contents(draft) if callable(contents) else contents
        names = {"invoice_id": draft.c.id, "business_id": draft.c.business_id, "deleted_at": now(), "contents": what}
        picked = rows["picked"]
        return select(*(value.label(name) for name, value in names.items())).join_from(
            picked, draft, draft.c.id == picked.c.id
        )

    return Purge(
        own.invoices,
        by=own.invoices.c.updated_at,
        keep=options.drafts_keep,
        only=own.invoices.c.status == options.draft_status,
        changes=(
            Change.insert(deleted.name, deleted, keep),
            # The items after that: what they were stands in the row above.
            Change.delete(items.name, items, lambda rows: items.c.invoice_id.in_(select(rows["picked"].c.id))),
            Change.delete(
                documents.name, documents, lambda rows: documents.c.invoice_id.in_(select(rows["picked"].c.id))
            ),
        ),
        name="delete",
    )


def _contents(own: InvoicingTables, dialect: str) -> Callable[[Any], ColumnElement[Any]]:
    """A draft and its items as JSON, under the names of their columns: {"invoice": {…}, "items": [{…}, …]}."""
    item = own.invoice_items.alias("item")

    def contents(draft: Any) -> ColumnElement[Any]:
        parts: tuple[Any, ...]
        if dialect == "postgresql":
            whole = func.jsonb_agg(func.to_jsonb(item.table_valued()))
            listed = select(func.coalesce(whole, text("'[]'::jsonb"))).where(item.c.invoice_id == draft.c.id)
            parts = ("'invoice'", func.to_jsonb(draft.table_valued()), "'items'", listed.scalar_subquery())
            build = func.jsonb_build_object
        else:
            listed = select(func.json_group_array(_object(item))).where(item.c.invoice_id == draft.c.id)
            parts = ("'invoice'", _object(draft), "'items'", listed.scalar_subquery())
            build = func.json_object
        return type_coerce(build(*(text(part) if isinstance(part, str) else part for part in parts)), JSON())

    return contents


def _object(row: Any) -> ColumnElement[Any]:
    """A row of SQLite as JSON, each value as it lies there."""
    pairs = ((as_text(column.name), type_coerce(column, JSON())) for column in row.columns)
    return func.json_object(*(part for pair in pairs for part in pair))


def _put_back(connection: Connection, table: Any, row: dict[str, Any]) -> None:
    import json

    quoted = connection.dialect.identifier_preparer
    name = quoted.format_table(table)
    if connection.dialect.name == "postgresql":
        put = f"INSERT INTO {name} SELECT * FROM jsonb_populate_record(NULL::{name}, CAST(:row AS jsonb))"
        connection.execute(text(put), {"row": json.dumps(row)})
        return
    columns = ", ".join(map(quoted.quote, row))
    places = ", ".join(f":p{place}" for place in range(len(row)))
    values = {f"p{place}": value for place, value in enumerate(row.values())}
    connection.execute(text(f"INSERT INTO {name} ({columns}) VALUES ({places})"), values)


def _by_business(own: InvoicingTables, options: InvoicingOptions) -> Callable[[Run], Counts]:
    deleted, invoices = own.deleted_drafts.c, own.invoices.c

    def by_business(run: Run) -> Counts:
        uncounted = deleted.counted_at.is_(None)
        with run.transaction() as connection:
            asked = select(deleted.business_id, func.count()).where(uncounted).group_by(deleted.business_id)
            found = {row[0]: int(row[1]) for row in connection.execute(asked.order_by(deleted.business_id))}
            if run.dry_run:
                due = _abandoned(own, options, run.now - parse_duration(options.drafts_keep))
                asked = select(invoices.business_id, func.count()).where(due).group_by(invoices.business_id)
                for business, number in connection.execute(asked):
                    found[business] = found.get(business, 0) + int(number)
            else:
                connection.execute(update(own.deleted_drafts).where(uncounted).values(counted_at=run.now))
        for business, number in found.items() if not run.dry_run else ():
            INVOICING_LOG.info("business %s: %s abandoned drafts deleted", business, number)
        return Counts(also=_named(found))

    return by_business


def _named(found: dict[Any, int]) -> dict[str, int]:
    """Drafts by business, the most first; those of businesses beyond the limit in one number."""
    most = sorted(found.items(), key=lambda pair: (-pair[1], str(pair[0])))
    also = {f"of business {business}": number for business, number in most[:BUSINESSES_NAMED]}
    if rest := sum(number for _, number in most[BUSINESSES_NAMED:]):
        also["of other businesses"] = rest
    return also


def _forget(own: InvoicingTables, options: InvoicingOptions) -> Purge:
    deleted = own.deleted_drafts
    return Purge(deleted, by=deleted.c.deleted_at, keep=options.undo_keep, name="forget")
