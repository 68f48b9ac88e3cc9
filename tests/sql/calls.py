"""Two steps that call, one whose calls Sexton keeps and one whose rows keep them, and their statements as text."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ClauseElement

from sexton import Done
from sexton.calls.claims_in_calls import InCalls
from sexton.calls.claims_in_rows import InRow
from sexton.db.connect import open_database
from sexton.policies.call_rule import CallColumns
from sexton.policies.contract import Plan
from sexton.runs.calls.claiming import Claiming
from sexton.statements.preview import preview_statement
from tests.support.payments import JOB, Payments, make_payments

from .texts import part

URLS = {"PostgreSQL": "postgresql+psycopg://", "SQLite": "sqlite://"}


def call_plan(shop: Payments) -> Plan:
    """Payments of many shops are asked about."""
    return shop.call(lambda _: Done(), destination=shop.table.c.shop, unchanged=[shop.table.c.amount]).plan()


def claiming(plan: Plan, dialect: str) -> Claiming:
    """What claims for it."""
    assert plan.call is not None
    columns = plan.call.state or CallColumns()
    return Claiming(plan, plan.call, InRow(plan, columns) if columns.whole else InCalls(plan, columns, JOB, dialect))


def call_statements(plan: Plan, dialect: str) -> Iterator[tuple[str, ClauseElement]]:
    """What is asked for a claim, each with its title."""
    claims = claiming(plan, dialect)
    yield "who has rows that are due", claims._build_list()
    yield "the rows of one of them", claims._build_pick(False)
    yield "the one row that finds out whether it is back", claims._build_pick(True)
    yield "the dry run", preview_statement(dialect, plan)


def texts_of_calls() -> dict[str, str]:
    """File name -> what it must hold."""
    return {f"calls/{kept}.sql": "\n".join(_parts(kept)) for kept in ("ours", "whole")}


def _parts(kept: str) -> Iterator[str]:
    for name, url in URLS.items():
        engine = open_database(url)
        dialect: Dialect = engine.dialect
        plan = call_plan(make_payments(engine, kept, create=False))
        for title, statement in call_statements(plan, dialect.name):
            yield part(f"{name}: {title}", statement, dialect)
