"""Serial keys: of the requests of a job with one key, one is on its way, the oldest first. No counter that could leak.

Whose turn it is follows from the rows: the oldest blocked one, where none of its key is ready, submitted, running, or
waits for its next attempt. Two that ask at once free the same row, once.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from sqlalchemy import Connection, TextClause, text

from ..db.tables import own_tables

MOST_FREED = 5_000
"""Keys of which one statement frees the next; the next look goes on."""


def free_next(connection: Connection) -> bool:
    """Let the next of each key be ready; whether there was one. For whoever leads."""
    return bool(connection.execute(_statement(connection.dialect.name, False)).all())


def free_next_of(connection: Connection, keys: Collection[tuple[str, str]]) -> None:
    """The same for these (job, key), as one of each has just ended."""
    for job, key in sorted(keys):
        connection.execute(_statement(connection.dialect.name, True), {"of_job": job, "of_key": key})


_FREED = """
WITH first_ones(id, job, serial_key) AS (
    SELECT min(id), job, serial_key FROM {table} WHERE serial_key IS NOT NULL AND state = 'blocked' {which}
    GROUP BY job, serial_key
), next_ones(id) AS (
    SELECT id FROM first_ones AS one WHERE (
        SELECT 1 FROM {table} AS other WHERE other.job = one.job AND other.serial_key = one.serial_key
        AND (other.state IN ('ready', 'submitted', 'running') OR other.state = 'delayed' AND other.attempt > 1) LIMIT 1
    ) IS NULL LIMIT {limit}
)
UPDATE {table} SET state = 'ready' FROM (
    SELECT id AS number FROM {table} WHERE id IN (SELECT id FROM next_ones) AND state = 'blocked' {lock}
) AS free WHERE id = free.number RETURNING id
"""


@cache
def _statement(dialect: str, of_one: bool) -> TextClause:
    """One that a product's open transaction has locked, as it asked for the same unique key, is left to the next look.

    As text, as what decides is how it is executed: each blocked row is read once, and none compared with others of its
    key, of which a hundred thousand may wait.
    """
    table = own_tables(dialect).requests.fullname
    lock = "FOR UPDATE SKIP LOCKED" if dialect == "postgresql" else ""
    which = "AND job = :of_job AND serial_key = :of_key" if of_one else ""
    return text(_FREED.format(which=which, table=table, limit=MOST_FREED, lock=lock))
