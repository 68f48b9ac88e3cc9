"""Which way a plan is executed in the database at hand, with the reason in words (for `explain` and history)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select, text
from sqlalchemy.sql.elements import ClauseElement

from ..db.identifiers import quoted_table
from ..db.render import for_driver, render
from ..policies.contract import Plan
from .batch_strategy import BatchStrategy, Request, parameters
from .postgresql_batch import CteBatches
from .postgresql_purge import SweepPurge, WindowPurge, heap_blocks
from .selection import due_condition
from .vetoing_triggers import vetoing_triggers

MIN_ORDERED_CORRELATION = 0.5
"""Below this correlation (pg_stats) of the time column with the heap's order, windows jump between blocks."""

MIN_SWEEP_SHARE_SHUFFLED = 0.025
"""Share of due rows from which a sweep of a shuffled heap beats windows; they break even at 2 to 3 % (measured)."""

MIN_SWEEP_SHARE_ORDERED = 0.5
"""Share from which a sweep of an ordered heap is at least as fast as windows; a window reads only what is due."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An executor and why it was taken. reading: what runs instead of its statements, where rows are archived."""

    executor: BatchStrategy
    reason: str
    reading: ClauseElement | None = None

    def statements(self) -> list[ClauseElement]:
        """What finds the rows, and does what is done in the same statement: for people, and for EXPLAIN."""
        return self.executor.statements() if self.reading is None else [self.reading]


def choose(connection: Connection, plan: Plan, probe: Request, *, by_row: bool = False) -> Choice:
    """The executor for this plan here. `probe` gives the run's time, for the planner's estimate of what is due.

    by_row: the number of rows must be exact, so nothing may be swept by block.
    """
    if plan.rollup is not None:
        from .rollup_windows import RollupStatements

        found = RollupStatements(connection.dialect.name, plan.rollup).statements()
        return Choice(CteBatches(plan), "window by window, oldest first; what differs is written", found[0])
    if plan.archive is None:
        return _choose(connection, plan, probe, by_row)
    from .archive_rows import select_due_rows

    reading = select_due_rows(connection.dialect, plan, excluding=False, onward=False)
    words = "rows are read into a file, which is read back; then they are deleted by their keys"
    return Choice(_choose(connection, plan, probe, by_row=True).executor, words, reading)


def _choose(connection: Connection, plan: Plan, probe: Request, by_row: bool) -> Choice:
    if connection.dialect.name == "sqlite":
        from .sqlite_batch import KeyedDelete, TemporaryRows

        if plan.only_deletes and not vetoing_triggers(connection, plan.table, deletes=True):
            return Choice(
                KeyedDelete(plan),
                "rows are deleted by key, oldest first, in one immediate transaction a batch",
            )
        return Choice(
            TemporaryRows(plan),
            "rows are picked into a temporary table, in one immediate transaction a batch",
        )
    if by_row or plan.counts_rows or not plan.only_deletes:
        return Choice(CteBatches(plan), "one data-modifying statement a batch; locked rows are skipped")
    return _purge(connection, plan, probe)


def _purge(connection: Connection, plan: Plan, probe: Request) -> Choice:
    name = quoted_table(connection.dialect, plan.table)
    watched = bool(vetoing_triggers(connection, plan.table, deletes=True))
    indexed = _leads(connection, name, plan.order[0].name)
    if not _has_one_heap(connection, name):
        if indexed:
            return Choice(WindowPurge(plan, watched=watched), "keyset windows by index, over all partitions")
        return Choice(CteBatches(plan), "rows are picked and deleted; an index on the time column would help")
    blocks = heap_blocks(connection, plan)
    if not indexed:
        return Choice(
            SweepPurge(plan, blocks, watched=watched),
            f"no index leads with {plan.order[0].name}: the heap is swept once",
        )
    correlation, rows = _statistics(connection, name, plan.order[0].name)
    share = _due_rows(connection, plan, probe) / rows if rows > 0 else 0.0
    shuffled = correlation is not None and abs(correlation) < MIN_ORDERED_CORRELATION
    figures = f"{share:.0%} due, correlation {'unknown' if correlation is None else format(correlation, '.2f')}"
    if blocks > 0 and share >= (MIN_SWEEP_SHARE_SHUFFLED if shuffled else MIN_SWEEP_SHARE_ORDERED):
        return Choice(SweepPurge(plan, blocks, watched=watched), f"the heap is swept block by block ({figures})")
    return Choice(WindowPurge(plan, watched=watched), f"keyset windows by index ({figures})")


def _has_one_heap(connection: Connection, name: str) -> bool:
    """Whether the table's rows lie in one heap: no partitions, no tables that inherit."""
    asked = text("SELECT relkind = 'r' AND NOT relhassubclass FROM pg_class WHERE oid = CAST(:name AS regclass)")
    return bool(connection.execute(asked, {"name": name}).scalar())


def _leads(connection: Connection, name: str, column: str) -> bool:
    """Whether a valid b-tree index without condition starts with the column."""
    found = connection.execute(
        text(
            "SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
            " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam"
            " WHERE i.indrelid = CAST(:name AS regclass) AND a.attname = :column"
            " AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree' LIMIT 1"
        ),
        {"name": name, "column": column},
    )
    return found.scalar() is not None


def _statistics(connection: Connection, name: str, column: str) -> tuple[float | None, float]:
    row = connection.execute(
        text(
            "SELECT s.correlation, c.reltuples FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = :column"
            " WHERE c.oid = CAST(:name AS regclass)"
        ),
        {"name": name, "column": column},
    ).one()
    return row[0], float(row[1])


def _due_rows(connection: Connection, plan: Plan, probe: Request) -> float:
    asked = select(*plan.key).where(due_condition(plan, excluding=False))
    return estimated_rows(connection, asked, parameters(asked, probe))


def estimated_rows(connection: Connection, asked: Select[Any], values: Mapping[str, Any]) -> float:
    """How many rows PostgreSQL's planner expects; reads statistics only, no rows."""
    sql = render(asked, connection.dialect, values=values)
    explained = for_driver(f"EXPLAIN (FORMAT JSON) {sql}", connection.dialect)
    plan_json = connection.exec_driver_sql(explained).scalar_one()
    return float(plan_json[0]["Plan"]["Plan Rows"])
