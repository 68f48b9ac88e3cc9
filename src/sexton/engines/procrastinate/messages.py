"""Our messages in Procrastinate's tables, by SQL: handed on, forgotten, counted, and swept when nobody takes them.

Its functions and triggers name their tables without a schema. So each call sets the search path and puts it back, both
for the transaction only: a pooler may stand between, and what the caller does next is found as before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from ...db.trust import trusted_of, untrusted_creators, untrusted_owners
from ...run_state import NOT_ENDED
from ..carrier import EngineMessage, MessageKind

TASK = "sexton.consume"
"""Name of the task that takes our messages."""

PRIORITY_OF_HIGH = 10
"""Of messages for the queue that goes first; Procrastinate takes the highest first, over all queues of a worker."""

DEAD_AFTER_SECONDS = 60.0
"""Seconds without a sign of life after which a worker counts as dead; it gives one every 10 s."""

FORGOTTEN_SECONDS = 600.0
"""Seconds after its start from which on a message is swept whose runs are over, though its worker lives."""

_SEARCH = text("SELECT pg_catalog.current_setting('search_path'), pg_catalog.set_config('search_path', :path, true)")
_SEARCH_AGAIN = text("SELECT pg_catalog.set_config('search_path', :path, true)")


def _quoted(states: Sequence[str]) -> str:
    return ", ".join(f"'{state}'" for state in states)


_STARTED_LONG_AGO = (
    "NOT EXISTS (SELECT FROM procrastinate_events e WHERE e.job_id = j.id AND e.type = 'started'"
    " AND e.at > now() - make_interval(secs => :long))"
)
_NAMED = "j.args->'message'->'ids' @> to_jsonb(r.id)"
_OPEN_RUNS = f"SELECT FROM sexton.runs r WHERE r.state IN ({_quoted(NOT_ENDED)}) AND {_NAMED}"
_OPEN_REQUESTS = f"SELECT FROM sexton.requests r WHERE {_NAMED}"
_OVER = (
    f"CASE j.args->'message'->>'kind' WHEN '{MessageKind.RUN}' THEN NOT EXISTS ({_OPEN_RUNS})"
    f" ELSE NOT EXISTS ({_OPEN_REQUESTS}) END"
)


class WaitingMessages(NamedTuple):
    """What `count` found. oldest: since when the first message waits.  workers: those with a sign of life."""

    messages: int
    oldest: datetime | None
    workers: int


@contextmanager
def searching(connection: Connection, schema: str) -> Iterator[None]:
    """Inside the block names are found in Procrastinate's schema, and in the built-in one."""
    before = connection.execute(_SEARCH, {"path": f'"{schema}", pg_temp'}).scalar_one()
    yield
    connection.execute(_SEARCH_AGAIN, {"path": before})


def hand_on(connection: Connection, schema: str, queue: str, message: EngineMessage) -> None:
    """Write it, to be seen by workers when the transaction is committed. Neither lock nor queueing lock, no time."""
    written = text(
        "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(:queue, :task, :priority, NULL, NULL,"
        " pg_catalog.jsonb_build_object('message', CAST(:message AS pg_catalog.jsonb)), NULL)"
        "::procrastinate_job_to_defer_v1])"
    )
    priority = PRIORITY_OF_HIGH if message.high else 0
    values = {"queue": queue, "task": TASK, "priority": priority, "message": message.to_json()}
    with searching(connection, schema):
        connection.execute(written, values)


def forget(connection: Connection, schema: str, database: str, kind: MessageKind, ids: Sequence[int]) -> None:
    """Delete messages that wait and name none but these; workers that have one are asked to abort it."""
    named = text(
        "SELECT procrastinate_cancel_job_v1(id, true, true) FROM procrastinate_jobs"
        " WHERE status IN ('todo', 'doing') AND task_name = :task AND args->'message'->>'kind' = :kind"
        " AND args->'message'->>'database' = :database"
        " AND args->'message'->'ids' <@ CAST(:ids AS jsonb) AND args->'message'->'ids' <> '[]'"
    )
    values = {"task": TASK, "kind": str(kind), "database": database, "ids": json.dumps(list(ids))}
    with searching(connection, schema):
        connection.execute(named, values)


def count(connection: Connection, schema: str) -> WaitingMessages:
    """What waits, and who works."""
    asked = text(
        "SELECT (SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo' AND task_name = :task),"
        " (SELECT min(e.at) FROM procrastinate_events e WHERE e.type = 'deferred' AND e.job_id ="
        "   (SELECT min(id) FROM procrastinate_jobs WHERE status = 'todo' AND task_name = :task)),"
        " (SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => :dead))"
    )
    with searching(connection, schema):
        row = connection.execute(asked, {"task": TASK, "dead": DEAD_AFTER_SECONDS}).one()
    return WaitingMessages(*row)


def sweep(connection: Connection, schema: str, queues: Sequence[str]) -> int:
    """Delete messages that nobody will finish: nothing else does. How many there were.

    Those that a worker had when it died, as Procrastinate never brings them again; those whose runs are over and whose
    worker could not say so; those that are over, where the product's worker keeps them. What a run still needs is
    handed on anew by its row.
    """
    unfinished = text(
        "DELETE FROM procrastinate_jobs WHERE id IN (SELECT j.id FROM procrastinate_jobs j"
        " LEFT JOIN procrastinate_workers w ON w.id = j.worker_id"
        " AND w.last_heartbeat > now() - make_interval(secs => :dead)"
        f" WHERE j.status = 'doing' AND j.task_name = :task AND (w.id IS NULL OR ({_STARTED_LONG_AGO} AND {_OVER}))"
        " FOR UPDATE OF j SKIP LOCKED)"
    )
    over = text(
        "DELETE FROM procrastinate_jobs WHERE queue_name = ANY (:queues) AND task_name = :task"
        " AND status NOT IN ('todo', 'doing')"
    )
    values = {"task": TASK, "dead": DEAD_AFTER_SECONDS, "long": FORGOTTEN_SECONDS}
    with searching(connection, schema):
        swept = connection.execute(unfinished, values).rowcount
        return swept + connection.execute(over, {"task": TASK, "queues": list(queues)}).rowcount


def strangers(connection: Connection, schema: str) -> str:
    """Why nothing in the schema may be called: who else could have put code there, in words; "" when nobody could."""
    trusted = trusted_of(connection)
    creators = untrusted_creators(connection, [schema], trusted).get(schema, ())
    owners = untrusted_owners(connection, [schema], trusted).get(schema, ())
    if creators:
        return f"{' and '.join(creators)} may create in its schema {schema}; revoke that, or see trusted_roles"
    return f"its schema {schema} holds functions of {' and '.join(owners)}; see trusted_roles" if owners else ""
