"""When rows that wait are called for next: for tests that move the clock, and for people who want to know."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from ..call_state import CallState
from ..db.tables import own_tables
from ..policies.call_rule import CallColumns
from ..policies.contract import Plan
from ..statements.batch_strategy import Request, parameters


def next_call(connection: Connection, job: str, plan: Plan, now: datetime) -> datetime | None:
    """The earliest time after `now` at which a row of this step is called for again; None when none waits.

    A rest of whoever is called counts, where that is longer.
    """
    if plan.call is None:
        return None
    own = plan.call.state or CallColumns()
    calls = own_tables(connection.dialect.name).calls.c
    mine = (calls.job == job, calls.step == plan.step)
    if own.next_at is not None:
        asked = select(func.min(own.next_at)).where(plan.call.when, own.next_at > now)
    else:
        asked = select(func.min(calls.next_at)).where(*mine, calls.state == CallState.WAITING, calls.next_at > now)
    request = Request(0, None, now, job, None)
    following: datetime | None = connection.execute(asked, parameters(asked, request)).scalar()
    return _rest(connection, plan, request, now, following)


def _rest(
    connection: Connection, plan: Plan, request: Request, now: datetime, following: datetime | None
) -> datetime | None:
    """The end of a rest, where a row is due already and only waits for that."""
    assert plan.call is not None
    due = select(func.count()).select_from(plan.table).where(plan.due)
    if not connection.execute(due, parameters(due, request)).scalar():
        return following
    destinations = own_tables(connection.dialect.name).destinations.c
    asked = select(func.min(destinations.rest_until)).where(destinations.rest_until > now)
    if isinstance(plan.call.destination, str):
        asked = asked.where(destinations.name == plan.call.destination)
    ends = [one for one in (connection.execute(asked).scalar(), following) if one is not None]
    return min(ends, default=None)
