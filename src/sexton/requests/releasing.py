"""What a process had claimed and does not end waits again: whoever cancelled it, or asked anew for it, is heard first.

Of two with one unique key only one may wait. So one that was claimed, and whose newer twin waits already, does not come
back: that one does its work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from ..db.faults import Fault, classify
from ..db.server_clock import database_now
from ..db.tables import DATABASE, own_tables
from ..request_state import RequestState
from ..run_state import OutcomeCode, RunState
from ..slots.ending import Ending, counts_columns
from .asking import STILL_WAITING

ROWS_AT_ONCE = 1_000

NEXT_LOCK_WAIT = "250ms"
"""How long a transaction waits for each further lock once it has met somebody's open transaction."""

SUPERSEDED = "a newer request with its unique key waits, and does its work"

_FACTS = ("id", "job", "attempt", "asked_by", "unique_key", "cancelled_by")


def release(connection: Connection, ids: Sequence[int], values: Mapping[str, Any], holder: str | None = None) -> None:
    """These, which were claimed, get such values; a cancelled one is gone, and one whose twin waits is superseded.

    holder: only those that this process still holds.
    """
    for start in range(0, len(ids), ROWS_AT_ONCE):
        _release(connection, ids[start : start + ROWS_AT_ONCE], values, holder)


def _release(connection: Connection, ids: Sequence[int], values: Mapping[str, Any], holder: str | None) -> None:
    table = own_tables(connection.dialect.name).requests
    held = (table.c.id.in_(ids), table.c.state == RequestState.RUNNING)
    mine = held if holder is None else (*held, table.c.holder == holder)
    facts = select(*(table.c[name] for name in _FACTS)).where(*mine).with_for_update()
    plain: list[int] = []
    for row in connection.execute(facts).all():
        if row.cancelled_by is not None:
            take_out(connection, row, cancelled_before(row.cancelled_by))
        elif row.unique_key is None:
            plain.append(row.id)
        elif not wait_again(connection, row.id, row.job, row.unique_key, values):
            take_out(connection, row, Ending(RunState.SKIPPED, SUPERSEDED, code=OutcomeCode.SUPERSEDED))
    if plain:
        connection.execute(update(table).where(table.c.id.in_(plain)).values(**values))


def wait_again(connection: Connection, number: int, job: str, unique: str | None, values: Mapping[str, Any]) -> bool:
    """Let one that was claimed wait; False, and nothing is changed, when a newer one with its unique key does.

    A rival that has not committed is waited for as long as this transaction waits for locks. Who is still open then
    keeps the key, and this one waits without: neither is lost, and nobody else's requests wait for that transaction.
    """
    table = own_tables(connection.dialect.name).requests
    again = update(table).where(table.c.id == number).values(**values)
    if unique is None:
        connection.execute(again)
        return True
    twin = select(table.c.id).where(table.c.job == job, table.c.unique_key == unique, text(STILL_WAITING))
    if connection.execute(twin).first() is not None:
        return False
    try:
        with connection.begin_nested():
            connection.execute(again)
    except IntegrityError:
        return False  # a rival has just committed one
    except DBAPIError as error:
        if classify(error) is not Fault.LOCKED or connection.dialect.name != "postgresql":
            raise
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{NEXT_LOCK_WAIT}'")  # he may have more of our keys
        connection.execute(again.values(unique_key=None))
    return True


def cancelled_before(by: str) -> Ending:
    """How one ends that somebody took back before it began."""
    return Ending(RunState.CANCELLED, f"cancelled by {by}, before it began")


def take_out(connection: Connection, row: Row[Any], ending: Ending) -> None:
    """The request goes, and a run row tells how. row: its id, job, attempt and asked_by."""
    own = own_tables(connection.dialect.name)
    connection.execute(delete(own.requests).where(own.requests.c.id == row.id))
    tell_of(connection, row, ending)


def tell_of(connection: Connection, row: Row[Any], ending: Ending, worker: str = "") -> None:
    """A run row about a request that no process of its own tells about. worker: which had it."""
    dialect = connection.dialect.name
    now = database_now(dialect)
    told = {"job": row.job, "database": DATABASE, "slot": None, "attempt": row.attempt, "worker": worker, "epoch": 0}
    told |= {"as_of": now, "started_at": now, "finished_at": now, "definition": "", "missed": 0, "request": row.id}
    told |= {"asked_by": row.asked_by, "infrastructure_failures": 0, **counts_columns({})}
    connection.execute(insert(own_tables(dialect).runs).values(**told, **ending.columns()))
