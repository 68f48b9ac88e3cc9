"""Calls to the outside in figures: what they came to since midnight, what waits, what nobody got through to.

What is kept about calls in columns of the product is in the outcomes only; the rest reads our own tables, no more than
10,000 rows of each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, cast, func, or_, select

from ..call_state import OPEN_CALLS, CallState
from ..db.call_conditions import ended_badly
from ..db.tables import own_tables
from ..run_counts import steps_from_json

MAX_COUNTED_CALLS = 10_000
"""Rows that are counted of one table, so that a flood of them costs no more."""

OUTCOME_WORDS = (
    *(state.value for state in CallState if state not in OPEN_CALLS),
    *("again", "down", "uncertain", "late", "overdue"),
)
"""What a call can come to, as runs count it; other words beside them are rows that hung on others."""

MILLISECONDS = "milliseconds"
"""Beside the outcomes of a step: how long its calls took, all together."""

_PLAIN_NAME = re.compile(r"[\w.:-]{1,100}", re.ASCII)
"""Names that become labels: those of steps and channels are ours, and a row that somebody wrote names none."""

OutcomeCounts = dict[tuple[str, str, str], int]
"""How often, by job, step and outcome."""


@dataclass(frozen=True, slots=True)
class WaitingCalls:
    """number: rows, at most `MAX_COUNTED_CALLS` of all jobs or channels.  oldest: since when the first has waited."""

    number: int
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallCounters:
    """outcomes: since midnight.  calls, ended_badly: by job.  deliveries, dead: by channel; messages' own calls.

    unwell: of whoever is called those that rest or are disabled.
    """

    outcomes: OutcomeCounts = field(default_factory=dict)
    calls: Mapping[str, WaitingCalls] = field(default_factory=dict)
    ended_badly: Mapping[str, int] = field(default_factory=dict)
    deliveries: Mapping[str, WaitingCalls] = field(default_factory=dict)
    dead: Mapping[str, int] = field(default_factory=dict)
    unwell: int = 0


def add_outcomes(
    connection: Connection, outcomes: OutcomeCounts, names: set[str], start: datetime, end: datetime
) -> None:
    """Add what the runs of these jobs came to that ended in start <= … < end."""
    rows = connection.execute(runs_that_called(connection.dialect.name, start, end)).all()
    for job, kept in rows:
        steps = steps_from_json(kept) if job in names else {}
        for step, counts in steps.items():
            if counts.call_milliseconds and _PLAIN_NAME.fullmatch(step):
                spent = (job, step, MILLISECONDS)
                outcomes[spent] = outcomes.get(spent, 0) + counts.call_milliseconds
            for word in OUTCOME_WORDS if _PLAIN_NAME.fullmatch(step) else ():
                if number := counts.also.get(word, 0):
                    outcomes[job, step, word] = outcomes.get((job, step, word), 0) + number


def read_calls(connection: Connection, outcomes: OutcomeCounts) -> CallCounters:
    """What waits now, beside these outcomes."""
    own = own_tables(connection.dialect.name)
    calls, deliveries = own.calls.c, own.deliveries.c
    unwell = connection.execute(counted_unwell(connection.dialect.name)).scalar_one()
    return CallCounters(
        outcomes,
        _waiting(connection, open_rows(calls.job, calls.first_at, calls.closed_at)),
        _numbers(connection, dead_rows(calls.job, calls.state, calls.closed_at)),
        _waiting(connection, open_rows(deliveries.channel, deliveries.created_at, deliveries.closed_at)),
        _numbers(connection, dead_rows(deliveries.channel, deliveries.state, deliveries.closed_at)),
        int(unwell),
    )


def runs_that_called(dialect: str, start: datetime, end: datetime) -> Select[Any]:
    """Jobs and counts of the runs that ended in start <= … < end and have more to count than rows of their table."""
    runs = own_tables(dialect).runs.c
    more = cast(runs.counts, Text).like('%"also"%')
    return select(runs.job, runs.counts).where(runs.finished_at >= start, runs.finished_at < end, more)


def open_rows(name: ColumnElement[str], since: ColumnElement[Any], closed: ColumnElement[Any]) -> Select[Any]:
    """Those that are still to be called for, by name: how many, and the oldest."""
    some = select(name.label("name"), since.label("since")).where(closed.is_(None)).limit(MAX_COUNTED_CALLS).subquery()
    oldest = func.min(some.c.since, type_=since.type).label("oldest")
    return select(some.c.name, func.count().label("number"), oldest).group_by(some.c.name)


def dead_rows(name: ColumnElement[str], state: ColumnElement[str], closed: ColumnElement[Any]) -> Select[Any]:
    """Those that ended badly, by name; the newest."""
    some = select(name.label("name")).where(ended_badly(state))
    newest = some.order_by(closed.desc()).limit(MAX_COUNTED_CALLS).subquery()
    return select(newest.c.name, func.count().label("number")).group_by(newest.c.name)


def counted_unwell(dialect: str) -> Select[Any]:
    """How many of those who are called rest or are disabled."""
    one = own_tables(dialect).destinations.c
    some = select(one.name).where(or_(one.rest_until.is_not(None), one.disabled_at.is_not(None)))
    return select(func.count()).select_from(some.limit(MAX_COUNTED_CALLS).subquery())


def _waiting(connection: Connection, asked: Select[Any]) -> dict[str, WaitingCalls]:
    rows = connection.execute(asked).all()
    return {row.name: WaitingCalls(row.number, row.oldest) for row in rows if _PLAIN_NAME.fullmatch(row.name)}


def _numbers(connection: Connection, asked: Select[Any]) -> dict[str, int]:
    rows = connection.execute(asked).all()
    return {row.name: row.number for row in rows if _PLAIN_NAME.fullmatch(row.name)}
