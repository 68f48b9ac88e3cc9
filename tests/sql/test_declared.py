"""What policies of a settings file execute is text to review, works as it stands, and goes by the index."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from sexton.db.render import for_driver
from sexton.runs.preflight import preflight
from sexton.statements.postgresql_batch import CteBatches

from .declared import POLICIES, declared_texts, make_tables, plans_of, there
from .test_plans import explained
from .test_texts import MEND

FILL = """
INSERT INTO shops SELECT n, 'Europe/Berlin' FROM generate_series(1, 100) n;
INSERT INTO orders SELECT n, n % 100, 'done', 'a@b.c', timestamptz '2026-06-15Z' - n * interval '1 min',
    date '2026-06-20' - n / 1000, NULL, 1 FROM generate_series(1, 150000) n;
INSERT INTO items SELECT n, n FROM generate_series(1, 150000) n;
INSERT INTO notes SELECT n, n FROM generate_series(1, 150000) n;
INSERT INTO payments SELECT n, n FROM generate_series(1, 1000) n;
CREATE INDEX ON items (order_id);
CREATE INDEX ON notes (item_id);
CREATE INDEX ON payments (order_id);
ANALYZE
"""

SERVED = ("purge", "purge_with_children", "purge_unless_refused", "purge_by_months_with_sql", "purge_in_zones")


@pytest.mark.databases("sqlite", "postgres15")
def test_every_file_holds_what_runs(engine: Engine, database: str) -> None:
    make_tables(engine)

    wanted = declared_texts(engine, database)

    assert there(engine.dialect.name) == wanted, MEND
    assert len(wanted) == len(POLICIES)


def test_every_statement_works_here(engine: Engine, database: str) -> None:
    make_tables(engine)

    preflight(engine, "policies", [plan for _, plan in plans_of(engine, database)])


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize("name", [*SERVED, "transition", "warn"])
@pytest.mark.slow
def test_batches_start_at_an_index_of_a_filled_table(name: str, engine: Engine, database: str) -> None:
    make_tables(engine)
    with engine.begin() as connection:
        for statement in FILL.split(";"):
            connection.exec_driver_sql(for_driver(statement, connection.dialect))
    plan = dict(plans_of(engine, database))[name]
    for batch in CteBatches(plan).statements():
        scans = list(_scans(explained(engine, batch), "orders"))
        assert scans, "the table is read"
        assert "Seq Scan" not in scans


def _scans(node: dict[str, Any], table: str) -> Any:
    if node.get("Relation Name") == table:
        yield node["Node Type"]
    for below in node.get("Plans", ()):
        yield from _scans(below, table)
