"""How PostgreSQL plans the storefront's batches and questions on filled tables: from an index on their own table."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, select

from sexton.db.render import for_driver
from sexton.packs.storefront import pack
from sexton.packs.storefront.stock import held_pieces
from tests.support.market import NOW, at
from tests.support.storefront import open_storefront

from .test_plans import complaint, explained, nodes, partial_indexes
from .texts import plans, statements

pytestmark = [pytest.mark.databases("postgres"), pytest.mark.slow]

FILL = """
INSERT INTO users SELECT n, 'u', 'U', n % 50 > 0, NULL, timestamptz '2026-06-15 04:00Z' - (30000 - n) * interval '3 min'
    FROM generate_series(1, 30000) n;
INSERT INTO products SELECT n, 'P', 100, true, NULL, NULL FROM generate_series(1, 2000) n;
INSERT INTO orders SELECT n, 'N', n % 30000 + 1, 'DELIVERED', 1, 'INR', NULL,
    timestamptz '2026-06-15 04:00Z' - (30000 - n) * interval '5 min' FROM generate_series(1, 30000) n;
INSERT INTO inventory_locks SELECT n, n % 2000 + 1, n % 30000 + 1, 1,
    timestamptz '2026-06-15 04:00Z' + (n - 300) * interval '1 min' FROM generate_series(1, 30000) n;
INSERT INTO payments SELECT n, n, 'o' || n, NULL, CASE WHEN n > 29900 THEN 'PENDING' ELSE 'CAPTURED' END, NULL, 1,
    'INR', 0, NULL, timestamptz '2026-06-15 04:00Z' - (30000 - n) * interval '5 min' FROM generate_series(1, 30000) n;
INSERT INTO notifications SELECT n, n % 30000 + 1, 'T', '', '', '{}', n % 2 = 0,
    timestamptz '2026-05-16 04:00Z' + (n - 100) * interval '1 min' FROM generate_series(1, 40000) n;
INSERT INTO password_resets SELECT n, n % 30000 + 1, timestamptz '2026-06-14 04:00Z' + (n - 100) * interval '1 min',
    CASE WHEN n % 300 = 0 THEN timestamptz '2026-06-01Z' END FROM generate_series(1, 30000) n;
ANALYZE;
"""

ALL_ROWS = {"check_low_stock.recovered", "check_low_stock.low"}
"""Steps that look at every product: what is free follows from the holds, which no index of products knows."""


def test_every_batch_of_the_storefront_starts_at_an_index(engine: Engine) -> None:
    """ORA-BP.4: otherwise each would read the whole table; and so does the question about a product's holds."""
    shop = open_storefront(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(for_driver(FILL, connection.dialect))

    partial, complaints = partial_indexes(engine), {}
    for name, plan in plans("postgresql", pack):
        for title, statement in statements(plan):
            root = explained(engine, statement)
            found = complaint(root, plan.table.name, partial=partial, sweeps=name in ALL_ROWS)
            if found:
                complaints[f"{name}, {title}"] = found
    holds = explained(engine, one_product(shop))

    assert complaints == {}
    assert [node for node, _ in nodes(holds) if node["Node Type"] == "Seq Scan"] == []


def one_product(shop: Any) -> Any:
    """What a checkout asks."""
    held = held_pieces(shop.own, shop.options, at(NOW))
    return select(held).select_from(shop.own.products).where(shop.own.products.c.id == 7)
