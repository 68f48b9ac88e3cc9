"""Five businesses to look at: their customers, invoices, drafts, sessions and tokens.

Made from a fixed seed, so that two demonstrations tell the same story.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Table

from .tables import InvoicingTables

BusinessRows = dict[Table, list[dict[str, Any]]]

A_DAY = timedelta(days=1)
A_MINUTE = timedelta(minutes=1)

BUSINESSES = ("Galil Bakery", "Carmel Print & Sons", "Negev Solar", "Jaffa Ceramics", "Arava Dates")
CUSTOMERS_EACH = 6
INVOICES_EACH = 40
DRAFTS = (7, 4, 1, 0, 2)
"""Drafts of each business that nobody has touched for long."""

STORIES = {2: "refused", 4: "no answer"}
"""What happens when the token of a business is renewed; else it is."""

SERVICES = ("Consulting", "Delivery", "Maintenance", "Design", "Training", "Parts")


def business_rows(own: InvoicingTables, now: datetime, zone: str, scale: int) -> BusinessRows:
    """All rows, in the order in which they can be inserted."""
    random = Random(4)
    rows: BusinessRows = {own.businesses: _businesses(), own.customers: _customers()}
    rows[own.invoices], rows[own.invoice_items] = [], []
    today = now.astimezone(ZoneInfo(zone)).date()
    for business in range(1, len(BUSINESSES) + 1):
        for _ in range(INVOICES_EACH * scale):
            _add(own, rows, random, business, now, **_issued(random, today, now))
        for _ in range(DRAFTS[business - 1] * scale):
            _add(own, rows, random, business, now, status="draft", updated_at=now - random.randint(31, 90) * A_DAY)
        _add(own, rows, random, business, now, status="draft", updated_at=now - 2 * A_DAY)
    rows[own.sessions] = [
        {"id": f"s{number}", "user_id": "7", "expires_at": now + random.randint(-900, 300) * A_MINUTE}
        for number in range(300 * scale)
    ]
    rows[own.credentials] = [
        {"business_id": business, "token_expires_at": now + (5 if business < 5 else 55) * A_MINUTE}
        for business in range(1, len(BUSINESSES) + 1)
    ]
    return rows


def _businesses() -> list[dict[str, Any]]:
    return [
        {"id": number, "name": name, "tax_number": f"51400000{number}", "owner_email": f"owner{number}@example.org"}
        for number, name in enumerate(BUSINESSES, start=1)
    ]


def _customers() -> list[dict[str, Any]]:
    first, last = ("Dana", "Noam", "Yael", "Omar", "Maya", "Eitan"), ("Levi", "Cohen", "Haddad", "Mizrahi", "Katz")
    return [
        {
            "id": (business - 1) * CUSTOMERS_EACH + place + 1,
            "business_id": business,
            "name": f"{first[place]} {last[(business + place) % 5]}",
            "email": f"{first[place].lower()}{business}@example.org",
        }
        for business in range(1, len(BUSINESSES) + 1)
        for place in range(CUSTOMERS_EACH)
    ]


def _issued(random: Random, today: Any, now: datetime) -> dict[str, Any]:
    """An invoice of the last months. One that was paid since the last look still has its flag."""
    due = today + timedelta(days=random.randint(-60, 30))
    status = "paid" if random.random() < (0.85 if due < today else 0.2) else random.choice(["sent", "partially_paid"])
    flagged = status == "paid" and random.random() < 0.05
    row = {"due_date": due, "issue_date": due - timedelta(days=30), "status": status, "is_overdue": flagged}
    return {
        **row,
        "overdue_since": now - 3 * A_DAY if flagged else None,
        "updated_at": now - random.randint(1, 90) * A_DAY,
    }


def _add(own: InvoicingTables, rows: BusinessRows, random: Random, business: int, now: datetime, **more: Any) -> None:
    number = len(rows[own.invoices]) + 1
    price, pieces = random.randint(20, 400) * 1000, random.randint(1, 4)
    total = round(price * pieces * 1.18)
    paid = total if more["status"] == "paid" else total // 3 if more["status"] == "partially_paid" else 0
    row = {
        "id": number,
        "business_id": business,
        "customer_id": (business - 1) * CUSTOMERS_EACH + random.randint(1, CUSTOMERS_EACH),
        "number": None if more["status"] == "draft" else f"{business}-{number:04}",
        "issue_date": None,
        "due_date": None,
        "currency": "ILS",
        "vat_amount": total - price * pieces,
        "total_amount": total,
        "paid_amount": paid,
        "is_overdue": False,
        "overdue_since": None,
    }
    rows[own.invoices].append({**row, **more})
    item = {"invoice_id": number, "description": random.choice(SERVICES), "quantity": pieces, "unit_price": price}
    rows[own.invoice_items].append({"id": number, **item})
