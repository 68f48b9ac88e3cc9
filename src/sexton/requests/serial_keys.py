"""Serial keys: of the requests of a job with one key, one is on its way, the oldest first. No counter that could leak.

Whose turn it is follows from the rows: the oldest blocked one, where none of its key is ready, submitted, running, or
waits for its next attempt. Two that ask at once free the same row, once.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, or_, select, update

from ..db.tables import own_tables
from ..request_state import RequestState

MOST_FREED = 5_000
"""Keys of which one statement frees the next; the next look goes on."""


def free_next(connection: Connection) -> bool:
    """Let the next of each key be ready; whether there was one. For whoever leads."""
    return bool(connection.execute(_statement(connection.dialect.name, False)).all())


def free_next_of(connection: Connection, keys: Collection[tuple[str, str]]) -> None:
    """The same for these (job, key), as one of each has just ended."""
    for job, key in sorted(keys):
        connection.execute(_statement(connection.dialect.name, True), {"of_job": job, "of_key": key})


@cache
def _statement(dialect: str, of_one: bool) -> Any:
    table = own_tables(dialect).requests
    other = table.alias("other")
    same = and_(other.c.job == table.c.job, other.c.serial_key == table.c.serial_key)
    on_its_way = or_(
        other.c.state.in_((RequestState.READY, RequestState.SUBMITTED, RequestState.RUNNING)),
        and_(other.c.state == RequestState.DELAYED, other.c.attempt > 1),
        and_(other.c.state == RequestState.BLOCKED, other.c.id < table.c.id),
    )
    first = select(table.c.id).where(table.c.state == RequestState.BLOCKED, table.c.serial_key.is_not(None))
    if of_one:
        first = first.where(table.c.job == bindparam("of_job"), table.c.serial_key == bindparam("of_key"))
    # One that a product's open transaction has locked, as it asked for the same unique key, is left for the next look.
    alone = first.where(~exists().where(same, on_its_way)).limit(MOST_FREED)
    next_ones = alone.with_for_update(skip_locked=True, of=table).cte("first")
    return (
        update(table)
        .where(table.c.id == next_ones.c.id, table.c.state == RequestState.BLOCKED)
        .values(state=RequestState.READY)
        .returning(table.c.id)
    )
