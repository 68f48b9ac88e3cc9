"""How PostgreSQL plans the ledger's batches and questions on filled tables: from an index on their own table."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, func, select

from sexton.db.render import for_driver
from sexton.packs.ledger import pack
from sexton.packs.ledger.operations import is_stuck
from sexton.policies.contract import Plan
from tests.support.accounts import Bank, open_bank
from tests.support.market import at

from .test_plans import complaint, explained, nodes, partial_indexes
from .texts import plans, statements

pytestmark = [pytest.mark.databases("postgres"), pytest.mark.slow]

FILL = """
INSERT INTO lots (id, account_id, expires_at, created_at) SELECT n, n % 500,
    CASE WHEN n % 10 > 0 THEN timestamptz '2026-06-15 04:00Z' + (n - 1000) * interval '10 min' END,
    timestamptz '2026-01-01Z' FROM generate_series(1, 30000) n;
INSERT INTO operations (id, account_id, status, opened_at, expires_at, closed_at)
    SELECT n, n % 500, CASE WHEN n > 29800 THEN 'open' ELSE 'completed' END, made, made + interval '15 min', made
    FROM (SELECT n, timestamptz '2026-06-15 04:00Z' - (30000 - n) * interval '1 min' AS made
          FROM generate_series(1, 30000) n) AS opened;
INSERT INTO entries (lot_id, type, amount, created_at) SELECT id, 'credit', 500, created_at FROM lots;
INSERT INTO holds (operation_id, lot_id, amount) SELECT id, id, 20 FROM operations;
INSERT INTO entries (lot_id, operation_id, type, amount, created_at)
    SELECT lot_id, operation_id, 'hold', -amount, timestamptz '2026-06-01Z' FROM holds;
INSERT INTO entries (lot_id, type, amount, last_id, created_at)
    SELECT id, 'expiry', -480, id, timestamptz '2026-06-14Z' FROM lots WHERE id <= 900 AND expires_at IS NOT NULL;
INSERT INTO idempotency_keys SELECT 'k' || n, CASE WHEN n % 1000 = 0 THEN 'in_progress' ELSE 'completed' END, made,
    CASE WHEN n % 1000 > 0 THEN made END
    FROM (SELECT n, timestamptz '2026-06-08 04:00Z' + (n - 300) * interval '20 s' AS made
          FROM generate_series(1, 30000) n) AS begun;
VACUUM ANALYZE;
"""


@pytest.fixture
def full(engine: Engine) -> Bank:
    """Tables with 30,000 rows each, few of which are due."""
    bank = open_bank(engine)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in FILL.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(for_driver(statement, connection.dialect))
    return bank


def test_pgc_5_every_batch_of_the_ledger_starts_at_an_index(full: Bank) -> None:
    """PGC-5: otherwise each would read the whole table."""
    partial, complaints = partial_indexes(full.engine), {}
    for name, plan in plans("postgresql", pack):
        for title, statement in statements(plan):
            first = (at("2026-05-01"), "k1" if plan.table.name == "idempotency_keys" else 1)
            root = explained(full.engine, statement, after=first)
            found = complaint(root, plan.table.name, partial=partial, sweeps=False)
            if found:
                complaints[f"{name}, {title}"] = found

    assert complaints == {}


def test_pgc_5_what_is_left_of_a_lot_is_read_from_an_index_alone(full: Bank) -> None:
    """PGC-5: asked about each lot past its time, and by nobody of the whole table of entries."""
    plan = plan_of("expire_lots.expire")
    lock, _ = (statement for _, statement in statements(plan))

    reads = [node for node, _ in nodes(explained(full.engine, lock)) if node.get("Relation Name") == "entries"]

    assert [(node["Node Type"], node["Index Name"]) for node in reads] == [
        ("Index Only Scan", "entries_lot_id_id_amount")
    ]


def test_pgc_5_what_spenders_ask_starts_at_an_index(full: Bank) -> None:
    """PGC-5: the lots of an account, what is left of them, keys that are stuck."""
    lots, entries, keys = full.own.lots.c, full.own.entries.c, full.own.idempotency_keys
    of_account = select(lots.id).where(lots.account_id == 7, lots.expires_at >= at("2026-06-15 04:00"))
    left = select(func.sum(entries.amount)).where(entries.lot_id == 7)
    stuck = select(func.count()).select_from(keys).where(is_stuck(full.own, at("2026-06-15 03:00")))

    for asked in (of_account, left, stuck):
        whole = [node for node, _ in nodes(explained(full.engine, asked)) if node["Node Type"] == "Seq Scan"]
        assert whole == [], str(asked)


def plan_of(name: str) -> Plan:
    """A step of the pack."""
    return dict(plans("postgresql", pack))[name]
