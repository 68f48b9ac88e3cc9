"""Requests that an engine carries: marked as submitted before their numbers are handed on, and again by the sweep.

ready ──take_to_submit──> submitted ──claimed by whoever brings its number──> running
  ^                          │
  └── hand_back              └── unclaimed for 60 s, 2 min, ... 1 h: taken once more
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, and_, case, exists, or_, select, update

from ..db.connect import read_only
from ..db.server_clock import database_now, now_of_statement
from ..db.tables import own_tables
from ..request_state import WAITING_REQUESTS, RequestState
from ..slots.lease import short_transaction
from ..slots.submission import FIRST_SWEEP, LONGEST_SWEEP, STALLED, sweep_after

SWEEP_LEVELS = next(number for number in range(1, 30) if sweep_after(number) >= LONGEST_SWEEP)
"""Submissions after which the time until the next one grows no more."""


ADOPTED_SECONDS = 60.0
"""Seconds between two looks at requests that another engine was to carry: each reads all that wait."""


ADOPTED_AT_ONCE = 5_000
"""Of those, how many one transaction moves."""


class ToSubmit(NamedTuple):
    """A request to hand on. again: once more, as nobody began it."""

    id: int
    job: str
    priority: int
    again: bool


def adopt_others(database: Engine, jobs: Collection[str], engine: str, lease_seconds: float) -> int:
    """`adopt`, where there is something to adopt: most of the time this only reads."""
    with read_only(database) as connection:
        if not are_of_others(connection, jobs, engine):
            return 0
    moved = 0
    while True:
        with short_transaction(database, lease_seconds) as connection:
            more = adopt(connection, jobs, engine)
        moved += more
        if more < ADOPTED_AT_ONCE:
            return moved


def adopt(connection: Connection, jobs: Collection[str], engine: str) -> int:
    """Requests of these jobs that another engine was to carry are this one's, as the settings changed; how many.

    Up to 5,000 at once.

    A number that was handed to the other one and comes there finds it free, and begins it all the same: once.
    """
    table = own_tables(connection.dialect.name).requests
    others = (table.c.job.in_(jobs), table.c.engine != engine, table.c.state.in_(WAITING_REQUESTS))
    some = select(table.c.id).where(*others).limit(ADOPTED_AT_ONCE).with_for_update(skip_locked=True).cte("some")
    state = case((table.c.state == RequestState.SUBMITTED, RequestState.READY), else_=table.c.state)
    values = {"engine": engine, "state": state, "submitted_at": None, "submissions": 0}
    return connection.execute(update(table).where(table.c.id == some.c.id).values(values)).rowcount


def is_to_submit(connection: Connection, engine: str) -> bool:
    """Whether `take_to_submit` would find something; only reads."""
    requests = own_tables(connection.dialect.name).requests.c
    ready = select(requests.id).where(requests.engine == engine, requests.state == RequestState.READY)
    late = select(requests.id).where(requests.engine == engine, _is_due_again(connection.dialect.name))
    return any(connection.execute(asked.limit(1)).first() is not None for asked in (ready, late))


def are_of_others(connection: Connection, jobs: Collection[str], engine: str) -> bool:
    """Whether `adopt` would find something; only reads."""
    requests = own_tables(connection.dialect.name).requests.c
    others = (requests.job.in_(jobs), requests.engine != engine, requests.state.in_(WAITING_REQUESTS))
    return connection.execute(select(requests.id).where(*others).limit(1)).first() is not None


def take_to_submit(connection: Connection, engine: str, limit: int, *, again: int) -> list[ToSubmit]:
    """Mark up to so many as submitted now: those that are ready, the highest priority and the oldest first, and of
    those that nobody began up to `again`."""
    dialect = connection.dialect.name
    table = own_tables(dialect).requests
    mine, ready = table.c.engine == engine, table.c.state == RequestState.READY
    first = select(table.c.id).where(mine, ready).order_by(table.c.priority.desc(), table.c.id)
    second = select(table.c.id).where(mine, _is_due_again(dialect)).order_by(table.c.submitted_at)
    found: list[ToSubmit] = []
    for picked, most, repeated in ((second, min(again, limit), True), (first, limit, False)):
        if most - len(found) * (not repeated) <= 0:
            continue
        ids = picked.limit(most if repeated else most - len(found)).with_for_update(skip_locked=True).cte("picked")
        values = {"state": RequestState.SUBMITTED, "submitted_at": database_now(dialect)}
        marked = update(table).where(table.c.id == ids.c.id).values(**values, submissions=table.c.submissions + 1)
        rows = connection.execute(marked.returning(table.c.id, table.c.job, table.c.priority))
        found += [ToSubmit(row.id, row.job, row.priority, repeated) for row in rows]
    return sorted(found, key=lambda one: (-one.priority, one.id))


def hand_back(connection: Connection, ids: Sequence[int]) -> None:
    """These were not taken after all: they are ready again."""
    table = own_tables(connection.dialect.name).requests
    submitted = (table.c.id.in_(ids), table.c.state == RequestState.SUBMITTED)
    connection.execute(update(table).where(*submitted).values(state=RequestState.READY, submitted_at=None))


def requests_move(connection: Connection, engine: str, now: datetime) -> bool:
    """Whether a request was begun or ended by a worker of this engine within the last five minutes."""
    own = own_tables(connection.dialect.name)
    requests, counts, workers = own.requests.c, own.request_counts.c, own.workers.c
    running = (requests.state == RequestState.RUNNING, requests.engine == engine)
    begun = exists(select(requests.id).where(*running, requests.claimed_at > now - STALLED))
    theirs = select(workers.name).where(workers.engine == engine)
    ended = exists(select(counts.job).where(counts.minute > now - STALLED, counts.holder.in_(theirs)))
    return bool(connection.execute(select(or_(begun, ended))).scalar())


def was_tried_again(connection: Connection, engine: str) -> bool:
    """Whether a request was handed on once more within the last minute, and nobody has begun it."""
    dialect = connection.dialect.name
    requests = own_tables(dialect).requests.c
    lately = requests.submitted_at > now_of_statement(dialect, -FIRST_SWEEP.total_seconds())
    asked = select(requests.id).where(requests.state == RequestState.SUBMITTED, lately, requests.submissions > 1)
    return connection.execute(asked.where(requests.engine == engine).limit(1)).first() is not None


def _is_due_again(dialect: str) -> ColumnElement[bool]:
    requests = own_tables(dialect).requests.c

    def late(number: int) -> ColumnElement[bool]:
        return requests.submitted_at <= now_of_statement(dialect, -sweep_after(number).total_seconds())

    levels = [and_(requests.submissions == number, late(number)) for number in range(SWEEP_LEVELS)]
    return and_(
        requests.state == RequestState.SUBMITTED,
        late(1),
        or_(*levels, and_(requests.submissions >= SWEEP_LEVELS, late(30))),
    )
