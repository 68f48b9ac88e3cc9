"""A marketplace to look at: stores, licences with media, orders with stock, notifications, outbox, dates around now.

Made from a fixed seed, so that two demonstrations tell the same story. Edge cases are among the rows: dates exactly
on a boundary, media shared by two licences, orders kept alive by a payment, stock that has drifted.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Engine, Table, insert

from sexton import Demonstration, own_outbox

from .options import Options
from .tables import Tables, tables

DemoRow = dict[str, Any]
DAY = timedelta(days=1)


def demonstration() -> Demonstration:
    """What is deleted today must have been on record for a day: so the jobs ran before."""
    return Demonstration(seed, "licenses", earlier=True)


def seed(engine: Engine, now: datetime, scale: int = 1) -> dict[str, int]:
    """Create the marketplace's tables and rows; rows by table. scale: that many times as many rows."""
    own = tables(Options())
    random = Random(136)
    rows: dict[Table, list[DemoRow]] = {}
    _stores(own, rows, random, 120 * scale)
    _licences(own, rows, random, now)
    _orders(own, rows, random, now, 600 * scale)
    _notifications(own, rows, random, now, 2000 * scale)
    outbox = own_outbox(engine.dialect.name).table
    rows[outbox] = _outbox(random, now, 500 * scale)
    with engine.begin() as connection:
        own.metadata.create_all(connection)
        for table in own.metadata.sorted_tables:
            if rows.get(table):
                connection.execute(insert(table), rows[table])
        connection.execute(insert(outbox), rows[outbox])
    return {("outbox" if table is outbox else table.name): len(made) for table, made in rows.items()}


def _stores(own: Tables, rows: dict[Table, list[DemoRow]], random: Random, count: int) -> None:
    first = ("North", "Old", "Green", "Quiet", "Silver", "Corner", "Harbour", "Hill")
    second = ("Bakery", "Cellar", "Pharmacy", "Forge", "Orchard", "Press", "Workshop", "Market")
    rows[own.stores] = [
        {
            "id": number,
            "vendor_id": 1000 + number,
            "name": f"{random.choice(first)} {random.choice(second)} {number}",
            "kyc_status": "pending" if number % 17 == 0 else "verified",
        }
        for number in range(1, count + 1)
    ]


def _licences(own: Tables, rows: dict[Table, list[DemoRow]], random: Random, now: datetime) -> None:
    licences = rows[own.licenses] = []
    media, attachments = rows.setdefault(own.media, []), rows.setdefault(own.media_attachments, [])
    for store in rows[own.stores]:
        for expires_at in _licence_dates(random, now, store["id"]):
            number = len(licences) + 1
            long_gone = expires_at < now - 31 * DAY
            licences.append(
                {
                    "id": number,
                    "store_id": store["id"],
                    "status": "expired" if long_gone and number % 2 else "verified",
                    "expires_at": expires_at,
                    "created_at": min(expires_at, now) - random.randint(100, 600) * DAY,
                }
            )
            if number % 9 and media:
                media.append(_file(len(media) + 1, f"licences/{number}.pdf", now - 100 * DAY))
            elif not media:
                media.append(_file(1, "licences/1.pdf", now - 100 * DAY))
            attachments.append(
                {  # every ninth licence shares the file of the one before
                    "id": len(attachments) + 1,
                    "media_id": len(media),
                    "entity_type": "license",
                    "entity_id": number,
                }
            )


def _licence_dates(random: Random, now: datetime, store: int) -> list[datetime]:
    """One to three expiry dates a store; a few lie exactly on a boundary."""
    special = {
        1: [now + 14 * DAY],
        2: [now],
        3: [now - 30 * DAY],
        4: [now - 40 * DAY],
        5: [now + 14 * DAY + DAY / 24],
    }
    if store in special:
        return special[store]
    return [now + timedelta(hours=random.randint(-60 * 24, 200 * 24)) for _ in range(random.randint(1, 3))]


def _file(number: int, key: str, created_at: datetime) -> DemoRow:
    return {"id": number, "storage_key": key, "created_at": created_at}


def _orders(own: Tables, rows: dict[Table, list[DemoRow]], random: Random, now: datetime, count: int) -> None:
    parents, children, items, payments = [], [], [], []  # type: list[DemoRow], list[DemoRow], list[DemoRow], list[DemoRow]
    reserved: dict[int, int] = dict.fromkeys(range(1, 151), 0)
    for number in range(1, count + 1):
        pending = random.random() < 0.55
        parents.append({"id": number, "buyer_id": 5000 + number % 97, "status": "pending" if pending else "paid"})
        created = now - timedelta(minutes=random.randint(0, 20 * 24 * 60))
        if number <= 3:
            created = now - (5, 10, 11)[number - 1] * DAY
        for _ in range(random.randint(1, 2)):
            child = len(children) + 1
            store, status = random.randint(1, 120), parents[-1]["status"]
            children.append(
                {"id": child, "order_id": number, "store_id": store, "status": status, "created_at": created}
            )
            for product in random.sample(range(1, 150), random.randint(1, 3)):
                quantity = random.randint(1, 4)
                items.append(
                    {
                        "id": len(items) + 1,
                        "vendor_order_id": child,
                        "product_id": product,
                        "quantity": quantity,
                    }
                )
                reserved[product] += quantity if status == "pending" else 0
        if number % 10 == 0 or not pending:
            state = "captured" if not pending else random.choice(["failed", "processing"])
            payments.append({"id": len(payments) + 1, "order_id": number, "status": state})
    rows[own.orders], rows[own.vendor_orders] = parents, children
    rows[own.order_items], rows[own.payments] = items, payments
    rows[own.inventory] = [
        {"product_id": product, "available": random.randint(0, 500), "reserved": pieces}
        for product, pieces in reserved.items()
    ]
    _drift(own, rows, now)


def _drift(own: Tables, rows: dict[Table, list[DemoRow]], now: datetime) -> None:
    """One old order holds more pieces than its product has reserved: it will be set aside, not clamped."""
    order = len(rows[own.orders]) + 1
    child, item = len(rows[own.vendor_orders]) + 1, len(rows[own.order_items]) + 1
    created = now - 12 * DAY
    rows[own.orders].append({"id": order, "buyer_id": 5001, "status": "pending"})
    rows[own.vendor_orders].append(
        {"id": child, "order_id": order, "store_id": 7, "status": "pending", "created_at": created}
    )
    rows[own.order_items].append({"id": item, "vendor_order_id": child, "product_id": 150, "quantity": 3})


def _notifications(own: Tables, rows: dict[Table, list[DemoRow]], random: Random, now: datetime, count: int) -> None:
    made = []
    for number in range(1, count + 1):
        created = now - timedelta(minutes=random.randint(0, 70 * 24 * 60))
        if number == 1:
            created = now - 30 * DAY
        read = created + timedelta(hours=5) if random.random() < 0.7 else None
        made.append({"id": number, "user_id": 5000 + number % 97, "read_at": read, "created_at": created})
    rows[own.notifications] = made


def _outbox(random: Random, now: datetime, count: int) -> list[DemoRow]:
    made = []
    for number in range(1, count + 1):
        created = now - timedelta(minutes=random.randint(0, 60 * 24 * 60))
        dead = number % 25 == 0
        made.append(
            {
                "key": f"shop:{number}",
                "event_type": "order_paid",
                "recipient": str(1000 + number % 120),
                "payload": {"order_id": number},
                "created_at": created,
                "published_at": None if dead or number % 40 == 1 else created + timedelta(seconds=3),
                "attempt_count": 5 if dead else 1,
                "last_attempted_at": created + timedelta(hours=1),
            }
        )
    return made
