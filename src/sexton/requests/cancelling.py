"""Take a request back: one that waits is gone, with a run row that tells so; one that runs is told to end."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from ..db.server_clock import database_now
from ..db.tables import DATABASE, own_tables
from ..request_state import RequestState
from ..run_state import RunState
from ..slots.ending import Ending, counts_columns


def cancel(connection: Connection, number: int, by: str) -> bool:
    """Whether there is such a request. by: who asks; stands in history."""
    dialect = connection.dialect.name
    own = own_tables(dialect)
    requests = own.requests
    asked = select(requests.c.job, requests.c.state, requests.c.attempt, requests.c.asked_by).where(
        requests.c.id == number
    )
    row = connection.execute(asked.with_for_update()).first()
    if row is None:
        return False
    if row.state == RequestState.RUNNING:
        connection.execute(update(requests).where(requests.c.id == number).values(cancelled_by=by))
        return True
    connection.execute(delete(requests).where(requests.c.id == number))
    now = database_now(dialect)
    told = {"job": row.job, "database": DATABASE, "slot": None, "attempt": row.attempt, "worker": "", "epoch": 0}
    told |= {"as_of": now, "started_at": now, "finished_at": now, "definition": "", "missed": 0}
    told |= {"asked_by": row.asked_by, "infrastructure_failures": 0, "request": number, **counts_columns({})}
    ending = Ending(RunState.CANCELLED, f"cancelled by {by}, before it began")
    connection.execute(insert(own.runs).values(**told, **ending.columns()))
    return True
