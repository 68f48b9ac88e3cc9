"""Orders that expire: the tables, the job (stock given back, two messages an order), and the one giant transaction."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from sqlalchemy import BigInteger, Column, ColumnElement, Integer, MetaData, Select, Table, Text, func, select

from sexton.db.column_types import BigKey, UtcDateTime
from sexton.db.connect import open_database
from sexton.db.ledger import text_key
from sexton.jobs.job import Job
from sexton.policies.contract import Change, Found, Message, Rows
from sexton.policies.transition import Transition
from sexton.testing import postgres, run_job

from .events import Measured
from .server import connect, create_template, wal_position

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
CUTOFF = AS_OF - timedelta(days=10)
ITEMS = 10_000

_METADATA = MetaData()
ORDERS = Table(
    "vendor_orders",
    _METADATA,
    Column("id", BigKey, primary_key=True),
    Column("buyer_id", BigInteger),
    Column("vendor_id", BigInteger),
    Column("status", Text),
    Column("total_cents", BigInteger),
    Column("created_at", UtcDateTime),
    Column("updated_at", UtcDateTime),
)
ORDER_ITEMS = Table(
    "order_items",
    _METADATA,
    Column("id", BigKey, primary_key=True),
    Column("vendor_order_id", BigInteger),
    Column("product_id", BigInteger),
    Column("quantity", Integer),
)
INVENTORY = Table(
    "inventory",
    _METADATA,
    Column("product_id", BigKey, primary_key=True),
    Column("available", BigInteger),
    Column("reserved", BigInteger),
)

_FILL = """
CREATE TABLE vendor_orders (id bigint PRIMARY KEY, buyer_id bigint NOT NULL, vendor_id bigint NOT NULL,
    status text NOT NULL, total_cents bigint NOT NULL,
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);
CREATE TABLE order_items (id bigint PRIMARY KEY, vendor_order_id bigint NOT NULL REFERENCES vendor_orders,
    product_id bigint NOT NULL, quantity int NOT NULL);
CREATE TABLE inventory (product_id bigint PRIMARY KEY, available bigint NOT NULL,
    reserved bigint NOT NULL CHECK (reserved >= 0)) WITH (fillfactor = 50);
INSERT INTO vendor_orders
    SELECT i, i % 50021, i % 997, 'pending', 100 + i % 9000, at, at
    FROM generate_series(1, {rows}) i, LATERAL (SELECT timestamptz '{cutoff}' - interval '1 second'
        + (i - {due}) * interval '1 second' AS at) t;
INSERT INTO order_items SELECT i, i, 1 + (i::bigint * 7919) % {items}, 1 + i % 3 FROM generate_series(1, {rows}) i;
INSERT INTO inventory SELECT i, 1000, 1000000 FROM generate_series(1, {items}) i;
CREATE INDEX vendor_orders_pending ON vendor_orders (status, created_at, id);
CREATE INDEX vendor_orders_buyer ON vendor_orders (buyer_id);
CREATE INDEX order_items_order ON order_items (vendor_order_id)
"""

GIANT = """
WITH picked AS (
    UPDATE vendor_orders SET status = 'expired', updated_at = %(now)s
    WHERE status = 'pending' AND created_at < %(cutoff)s RETURNING id, buyer_id, vendor_id, total_cents, created_at),
quantities AS (
    SELECT i.product_id, sum(i.quantity) AS quantity FROM order_items i JOIN picked p ON p.id = i.vendor_order_id
    GROUP BY i.product_id),
released AS (
    UPDATE inventory v SET reserved = v.reserved - q.quantity FROM quantities q WHERE q.product_id = v.product_id),
facts AS (
    SELECT 0 AS part, 'order_expired:' || id || ':buyer' AS key, id, buyer_id AS recipient, total_cents, created_at
    FROM picked
    UNION ALL SELECT 1, 'order_expired:' || id || ':vendor', id, vendor_id, total_cents, created_at FROM picked),
told AS (
    INSERT INTO sexton.effects (key, job, subject, run_id, created_at)
    SELECT key, 'giant', id::text, 1, %(now)s FROM facts ON CONFLICT (key) DO NOTHING RETURNING key)
INSERT INTO sexton.outbox_events (key, event_type, recipient, payload, created_at)
SELECT f.key, 'order_expired', f.recipient::text,
    jsonb_build_object('order', f.id, 'total_cents', f.total_cents, 'created_at', f.created_at), %(now)s
FROM facts f JOIN told USING (key)
"""


def fill_orders(server: postgres.Server, name: str, rows: int) -> str:
    """A template database with `rows` pending orders of one item each, half of them due. Its name."""
    url = create_template(server, name)
    script = _FILL.format(cutoff=CUTOFF.isoformat(), due=rows // 2, rows=rows, items=ITEMS)
    with connect(url) as connection:
        for statement in script.split(";"):
            connection.execute(statement.encode())
        connection.execute("VACUUM ANALYZE")
    return name


def giant(url: str) -> Measured:
    """Everything due in one set-based transaction, without locking first: the fastest form there is."""
    with connect(url) as connection:
        position = wal_position(url)
        began = time.perf_counter()
        with connection.transaction():
            messages = connection.execute(GIANT, {"now": AS_OF, "cutoff": CUTOFF}).rowcount
        seconds = time.perf_counter() - began
    return Measured(seconds, messages // 2, wal_position(url) - position)


def expiry(*, lock_first: bool, keep: str = "10d") -> Transition:
    """The policy under test."""
    return Transition(
        ORDERS,
        {"status": "expired", "updated_at": AS_OF},
        ORDERS.c.status == "pending",
        by=ORDERS.c.created_at,
        keep=keep,
        found=(Found("stock", _stock, lock=INVENTORY),),
        changes=(Change.update("inventory", INVENTORY, _is_stock, _given_back, counted=False),),
        tell=(_message("buyer", ORDERS.c.buyer_id), _message("vendor", ORDERS.c.vendor_id)),
        lock_first=lock_first,
    )


def _message(whom: str, recipient: Column[int]) -> Message:
    payload = {"order": ORDERS.c.id, "total_cents": ORDERS.c.total_cents, "created_at": ORDERS.c.created_at}
    return Message("order_expired", key=text_key("order_expired", ORDERS.c.id, whom), to=recipient, payload=payload)


def _stock(rows: Rows) -> Select[tuple[int, int]]:
    """Pieces to give back by product, in product order, so that two who release stock cannot wait for each other."""
    items = ORDER_ITEMS.join(rows["picked"], rows["picked"].c.id == ORDER_ITEMS.c.vendor_order_id)
    total = func.sum(ORDER_ITEMS.c.quantity).label("quantity")
    sums = (
        select(ORDER_ITEMS.c.product_id, total).select_from(items).group_by(ORDER_ITEMS.c.product_id).subquery("sums")
    )
    joined = INVENTORY.join(sums, sums.c.product_id == INVENTORY.c.product_id)
    return select(INVENTORY.c.product_id, sums.c.quantity).select_from(joined).order_by(INVENTORY.c.product_id)


def _is_stock(rows: Rows) -> ColumnElement[bool]:
    return INVENTORY.c.product_id == rows["stock"].c.product_id


def _given_back(rows: Rows) -> dict[str, object]:
    return {"reserved": INVENTORY.c.reserved - rows["stock"].c.quantity}


def our_expiry(url: str, *, lock_first: bool) -> Measured:
    """The same through a run, after one that found nothing."""
    engine = open_database(url)
    marks: list[tuple[float, int]] = []
    try:
        run_job(
            engine,
            Job("benchmark.expire", work=expiry(lock_first=lock_first, keep="3000d"), timeout="1h", guard=None),
            at=AS_OF,
        )
        position = wal_position(url)
        job = Job("benchmark.expire", work=expiry(lock_first=lock_first), timeout="1h", guard=None)
        began = time.perf_counter()
        outcome = run_job(
            engine,
            job,
            at=AS_OF,
            watch=lambda step, counts: marks.append((time.perf_counter(), counts.changed)),
        )
        seconds = time.perf_counter() - began
    finally:
        engine.dispose()
    assert outcome.state == "succeeded", outcome
    batches = [(later - earlier, done - before) for (earlier, before), (later, done) in pairwise(marks)]
    return Measured(seconds, outcome.total.changed, wal_position(url) - position, marks[0][0] - began, batches)
