"""What was handed to each engine that carries runs, and what came of it, counted by day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from ..db.server_clock import ask_now
from ..db.tables import own_tables
from ..db.upsert import upsert


class EngineCounts(NamedTuple):
    """Numbers of runs and requests. resubmitted: once more, as nobody had begun them.

    duplicates: that an engine brought when they had been begun already; nothing ran twice.
    """

    submitted: int = 0
    resubmitted: int = 0
    duplicates: int = 0


def count(connection: Connection, engine: str, counts: EngineCounts) -> None:
    """Add to the counts of today."""
    table = own_tables(connection.dialect.name).engine_counts
    day = ask_now(connection).replace(hour=0, minute=0, second=0, microsecond=0)
    new = upsert(connection.dialect.name, table).values(engine=engine, day=day, **counts._asdict())
    added = {name: table.c[name] + number for name, number in counts._asdict().items()}
    connection.execute(new.on_conflict_do_update(index_elements=["engine", "day"], set_=added))


def counts_since(connection: Connection, since: datetime) -> dict[str, EngineCounts]:
    """By engine, of the days from that of `since` on."""
    table = own_tables(connection.dialect.name).engine_counts.c
    sums = [func.sum(table[name]) for name in EngineCounts._fields]
    asked = select(table.engine, *sums).where(table.day > since - timedelta(days=1)).group_by(table.engine)
    return {row[0]: EngineCounts(*(int(number) for number in row[1:])) for row in connection.execute(asked)}
