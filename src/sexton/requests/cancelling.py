"""Take a request back: one that waits is gone, with a run row that tells so; one that runs is told to end."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from ..db.tables import own_tables
from ..request_state import RequestState
from .releasing import cancelled_before, take_out


def cancel(connection: Connection, number: int, by: str) -> bool:
    """Whether there is such a request. by: who asks; stands in history."""
    requests = own_tables(connection.dialect.name).requests
    asked = select(*(requests.c[name] for name in ("id", "job", "state", "attempt", "asked_by"))).where(
        requests.c.id == number
    )
    row = connection.execute(asked.with_for_update()).first()
    if row is None:
        return False
    if row.state == RequestState.RUNNING:
        connection.execute(update(requests).where(requests.c.id == number).values(cancelled_by=by))
    else:
        take_out(connection, row, cancelled_before(by))
    return True
