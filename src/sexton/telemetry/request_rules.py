"""When something is wrong with jobs on demand: requests became dead letters within a day.

The incident ends by itself after that day, or as soon as a person has replayed or discarded them.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from ..db.tables import own_tables
from ..masking import scrubbed
from .alert_rules import RuleMatch
from .call_rules import COUNTED_DAY

DEAD_REQUESTS = "dead_requests"
"""Kind of an incident about a job whose requests nobody tries any more."""


def request_matches(connection: Connection, jobs: Collection[str], now: datetime) -> dict[tuple[str, str], RuleMatch]:
    """All that is wrong, by job and kind; only reads. jobs: names of those that are defined.

    A job that nobody knows here is told about as well: it may have been forgotten in a deploy.
    """
    found = {}
    for row in connection.execute(died_since(connection.dialect.name, now)):
        requests = "1 request is" if row.number == 1 else f"{row.number:,} requests are"
        unknown = "" if row.job in jobs else ", a job that is not known here"
        text = f"{row.job}: {requests} dead, and will not be tried again{unknown}"
        error = None if row.error is None else scrubbed(" ".join(row.error.split()))[:300]
        found[row.job, DEAD_REQUESTS] = RuleMatch(DEAD_REQUESTS, text, row.oldest, error)
    return found


def died_since(dialect: str, now: datetime) -> Select[Any]:
    """By job, within a day: how many, when the first of them died, and one of the errors."""
    dead = own_tables(dialect).dead_requests.c
    oldest = func.min(dead.died_at, type_=dead.died_at.type).label("oldest")
    error = func.max(dead.error, type_=dead.error.type).label("error")
    asked = select(dead.job, func.count().label("number"), oldest, error)
    return asked.where(dead.died_at >= now - COUNTED_DAY).group_by(dead.job)
