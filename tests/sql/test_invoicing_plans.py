"""How PostgreSQL plans the invoicing pack's batches and questions on filled tables: from an index of their table."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine, event

from sexton.db.render import for_driver
from sexton.packs.invoicing import pack
from sexton.runs.runner import planned
from tests.support.billing import Billing, open_billing
from tests.support.market import NOW, at

from .calls import claiming
from .test_call_plans import planned as claim_plan
from .test_plans import complaint, explained, nodes, partial_indexes
from .texts import plans, statements

pytestmark = [pytest.mark.databases("postgres"), pytest.mark.slow]

FILL = """
INSERT INTO businesses (id, name, owner_email, overdue_digest_at)
    SELECT n, 'B', 'b@example.org', timestamptz '2026-06-14 03:00Z' FROM generate_series(1, 2000) n;
INSERT INTO invoices (id, business_id, status, version, due_date, currency, vat_amount, total_amount, paid_amount,
        is_overdue, overdue_since, updated_at)
    SELECT n, n % 2000 + 1, CASE WHEN n % 100 = 0 THEN 'sent' WHEN n % 100 = 1 THEN 'draft' ELSE 'paid' END, 1,
        date '2026-06-01' + n % 60, 'ILS', 0, 100, 0, n % 400 = 0,
        CASE WHEN n % 400 = 0 THEN timestamptz '2026-06-02Z' END,
        timestamptz '2026-06-15 04:00Z' - (100000 - n) * interval '1 min'
    FROM generate_series(1, 100000) n;
INSERT INTO invoice_items (invoice_id, description, quantity, unit_price)
    SELECT n, 'Work', 1, 1 FROM generate_series(1, 100000) n;
INSERT INTO deleted_drafts (invoice_id, business_id, deleted_at, counted_at)
    SELECT n, n % 2000 + 1, made, made
        FROM (SELECT n, timestamptz '2026-05-16 04:00Z' + (n - 50) * interval '1 min' AS made
        FROM generate_series(1, 30000) n) AS deleted;
INSERT INTO sessions SELECT 's' || n, 'u', timestamptz '2026-06-15 04:00Z' + (n - 100) * interval '1 min'
    FROM generate_series(1, 30000) n;
INSERT INTO business_shaam_credentials (business_id, access_token, refresh_token, refresh_token_hash, token_key,
        token_expires_at)
    SELECT n, 'a', 'r', 'h', 'k', timestamptz '2026-06-15 04:00Z' + (n - 20) * interval '1 min'
    FROM generate_series(1, 2000) n;
ANALYZE;
"""


AFTER: dict[str, tuple[Any, ...]] = {
    "flag_overdue.set": ("2026-05-01", 1),
    "flag_overdue.reset": (1, 1),
    "clean_sessions.expired": (at("2026-05-01"), "s1"),
}
"""The row before a batch, where its order is not that of a time and a number."""


@pytest.fixture
def desk(engine: Engine) -> Billing:
    """Filled tables, of which little is due."""
    desk = open_billing(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(for_driver(FILL, connection.dialect))
    return desk


def test_every_batch_of_invoicing_starts_at_an_index(desk: Billing) -> None:
    """T2.3, T3.2, T4.2: otherwise each would read the whole table."""
    partial, complaints = partial_indexes(desk.engine), {}
    for name, plan in plans("postgresql", pack):
        for title, statement in statements(plan):
            found = complaint(
                explained(desk.engine, statement, AFTER.get(name, ())), plan.table.name, partial=partial, sweeps=False
            )
            if found:
                complaints[f"{name}, {title}"] = found

    assert complaints == {}


def test_tokens_that_run_out_are_found_by_an_index(desk: Billing) -> None:
    """T5.2"""
    job = next(one for one in pack.jobs(desk.options, "postgresql") if one.name == "invoicing.refresh_tokens")
    (plan,) = planned(job)
    assert not callable(plan)

    root = claim_plan(desk.engine, claiming(plan, "postgresql")._build_pick(False))

    scans = {node["Node Type"] for node, _ in nodes(root) if node.get("Relation Name") == "business_shaam_credentials"}
    assert scans <= {"Index Scan", "Bitmap Heap Scan"}, scans


def test_the_digests_questions_never_read_all_invoices(desk: Billing) -> None:
    """T2.5: with a hundred thousand invoices: the planner's choice for what the step really asks."""
    asked: list[tuple[str, Any]] = []

    def look(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "FROM businesses" in statement or "FROM invoices" in statement:
            asked.append((statement, parameters))

    event.listen(desk.engine, "before_cursor_execute", look)
    desk.run("overdue", at=NOW)
    event.remove(desk.engine, "before_cursor_execute", look)

    selects = [(text, values) for text, values in asked if text.startswith("SELECT")]
    assert selects
    assert desk.digests()
    for text, values in selects:
        with desk.engine.connect() as connection:
            root = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {text}", values).scalar_one()[0]["Plan"]
        whole = [node for node, _ in nodes(root) if node.get("Relation Name") == "invoices"]
        assert [node["Node Type"] for node in whole if node["Node Type"] == "Seq Scan"] == [], text
    assert desk.digests()[0][1] == f"{date(2026, 6, 15)}"
