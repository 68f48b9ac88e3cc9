"""Rows that others move while a purge goes through the table once: behind it, it would not see them.

An update that finds no room in its block puts the row into another one, and a changed time another place in the
index. Whether that can have happened at all is asked of the server, so that no look is in vain.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, text

from ..db.identifiers import quoted_table
from ..policies.contract import Plan

STATISTICS_DELAY_SECONDS = 15.0
"""Seconds after which the server's statistics know of an update: its sessions tell it when they rest, at most 10."""

_ASKED = text(
    "SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) AS newest,"
    " coalesce((SELECT sum(pg_stat_get_tuples_updated(relid) - pg_stat_get_tuples_hot_updated(relid))"
    "  FROM (SELECT to_regclass(:name)::oid AS relid"
    "   UNION SELECT relid FROM pg_partition_tree(to_regclass(:name))) parts), 0) AS moved"
)


@dataclass(frozen=True, slots=True)
class UpdateCount:
    """Updates of the table, at one moment.

    newest: number of the server's next transaction.  moved: rows, in all its time.
    """

    at: float
    newest: int
    moved: int


def count_updates(connection: Connection, plan: Plan) -> UpdateCount:
    """The count as it stands now. PostgreSQL only."""
    row = connection.execute(_ASKED, {"name": quoted_table(connection.dialect, plan.table)}).one()
    return UpdateCount(time.monotonic(), row.newest, int(row.moved))


def may_have_moved(before: UpdateCount, after: UpdateCount, own: int) -> bool:
    """Whether others may have moved rows between the two.  own: transactions of ours meanwhile."""
    others = after.newest - before.newest > own
    return others and (after.moved > before.moved or after.at - before.at < STATISTICS_DELAY_SECONDS)
