"""How a window's rows are found on a filled table: from the index on the time column, never by reading all of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sexton import rolled_up
from sexton.db.render import for_driver, render
from sexton.statements.batch_strategy import Request, parameters
from sexton.statements.rollup_windows import RollupStatements, Window
from tests.support.sales import Sales, at, open_sales

from .test_plans import nodes

WINDOW = Window(at("2026-03-01 00:00"), at("2026-03-02 00:00"))
FILL = {
    "postgresql": "INSERT INTO orders (created_at, currency, total_minor, updated_at)"
    " SELECT made, 'C' || n % 5, n, made FROM (SELECT n, timestamptz '2026-01-01Z' + n * interval '3 min' AS made"
    " FROM generate_series(1, 40000) n) AS rows",
    "sqlite": "INSERT INTO orders (created_at, currency, total_minor, updated_at)"
    " SELECT made, 'C' || n % 5, n, made FROM (WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s"
    " WHERE n < 5000) SELECT n, strftime('%Y-%m-%d %H:%M:%f', '2026-01-01', 24 * n || ' minutes') || '000' AS made"
    " FROM s)",
}


def asked(shop: Sales) -> dict[str, Any]:
    """The statements that read orders."""
    rule = shop.policy(changed_at=shop.orders.c.updated_at).plan().rollup
    assert rule is not None
    found = RollupStatements(shop.engine.dialect.name, rule)
    asked: dict[str, Any] = {
        "dry run": found.preview(True),
        "oldest": found.oldest_row(),
        "next": found.first_row(),
        "changed": found.first_changed_row(),
    }
    if shop.engine.dialect.name == "postgresql":
        asked |= {"window": found.write(False, False), "window that was told": found.write(True, True)}
    return asked


def test_windows_start_at_the_index_on_their_time(engine: Engine) -> None:
    shop = open_sales(engine)
    with engine.begin() as connection:
        connection.execute(text(FILL[engine.dialect.name]))
        connection.execute(text("ANALYZE"))
    request = Request(0, None, at("2026-03-02 01:00"), "job", 1)

    whole = {}
    for name, statement in asked(shop).items():
        more = {**WINDOW.values(), "sexton_since": WINDOW.end - timedelta(hours=1)}
        sql = render(statement, engine.dialect, values=parameters(statement, request, **more))
        whole[name] = reads_whole(engine, sql)

    assert [name for name, read in whole.items() if read] == []


def reads_whole(engine: Engine, sql: str) -> bool:
    """Whether orders are read from end to end."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            rows = connection.exec_driver_sql(for_driver(f"EXPLAIN QUERY PLAN {sql}", engine.dialect)).all()
            return not any("USING" in row[3] and "orders" in row[3] for row in rows)
        found = connection.exec_driver_sql(for_driver(f"EXPLAIN (FORMAT JSON) {sql}", engine.dialect)).scalar_one()
    scans = [node["Node Type"] for node, _ in nodes(found[0]["Plan"]) if node.get("Relation Name") == "orders"]
    return not scans or "Seq Scan" in scans


@pytest.mark.databases("postgres")
def test_a_purge_that_waits_for_a_seal_starts_at_the_index_too(engine: Engine) -> None:
    """The mark is asked once for the statement, and not for each row."""
    shop = open_sales(engine)
    with engine.begin() as connection:
        connection.execute(text(FILL["postgresql"]))
        connection.execute(text("ANALYZE"))
    orders = shop.orders.c
    waits = shop.orders.select().where(rolled_up(orders.created_at, "job", "step")).order_by(orders.created_at).limit(9)

    assert not reads_whole(engine, render(waits, engine.dialect))
