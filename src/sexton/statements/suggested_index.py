"""The index that a step misses, and whether it does: one judgement for `sexton check` and `sexton doctor`."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from ..db.identifiers import quoted_table
from ..policies.contract import Plan
from .batch_strategy import Request
from .indexes import missing_index
from .postgresql_purge import SweepPurge
from .strategy_choice import choose

LARGE_TABLE_ROWS = 1_000_000
"""Rows of a table that nobody wants to be read from end to end each night."""


@dataclass(frozen=True, slots=True)
class SuggestedIndex:
    """statement: that makes the index, without a semicolon.  needed: whether runs are slow without it."""

    statement: str
    needed: bool
    reason: str


def suggested_index(connection: Connection, plan: Plan, probe: Request) -> SuggestedIndex | None:
    """None: it is there, or of no use. A sweep, which reads the table once a run, needs none where the table is small.

    An empty table may become big: there it is needed, so that a check of an empty database finds what is missing.
    """
    statement = missing_index(connection, plan)
    if statement is None:
        return None
    reason = f"no index leads to {plan.order[0].name}"
    if isinstance(choose(connection, plan, probe).executor, SweepPurge):
        rows = _rows(connection, plan)
        if 0 < rows <= LARGE_TABLE_ROWS:
            return SuggestedIndex(
                statement, False, f"{reason}; none is needed to read {rows:,} rows from end to end once a run"
            )
        all_of_it = f"all of its {rows:,} rows" if rows else "the whole table, however big it gets"
        return SuggestedIndex(statement, True, f"{reason}, so that each run reads {all_of_it}")
    reason += ", where every batch starts"
    if connection.dialect.name == "postgresql" and "CONCURRENTLY" not in statement:
        reason += (
            "; a partitioned table's index cannot be built CONCURRENTLY: this stops writers meanwhile, unless an equal "
            "index is there on each partition before"
        )
    return SuggestedIndex(statement, True, reason)


def _rows(connection: Connection, plan: Plan) -> int:
    """As many as statistics know."""
    asked = text("SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = CAST(:name AS regclass)")
    name = quoted_table(connection.dialect, plan.table)
    return int(connection.execute(asked, {"name": name}).scalar() or 0)
