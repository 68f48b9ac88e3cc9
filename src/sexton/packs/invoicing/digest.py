"""The digest of overdue invoices: one message a business and day, to its owner (T2.5 to T2.7).

    on_change   when an invoice has become overdue since the last one; it lists all of them, and marks the new ones
    daily       each day on which there are any

Read after the flags are set, and asked again whether each invoice is overdue: one that was paid in between is not in
it. The fact is on record under business and local date, so that nothing sends a second one that day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, or_, select, update

from sexton import Counts, Run, SextonError, effect_key, tell

from .options import InvoicingOptions
from .pack_log import INVOICING_LOG
from .tables import InvoicingTables, to_be_paid

OVERDUE_DIGEST = "overdue_digest"
INVOICES_NAMED = 200
"""Invoices that one message names; it counts the others."""

BUSINESSES_AT_ONCE = 50
"""Businesses that one transaction tells."""

TOLD, BEFORE, NOBODY, REFUSED = "told", "told before", "without an address", "refused"
"""What becomes of a business that has to be told."""

INVOICE_FIELDS = (
    *("id", "business_id", "number", "due_date", "total_amount", "paid_amount", "currency", "overdue_since"),
)


def digest_of(own: InvoicingTables, options: InvoicingOptions) -> Callable[[Run], Counts]:
    """The step."""

    def digest(run: Run) -> Counts:
        zone = ZoneInfo(options.timezone)
        day = run.now.astimezone(zone).date()
        made = _Digest(own, options, run, day, datetime.combine(day, time(), zone))
        return made.foreseen() if run.dry_run else made.send()

    return digest


@dataclass(frozen=True, slots=True)
class _Digest:
    """The digests of one run. day: the local date.  began: the instant at which it began."""

    own: InvoicingTables
    options: InvoicingOptions
    run: Run
    day: date
    began: datetime

    def foreseen(self) -> Counts:
        """What `send` will count once the steps before it have done their work."""
        with self.run.transaction() as connection:
            rows = connection.execute(self._due(flagged=False)).all()
        return _counts(Counter(TOLD if row.owner_email else NOBODY for row in rows))

    def send(self) -> Counts:
        """Each business by itself: what fails for one is logged and counted, and the others are told."""
        ends: Counter[str] = Counter()
        last: object = None
        while True:
            with self.run.transaction() as connection:
                asked = self._due(flagged=True, after=last).limit(BUSINESSES_AT_ONCE)
                rows = connection.execute(asked).all()
                if not rows:
                    return _counts(ends)
                overdue = self._invoices(connection, [row.id for row in rows])
                ends.update(self._one(connection, row, overdue.get(row.id, [])) for row in rows)
            last = rows[-1].id

    def _due(self, *, flagged: bool, after: object = None) -> Select[Any]:
        """Businesses to be told now, by id. flagged: the flags are set already."""
        businesses, invoices = self.own.businesses.c, self.own.invoices.c
        mine = [invoices.business_id == businesses.id, self._late(flagged=flagged)]
        if self.options.digest == "on_change":
            mine.append(self._is_new())
        untold = or_(businesses.overdue_digest_at.is_(None), businesses.overdue_digest_at < self.began)
        found = select(businesses.id, businesses.name, businesses.owner_email, businesses.overdue_digest_at)
        found = found.where(untold, exists(select(1).where(*mine))).order_by(businesses.id)
        return found if after is None else found.where(businesses.id > after)

    def _late(self, *, flagged: bool) -> ColumnElement[bool]:
        invoices = self.own.invoices.c
        late = and_(to_be_paid(invoices, self.options), invoices.due_date < self.day)
        return and_(invoices.is_overdue.is_(True), late) if flagged else late

    def _is_new(self) -> ColumnElement[bool]:
        """Overdue since the business was told last; so it will be if it is not flagged yet."""
        told, invoices = self.own.businesses.c.overdue_digest_at, self.own.invoices.c
        return or_(told.is_(None), invoices.is_overdue.is_not(True), invoices.overdue_since > told)

    def _invoices(self, connection: Connection, ids: Sequence[Any]) -> dict[Any, list[Any]]:
        """Overdue invoices of these businesses, the longest overdue first."""
        invoices, customers = self.own.invoices.c, self.own.customers.c
        asked = (
            select(*(invoices[name] for name in INVOICE_FIELDS), customers.name.label("customer"))
            .join_from(self.own.invoices, self.own.customers, customers.id == invoices.customer_id, isouter=True)
            .where(invoices.business_id.in_(ids), self._late(flagged=True))
            .order_by(invoices.business_id, invoices.due_date, invoices.id)
        )
        rows = connection.execute(asked).all()
        return {business: list(some) for business, some in groupby(rows, lambda row: row.business_id)}

    def _one(self, connection: Connection, business: Any, overdue: Sequence[Any]) -> str:
        """What became of one business: one of the words below."""
        if not business.owner_email:
            INVOICING_LOG.warning(
                "business %s has %s overdue invoices, and no address to tell", business.id, len(overdue)
            )
            return NOBODY
        try:
            with connection.begin_nested():
                return TOLD if self._tell(connection, business, overdue) else BEFORE
        except SextonError:
            raise
        except Exception as error:
            if connection.invalidated:
                raise
            INVOICING_LOG.error(
                "business %s could not be told of its overdue invoices: %s", business.id, type(error).__name__
            )
            return REFUSED

    def _tell(self, connection: Connection, business: Any, overdue: Sequence[Any]) -> bool:
        items = [self._item(row, business.overdue_digest_at) for row in overdue]
        payload = {
            "business_id": plain(business.id),
            "business": business.name,
            "date": f"{self.day}",
            "count": len(items),
            "new": sum(item["new"] for item in items),
            "totals": [{"currency": one, "amount": amount} for one, amount in _totals(items)],
            "invoices": items[:INVOICES_NAMED],
        }
        businesses = self.own.businesses
        told = update(businesses).where(businesses.c.id == business.id)
        connection.execute(told.values(overdue_digest_at=self.run.now))
        return tell(
            connection,
            OVERDUE_DIGEST,
            key=effect_key(OVERDUE_DIGEST, business.id, f"{self.day}"),
            subject=str(business.id),
            to=business.owner_email,
            payload=payload,
            by=self.run.job,
            at=self.run.now,
            outbox=self.own.outbox,
        )

    def _item(self, row: Any, told: datetime | None) -> dict[str, Any]:
        return {
            "invoice_id": plain(row.id),
            "number": row.number or "",
            "customer": row.customer or "",
            "amount": row.total_amount - row.paid_amount,
            "currency": row.currency,
            "due_date": f"{row.due_date}",
            "days_overdue": (self.day - row.due_date).days,
            "new": told is None or (row.overdue_since is not None and row.overdue_since > told),
        }


def _counts(ends: Counter[str]) -> Counts:
    told, nobody = ends[TOLD], ends[NOBODY]
    also = {NOBODY: nobody} if nobody else {}
    picked = ends.total()
    return Counts(picked, told, told, also, poison=ends[REFUSED], told_before=ends[BEFORE])


def _totals(items: Sequence[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    """What is due, by currency."""
    for currency in sorted({item["currency"] for item in items}):
        yield currency, sum(item["amount"] for item in items if item["currency"] == currency)


def plain(key: Any) -> int | str:
    """An id as a payload has it."""
    return key if isinstance(key, int) else str(key)
