"""What a leader keeps in order: whose time has come, whose turn it is, whose process died, whom nobody knows.

Each step is one statement of its own that any number of leaders may repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case, literal, or_, select, text, update

from ..db.server_clock import database_now, now_of_statement
from ..db.tables import own_tables
from ..request_state import DeadReason, RequestState
from ..slots.ending import Ending
from .ending import bury
from .holders import forget_the_dead, leave_for, reap
from .releasing import release, tell_of
from .serial_keys import free_next
from .waking import wake_idle

MOST_AT_ONCE = 5_000
"""Rows that one step takes; the next look goes on."""

UNKNOWN_FOR = timedelta(hours=1)
"""A request whose job nobody knows waits so long for a newer worker, and is dead then."""

UNKNOWN_RETRY_SECONDS = 60.0
"""Seconds until it is offered again."""


def keep_up(connection: Connection, engines: Sequence[str]) -> bool:
    """All steps; whether something became ready. engines: whose sleeping workers are woken for that."""
    left, crashed = reap(connection)
    if crashed:
        bury(connection, crashed, DeadReason.CRASHED, "its process died with it, each time")
    _bury_unknown(connection)
    forget_the_dead(connection)
    promoted = _promote(connection)
    freed = free_next(connection)
    if promoted or freed or left:
        for engine in engines:
            wake_idle(connection, engine)
    return bool(promoted or freed or left)


@cache
def _due(dialect: str) -> Any:
    """Delayed ones whose time has come."""
    table = own_tables(dialect).requests
    due = select(table.c.id).where(table.c.state == RequestState.DELAYED, table.c.run_at <= now_of_statement(dialect))
    return due.order_by(table.c.run_at).limit(MOST_AT_ONCE).with_for_update(skip_locked=True)


def _promote(connection: Connection) -> bool:
    """Those are ready, or stand in the line of their serial key; whether there were any.

    By their numbers, as few as they are: joined, the server would expect as many as there may be, and read the table.
    """
    dialect = connection.dialect.name
    due = list(connection.execute(_due(dialect)).scalars())
    if due:
        connection.execute(_promotion(dialect), {"ids": due})
    return bool(due)


@cache
def _promotion(dialect: str) -> Any:
    table = own_tables(dialect).requests
    alone = or_(table.c.serial_key.is_(None), table.c.attempt > 1)  # a retry kept its turn
    state = case((alone, literal(str(RequestState.READY))), else_=literal(str(RequestState.BLOCKED)))
    named: ColumnElement[bool] = table.c.id.in_(bindparam("ids", expanding=True))
    if dialect == "postgresql":
        named = table.c.id == text("ANY (CAST(:ids AS bigint[]))")
    return update(table).where(named, table.c.state == RequestState.DELAYED).values(state=state)


def unknown(connection: Connection, holder: str, ids: Sequence[int]) -> None:
    """We do not know the jobs of these, which we claimed: they leave the line for a minute, a newer worker may."""
    dialect = connection.dialect.name
    table = own_tables(dialect).requests
    since = case((table.c.unknown_since.is_(None), database_now(dialect)), else_=table.c.unknown_since)
    values = {"state": RequestState.DELAYED, "holder": None, "run_at": database_now(dialect, UNKNOWN_RETRY_SECONDS)}
    release(connection, ids, values | {"unknown_since": since}, holder)


def process_gone(connection: Connection, name: str, engine: str, number: int, overdue: Ending | None) -> None:
    """A process is gone: what it had waits again at once, and of that the request that it had called last is charged.

    name: of its holders, see `leave_for`.  number: of that request; 0: nobody knows.
    overdue: how that one ends, where its code did not come back in time.
    """
    _blame(connection, name, number, overdue)
    leave_for(connection, name)
    keep_up(connection, [engine])


def _blame(connection: Connection, name: str, number: int, overdue: Ending | None) -> None:
    table = own_tables(connection.dialect.name).requests
    theirs = table.c.holder.startswith(f"{name}.", autoescape=True)
    running = table.c.state == RequestState.RUNNING  # the condition of an index
    mine = (table.c.id == number, theirs, running)
    connection.execute(update(table).where(theirs, running, table.c.begun).values(begun=False))
    columns = ("id", "job", "asked_by", "holder", "attempt", "attempts")
    row = connection.execute(select(*(table.c[one] for one in columns)).where(*mine).with_for_update()).first()
    if row is None:
        return  # it had ended, and nobody knows better than `reap`
    connection.execute(update(table).where(table.c.id == number).values(begun=True))
    if overdue is None:
        return
    tell_of(connection, row, overdue, row.holder)
    others = select(table.c.id).where(theirs, running, table.c.id != number)
    free: dict[str, Any] = {"state": RequestState.READY, "holder": None, "begun": False}
    release(connection, list(connection.execute(others).scalars()), free)
    if row.attempt >= row.attempts:
        bury(connection, [number], DeadReason.TIMED_OUT, overdue.error)
    else:
        release(connection, [number], free | {"attempt": row.attempt + 1})


def _bury_unknown(connection: Connection) -> None:
    dialect = connection.dialect.name
    table = own_tables(dialect).requests.c
    late = select(table.id).where(
        table.state == RequestState.DELAYED,
        table.run_at <= now_of_statement(dialect, UNKNOWN_RETRY_SECONDS),  # by the index: they come again by then
        table.unknown_since < database_now(dialect, -UNKNOWN_FOR.total_seconds()),
    )
    ids = list(connection.execute(late.limit(MOST_AT_ONCE)).scalars())
    if ids:
        words = "no worker knows this job, or this version of its arguments, for an hour"
        bury(connection, ids, DeadReason.UNKNOWN_JOB, words)
