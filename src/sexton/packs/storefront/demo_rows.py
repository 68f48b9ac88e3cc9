"""A jeweller's shop to look at: customers, carts, orders of the last week, payments of which no webhook told.

Made from a fixed seed, so that two demonstrations tell the same story.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Table

from .demo_gateway import DemoGateway
from .tables import StorefrontTables

ShopRows = dict[Table, list[dict[str, Any]]]

HOUR = timedelta(hours=1)
ONE_DAY = 24 * HOUR
PRODUCTS = 24
CUSTOMERS = 60
FIRST_LATE_ORDER = 9001

LATE = (
    *("captured",) * 7,
    "authorized",
    "failed",
    "failed, then captured",
    "answer lost",
    "order cancelled",
    "sold out",
    "captured twice",
    "another amount",
)
"""What the gateway knows about the payments that wait, one each."""


def shop_rows(own: StorefrontTables, gateway: DemoGateway, now: datetime, scale: int) -> ShopRows:
    """All rows, in the order in which they can be inserted; what the gateway knows goes there."""
    random = Random(1)
    rows: ShopRows = {own.users: _users(random, now), own.products: _products(random)}
    rows[own.orders], rows[own.order_items] = _orders(random, now, 260 * scale)
    rows[own.payments], rows[own.inventory_locks] = [], []
    for place, story in enumerate(LATE):
        _late(own, rows, gateway, now, FIRST_LATE_ORDER + place, story)
    _carts(rows[own.inventory_locks], random, now, 80 * scale)
    rows[own.notifications] = _notifications(random, now, 400 * scale)
    rows[own.password_resets] = _resets(random, now, 60 * scale)
    return rows


def _users(random: Random, now: datetime) -> list[dict[str, Any]]:
    first = ("Asha", "Ravi", "Meera", "Kiran", "Divya", "Arjun", "Leela", "Nikhil", "Zara", "Omar")
    last = ("Rao", "Iyer", "Shah", "Khan", "Das", "Nair")
    return [
        {
            "id": number,
            "email": f"customer{number}@example.org",
            "name": f"{first[number % 10]} {last[number % 6]}",
            "is_verified": number <= CUSTOMERS,
            "verification_sent_at": now - 3 * ONE_DAY if number == CUSTOMERS + 1 else None,
            "created_at": now - random.randint(35, 300) * ONE_DAY,
        }
        for number in range(1, CUSTOMERS + 10)
    ]


def _products(random: Random) -> list[dict[str, Any]]:
    metal, kind = ("Gold", "Silver", "Rose gold", "Platinum"), ("ring", "bracelet", "necklace", "earrings", "pendant")
    return [
        {
            "id": number,
            "name": f"{metal[number % 4]} {kind[number % 5]} no. {number}",
            "stock": 0 if number == PRODUCTS else random.randint(2, 9) if number % 6 == 0 else random.randint(20, 90),
            "is_active": True,
        }
        for number in range(1, PRODUCTS + 1)
    ]


def _orders(random: Random, now: datetime, count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Orders of the last week, which are paid."""
    orders, items = [], []
    for number in range(1, count + 1):
        age = random.random() ** 1.3 * 7 * ONE_DAY
        orders.append(
            {
                "id": number,
                "order_number": f"ORA-{number:05}",
                "user_id": random.randint(1, CUSTOMERS),
                "status": "PROCESSING" if age < ONE_DAY else random.choice(["SHIPPED", "DELIVERED", "DELIVERED"]),
                "total_amount": random.randint(9, 160) * 10_000,
                "currency": "USD" if number % 29 == 0 else "INR",
                "created_at": now - age,
            }
        )
        items.append({"order_id": number, "product_id": random.randint(1, PRODUCTS - 1), "quantity": 1})
    return orders, items


def _late(own: StorefrontTables, rows: ShopRows, gateway: DemoGateway, now: datetime, number: int, story: str) -> None:
    """One order that is being paid, and what the gateway knows about that."""
    created = now - timedelta(minutes=25 + 13 * (number % 20))
    status = "CANCELLED" if story == "order cancelled" else "PENDING"
    product = PRODUCTS if story == "sold out" else number % (PRODUCTS - 1) + 1
    rows[own.orders].append(
        {
            "id": number,
            "order_number": f"ORA-{number:05}",
            "user_id": number % CUSTOMERS + 1,
            "status": status,
            "total_amount": 450_000,
            "currency": "INR",
            "created_at": created,
        }
    )
    rows[own.order_items].append({"order_id": number, "product_id": product, "quantity": 1})
    rows[own.payments].append(_payment(number, created))
    hold = {"id": number, "product_id": product, "order_id": number, "quantity": 1}
    rows[own.inventory_locks].append({**hold, "expires_at": created + timedelta(minutes=15)})
    gateway.payments[f"order_{number}"] = _known(number, story)
    if story == "answer lost":
        gateway.failing.add(f"order_{number}")


def _payment(number: int, created: datetime) -> dict[str, Any]:
    return {
        "id": number,
        "order_id": number,
        "gateway_order_id": f"order_{number}",
        "status": "PENDING",
        "amount": 450_000,
        "currency": "INR",
        "created_at": created,
    }


def _known(number: int, story: str) -> list[dict[str, Any]]:
    states: Sequence[str] = {
        "authorized": ("authorized",),
        "failed": ("failed",),
        "failed, then captured": ("failed", "captured"),
        "captured twice": ("captured", "captured"),
    }.get(story, ("captured",))
    amount = 45_000 if story == "another amount" else 450_000
    return [
        {
            "id": f"pay_{number}_{place}",
            "order_id": f"order_{number}",
            "status": state,
            "amount": amount,
            "currency": "INR",
        }
        for place, state in enumerate(states, start=1)
    ]


def _carts(holds: list[dict[str, Any]], random: Random, now: datetime, count: int) -> None:
    """Holds of carts without an order; most of them were left."""
    for number in range(1, count + 1):
        expires = now + timedelta(minutes=random.randint(-300, 15))
        product = random.randint(1, PRODUCTS - 1)
        row = {"id": number, "product_id": product, "order_id": None, "quantity": random.randint(1, 2)}
        holds.append({**row, "expires_at": expires})


def _notifications(random: Random, now: datetime, count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "user_id": random.randint(1, CUSTOMERS + 5),
            "type": "ORDER_DELIVERED",
            "title": "Order delivered",
            "message": "",
            "metadata": {},
            "is_read": random.random() < 0.6,
            "created_at": now - random.randint(0, 70) * ONE_DAY,
        }
        for number in range(1, count + 1)
    ]


def _resets(random: Random, now: datetime, count: int) -> list[dict[str, Any]]:
    rows = []
    for number in range(1, count + 1):
        expires = now + random.randint(-90, 2) * HOUR
        used = expires - HOUR if number % 3 == 0 and expires <= now else None
        rows.append({"id": number, "user_id": random.randint(1, CUSTOMERS), "expires_at": expires, "used_at": used})
    return rows
