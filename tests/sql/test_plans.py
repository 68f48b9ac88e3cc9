"""How PostgreSQL plans the batches on filled tables with few rows due: from an index on the rows' own table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from sexton.db.render import for_driver, render
from sexton.db.time_parameters import parse_instant_name
from sexton.statements.batch_strategy import Request, parameters
from tests.support.market import NOW, at, open_market

from .texts import plans, statements

pytestmark = [pytest.mark.databases("postgres"), pytest.mark.slow]

FILL = """
INSERT INTO stores SELECT n, n, 'Store', 'verified' FROM generate_series(1, 10000) n;
INSERT INTO licenses SELECT n, n % 10000 + 1, CASE WHEN n <= 300 THEN 'expired' ELSE 'verified' END,
    timestamptz '2026-06-15 04:00Z' + (n - 320) * interval '3 hours', timestamptz '2025-01-01'
    FROM generate_series(1, 30000) n;
INSERT INTO sexton.effects SELECT 'license_expired:' || id, 'job', id::text, 1, expires_at FROM licenses
    WHERE status = 'expired';
INSERT INTO sexton.effects SELECT 'other:' || n, 'job', n::text, 1, timestamptz '2026-01-01Z'
    FROM generate_series(1, 30000) n;
INSERT INTO media SELECT n, 'file', timestamptz '2026-01-01Z' FROM generate_series(1, 30000) n;
INSERT INTO media_attachments SELECT n, n, 'license', n FROM generate_series(1, 30000) n;
INSERT INTO orders SELECT n, n, CASE WHEN n > 29600 THEN 'pending' WHEN n % 20 = 0 THEN 'expired' ELSE 'paid' END
    FROM generate_series(1, 30000) n;
INSERT INTO vendor_orders SELECT id, id, 7, status, timestamptz '2026-06-15 04:00Z' - (30000 - id) * interval '40 min'
    FROM orders;
INSERT INTO order_items SELECT n, n, n % 1000 + 1, 1 FROM generate_series(1, 30000) n;
INSERT INTO inventory SELECT n, 1000, 1000 FROM generate_series(1, 1000) n;
INSERT INTO payments SELECT id, id, CASE WHEN id % 3 = 0 THEN 'failed' ELSE 'captured' END FROM orders;
INSERT INTO notifications SELECT n, n, NULL, timestamptz '2026-05-16 04:00Z' + (n - 50) * interval '1 min'
    FROM generate_series(1, 40000) n;
INSERT INTO sexton.outbox_events (key, event_type, payload, created_at, published_at, attempt_count)
    SELECT 'k' || n, 'order_paid', '{}', made, CASE WHEN n % 200 > 0 THEN made END, 1 + 4 * (n % 200 = 0)::int
    FROM (SELECT n, timestamptz '2026-05-16 04:00Z' + (n - 400) * interval '1 min' AS made
          FROM generate_series(1, 40000) n) AS events;
ANALYZE;
"""

SWEEPS = {"expire_licences.revoke"}
"""Steps that are to look at every row of their table, for healing; they must do so in one pass."""


def explained(engine: Engine, statement: Any, after: tuple[Any, ...] = ()) -> dict[str, Any]:
    """The plan of a statement for a batch of 500 at NOW. after: the row before its first one."""
    first = after or (at("2026-05-01"), 1)
    request = Request(500, first, at(NOW), "job", 1)
    values = parameters(statement, request, sexton_upto_0=at(NOW), sexton_upto_1=first[1])

    def literal(name: str) -> str:
        value = values.get(name)
        if (meaning := parse_instant_name(name)) is not None:
            return f"CAST('{value}' AS {meaning[1].sql})"
        if hasattr(value, "isoformat"):
            return f"timestamptz '{value}'"
        return "'{1,2,3}'::bigint[]" if name == "sexton_among" else repr(value)

    sql = render(statement, engine.dialect, naming=literal)
    with engine.connect() as connection:
        found = connection.exec_driver_sql("EXPLAIN (FORMAT JSON) " + for_driver(sql, connection.dialect)).scalar_one()
    root: dict[str, Any] = found[0]["Plan"]
    return root


def nodes(node: dict[str, Any], inside: tuple[str, ...] = ()) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """All nodes of a plan, each with the kinds of node and the names of subplans that it stands below."""
    yield node, inside
    for child in node.get("Plans", ()):
        yield from nodes(child, (*inside, node["Node Type"], node.get("Subplan Name", "")))


def picking(root: dict[str, Any]) -> dict[str, Any]:
    """The part of a plan that finds the rows: the CTE "picked", or all of a statement that has none."""
    return next((node for node, _ in nodes(root) if node.get("Subplan Name") == "CTE picked"), root)


def complaint(root: dict[str, Any], table: str, *, partial: set[str], sweeps: bool) -> str | None:
    """What is wrong with the way in which the rows of `table` are found; `partial` indexes may be read whole."""
    scans = [
        (node, inside)
        for node, inside in nodes(picking(root))
        if node.get("Relation Name") == table and "Scan" in node["Node Type"]
    ]
    if not scans:
        return f"nothing reads {table}"
    for node, inside in scans:
        narrowed = "Index Cond" in node or "Recheck Cond" in node or node.get("Index Name") in partial
        once = sweeps and "Nested Loop" not in inside
        if not narrowed and not once:
            return f"{node['Node Type']} of {table}"
    return None


def partial_indexes(engine: Engine) -> set[str]:
    """Names of the indexes with a condition of their own."""
    with engine.connect() as connection:
        asked = "SELECT indexrelid::regclass::text FROM pg_index WHERE indpred IS NOT NULL"
        return {name.rpartition(".")[2] for (name,) in connection.exec_driver_sql(asked)}


def test_every_batch_starts_at_an_index_on_its_own_table(engine: Engine) -> None:
    """PF-139.3: otherwise each batch would read the whole table."""
    open_market(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(for_driver(FILL, connection.dialect))

    partial = partial_indexes(engine)
    complaints = {}
    for name, plan in plans("postgresql"):
        for title, statement in statements(plan):
            root = explained(engine, statement)
            found = complaint(root, plan.table.name, partial=partial, sweeps=name in SWEEPS)
            if found:
                complaints[f"{name}, {title}"] = found

    assert complaints == {}
