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


_KEYS = """
    RECURSIVE heads(id) AS (
        SELECT * FROM (
            SELECT id FROM {table} WHERE serial_key IS NOT NULL ORDER BY job, serial_key, id LIMIT 1
        ) AS start
        UNION ALL
        SELECT (
            SELECT later.id FROM {table} AS later
            WHERE later.serial_key IS NOT NULL AND (later.job, later.serial_key) > (head.job, head.serial_key)
            ORDER BY later.job, later.serial_key, later.id LIMIT 1
        ) FROM heads JOIN {table} AS head ON head.id = heads.id
    ), asked(job, serial_key) AS (
        SELECT head.job, head.serial_key FROM heads JOIN {table} AS head ON head.id = heads.id
    )"""
"""All keys, by one look into the index for each: of one key a million may wait."""

_ONE_KEY = """
    asked(job, serial_key) AS (SELECT CAST(:of_job AS text), CAST(:of_key AS text))"""

_FREED = """
WITH {keys}, next_ones(id) AS (
    SELECT (
        SELECT blocked.id FROM {table} AS blocked
        WHERE blocked.job = asked.job AND blocked.serial_key = asked.serial_key AND blocked.state = 'blocked'
        ORDER BY blocked.id LIMIT 1
    ) FROM asked WHERE (
        SELECT 1 FROM {table} AS other WHERE other.job = asked.job AND other.serial_key = asked.serial_key
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

    As text, as what decides is how it is executed: no row is compared with others of its key.
    """
    table = own_tables(dialect).requests.fullname
    lock = "FOR UPDATE SKIP LOCKED" if dialect == "postgresql" else ""
    keys = (_ONE_KEY if of_one else _KEYS).format(table=table)
    return text(_FREED.format(keys=keys, table=table, limit=MOST_FREED, lock=lock))
