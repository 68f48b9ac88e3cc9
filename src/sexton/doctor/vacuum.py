"""PostgreSQL: whether autovacuum will clear what a step leaves behind, and partitions that need no deleting at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, text
from sqlalchemy.sql import visitors

from ..db.identifiers import quoted_table
from ..db.time_parameters import instant_values as instant_values
from .finding import ROWS_KNOWN, Case, Finding

LARGE_TABLE_ROWS_FOR_VACUUM = 1_000_000
"""Rows from which the default scale factor of autovacuum, a fifth of the table, comes late."""

MOST_LISTED = 20
"""Partitions that are named."""

_UPPER = re.compile(r"\bTO \((?P<bound>'(?:[^']|'')*'|-?[0-9.]+)\)$")


def autovacuum_of(connection: Connection, case: Case) -> Iterator[Finding]:
    """Off, or late for how much is due; else how the table stands."""
    if not case.on_postgresql or case.own or case.plan.main is None:
        return
    name = quoted_table(connection.dialect, case.plan.table)
    heaps = _heaps(connection, name)
    for heap in heaps:
        if heap.enabled is not None and heap.enabled.lower() in ("off", "false", "no", "0"):
            words = f"autovacuum is off for {heap.name}: what is deleted there never makes room"
            many = "autovacuum is off for {} tables: what is deleted there never makes room"
            sql = f"ALTER TABLE {heap.name} RESET (autovacuum_enabled);"
            yield Finding("warning", "autovacuum", words, sql, many=many, subject=heap.name)
    rows, dead = sum(heap.rows for heap in heaps), sum(heap.dead for heap in heaps)
    lately: list[datetime] = [heap.last for heap in heaps if heap.last is not None]
    last = f"last autovacuum {max(lately):%Y-%m-%d %H:%M} UTC" if lately else "never autovacuumed yet"
    yield Finding("ok", "autovacuum", f"{dead:,} dead rows beside {rows:,}; {last}")
    for heap in heaps:
        share = case.due.rows / rows if case.due is not None and rows else 0.0
        if heap.rows >= LARGE_TABLE_ROWS_FOR_VACUUM and share > 2 * heap.scale:
            words = f"{share:.0%} of {heap.name} is due, and autovacuum comes only after {heap.scale:.0%} are dead"
            sql = f"ALTER TABLE {heap.name} SET (autovacuum_vacuum_scale_factor = 0.02);"
            yield Finding("warning", "autovacuum", words, sql)


def _heaps(connection: Connection, name: str) -> Sequence[Row[Any]]:
    """The table, or its partitions."""
    asked = text(
        f"SELECT c.oid::regclass::text AS name, {ROWS_KNOWN} AS rows, coalesce(s.n_dead_tup, 0) AS dead,"
        " s.last_autovacuum AT TIME ZONE 'UTC' AS last, (SELECT option_value FROM pg_options_to_table(c.reloptions)"
        "  WHERE option_name = 'autovacuum_enabled') AS enabled,"
        " CAST(coalesce((SELECT option_value FROM pg_options_to_table(c.reloptions)"
        "  WHERE option_name = 'autovacuum_vacuum_scale_factor'),"
        "  current_setting('autovacuum_vacuum_scale_factor')) AS double precision) AS scale"
        " FROM pg_class c LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid WHERE c.relkind = 'r'"
        " AND (c.oid = CAST(:name AS regclass)"
        "  OR c.oid IN (SELECT relid FROM pg_partition_tree(CAST(:name AS regclass)) WHERE isleaf))"
    )
    return connection.execute(asked, {"name": name}).all()


def partitions_past_keeping(connection: Connection, case: Case) -> Iterator[Finding]:
    """Whole partitions whose upper bound lies before the cutoff."""
    cutoff, by = _cutoff(case), case.plan.by
    if not case.on_postgresql or not case.plan.deletes or cutoff is None or by is None:
        return
    name = quoted_table(connection.dialect, case.plan.table)
    kind = connection.execute(
        text(
            "SELECT format_type(a.atttypid, a.atttypmod) AS type, p.partdefid <> 0 AS has_default"
            " FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]"
            " WHERE p.partrelid = CAST(:name AS regclass) AND p.partstrat = 'r' AND p.partnatts = 1"
            " AND a.attname = :by"
        ),
        {"name": name, "by": by.name},
    ).first()
    if kind is None:
        return
    parts = connection.execute(
        text(
            "SELECT c.oid::regclass::text AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds FROM pg_inherits i"
            " JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = CAST(:name AS regclass) ORDER BY bounds"
        ),
        {"name": name},
    ).all()
    past = [part.name for part in parts if _is_past(connection, part.bounds, kind.type, cutoff)]
    if past:
        how = "" if kind.has_default else " CONCURRENTLY"  # a default partition forbids it
        lines = [f"ALTER TABLE {name} DETACH PARTITION {part}{how};" for part in past[:MOST_LISTED]]
        shown = ", ".join(past[:3]) + (", …" if len(past) > 3 else "")
        what = f"{len(past)} whole partitions are" if len(past) > 1 else "a whole partition is"
        words = f"{what} past keeping ({shown}): if all their rows may go, detaching is far cheaper than deleting"
        yield Finding("note", "partitions", words, "\n".join(lines))


def _cutoff(case: Case) -> Any:
    """The instant that the condition compares with, where it names one only, in the form of the column."""
    names = {part.key for part in visitors.iterate(case.plan.due) if isinstance(part, BindParameter)}
    found = list(instant_values(names, case.now).values())
    return found[0] if len(found) == 1 else None


def _is_past(connection: Connection, bounds: str | None, kind: str, cutoff: Any) -> bool:
    match = _UPPER.search(bounds or "")
    if match is None:
        return False
    asked = text(f"SELECT CAST(:bound AS {kind}) <= CAST(:cutoff AS {kind})")
    values = {"bound": match["bound"].strip("'"), "cutoff": cutoff}
    return bool(connection.execute(asked, values).scalar())
