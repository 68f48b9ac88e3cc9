"""How a claim finds its rows in a filled table: from an index, never through all rows, whoever keeps the calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sexton.db.render import for_driver, render
from sexton.db.time_parameters import parse_instant_name
from sexton.runs.calls.claiming import AFTER, WHO
from sexton.statements.batch_strategy import Request, parameters
from tests.support.payments import JOB, KEPT, STEP, make_payments
from tests.support.sessions import NOON

from .calls import call_plan, claiming
from .test_plans import nodes

pytestmark = [pytest.mark.databases("postgres"), pytest.mark.slow]

ROWS = 100_000

FILL = f"""
INSERT INTO payments (id, status, amount, created_at, shop, checks, call_status)
    SELECT n, CASE WHEN n % 10 = 0 THEN 'pending' ELSE 'paid' END, 100,
        timestamptz '2026-06-01Z' + n * interval '1 second', 'shop ' || n % 50, 1, 'waiting'
    FROM generate_series(1, {ROWS}) n;
INSERT INTO sexton.calls (job, step, subject, destination, attempts, state, next_at)
    SELECT '{JOB}', '{STEP}', n::text, 'shop', 1, 'waiting', timestamptz '2026-07-01Z'
    FROM generate_series(10, {ROWS} / 2, 10) n;
ANALYZE;
"""


def planned(engine: Engine, statement: Any, **more: Any) -> dict[str, Any]:
    """The plan of a statement with its values in it."""
    values = parameters(statement, Request(4, None, NOON, JOB, 1), **more)

    def literal(name: str) -> str:
        value = values[name]
        if (meaning := parse_instant_name(name)) is not None:
            return f"CAST('{value}' AS {meaning[1].sql})"
        return repr(value)

    sql = render(statement, engine.dialect, naming=literal)
    with engine.connect() as connection:
        root: dict[str, Any] = connection.execute(
            text("EXPLAIN (FORMAT JSON) " + sql.replace(":", "\\:"))
        ).scalar_one()[0]["Plan"]
    return root


def scans(root: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(table, index or kind of scan) of each scan in it."""
    for node, _ in nodes(root):
        if "Relation Name" in node:
            yield node["Relation Name"], node.get("Index Name", node["Node Type"])


@pytest.mark.parametrize("kept", KEPT)
def test_a_claim_reads_rows_from_an_index_in_their_order(engine: Engine, kept: str) -> None:
    shop = make_payments(engine, kept)
    with engine.begin() as connection:
        connection.exec_driver_sql(for_driver(FILL, connection.dialect))
    everyone = claiming(shop.call(print).plan(), "postgresql")
    by_shop = claiming(call_plan(shop), "postgresql")

    for root, index in (
        (planned(engine, everyone._build_pick(False)), "payments_created"),
        (planned(engine, by_shop._build_pick(False), **{WHO: "shop 30"}), "payments_shop"),
        (planned(engine, by_shop._build_list(), **{AFTER: "shop 1"}), "payments_shop"),
    ):
        found = dict.fromkeys(scans(root))
        assert {one for one in found if one[0] == "payments"} == {("payments", index)}, found
        assert ("calls", "Seq Scan") not in found, found
        assert "Sort" not in [node["Node Type"] for node, _ in nodes(root)]
