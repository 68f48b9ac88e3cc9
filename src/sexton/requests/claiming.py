"""Claim requests: one statement takes up to a hundred, each is one process's, and nobody waits for a row.

The claim stands while its holder's row in `workers` does; see `holders`. The request row is the fence: whatever a
process writes about a request names the row and itself, so one that was replaced writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    Update,
    bindparam,
    func,
    literal,
    select,
    type_coerce,
    update,
)

from ..db.column_types import UtcDateTime
from ..db.server_clock import database_now
from ..db.tables import own_tables
from ..request_state import STARTABLE_REQUESTS, RequestState
from .claimed_request import ClaimedRequest

MAX_CLAIM = 100
"""Requests that one statement takes at most."""

FROM_THE_START_SECONDS = 1.0
"""Seconds between two claims that begin at the head of the queue, for those that were committed late."""


class Claims:
    """The claims of one process, under one engine. A floor passes what is dead in the index.

    While somebody's old snapshot is held, what was claimed and deleted stays in the index, and each claim would read
    all of it again (river#59). So a claim goes on behind the last one, unless a higher priority waits.
    """

    def __init__(self, holder: str, engine: str) -> None:
        self.holder = holder
        self.engine = engine
        self._floor: tuple[int, int] | None = None
        self._from_start = 0.0

    def claim(self, connection: Connection, limit: int) -> list[ClaimedRequest]:
        """Up to so many, the highest priority and the oldest first; SKIP LOCKED."""
        limit = min(max(limit, 1), MAX_CLAIM)
        found: list[ClaimedRequest] = []
        if self._floor is not None and time.monotonic() - self._from_start < FROM_THE_START_SECONDS:
            priority, number = self._floor
            behind = {"floor_priority": priority, "floor_id": number}
            found = self._taken(connection, _behind(connection.dialect.name), limit, behind)
        if not found:
            self._from_start = time.monotonic()
            found = self._taken(connection, _head(connection.dialect.name), limit, {})
        return found

    def _taken(
        self, connection: Connection, statement: Update, limit: int, more: dict[str, int]
    ) -> list[ClaimedRequest]:
        values = {"holder_name": self.holder, "engine_name": self.engine, "most": limit, **more}
        rows = sorted(connection.execute(statement, values).all(), key=lambda row: (-row.priority, row.id))
        self._floor = (rows[-1].priority, rows[-1].id) if rows else None
        return [ClaimedRequest._make(row[:-1]) for row in rows]

    def claim_these(self, connection: Connection, ids: Sequence[int]) -> list[ClaimedRequest]:
        """Those of these that wait and are free, whatever engine was to carry them; in the order of their numbers."""
        rows = connection.execute(_these(connection.dialect.name), {"holder_name": self.holder, "ids": list(ids)}).all()
        return sorted((ClaimedRequest._make(row[:-1]) for row in rows), key=lambda request: request.id)


def _claim(dialect: str, picked: Select[Any]) -> Any:
    table = own_tables(dialect).requests
    cte = picked.with_for_update(skip_locked=True).cte("picked")
    values = {"state": RequestState.RUNNING, "holder": bindparam("holder_name"), "begun": False}
    return (
        update(table)
        .where(table.c.id == cte.c.id)
        .values(**values, claimed_at=database_now(dialect), cancelled_by=None, unknown_since=table.c.unknown_since)
        .returning(*_columns(dialect))
    )


def _columns(dialect: str) -> list[ColumnElement[Any]]:
    """Of a `ClaimedRequest`, in order, and its priority. Instants as they are: these rows are our own doing."""
    table = own_tables(dialect).requests.c
    names = ("id", "job", "args", "args_version", "attempt", "attempts", "crashes", "unique_key", "serial_key")
    ready_at = type_coerce(func.coalesce(table.run_at, table.created_at), UtcDateTime())
    claimed_at = type_coerce(table.claimed_at, UtcDateTime())
    return [*(table[name] for name in names), table.asked_by, ready_at, claimed_at, table.priority]


@cache
def _head(dialect: str) -> Any:
    return _claim(dialect, _ready(dialect))


@cache
def _behind(dialect: str) -> Any:
    table = own_tables(dialect).requests.c
    same = bindparam("floor_priority", type_=Integer())
    higher = _waiting(dialect).where(table.priority > same).with_only_columns(literal(1))
    return _claim(
        dialect, _ready(dialect).where(table.priority == same, table.id > bindparam("floor_id"), ~higher.exists())
    )


def _waiting(dialect: str) -> Select[Any]:
    table = own_tables(dialect).requests.c
    return select(table.id).where(
        table.state == literal(RequestState.READY, literal_execute=True), table.engine == bindparam("engine_name")
    )


def _ready(dialect: str) -> Select[Any]:
    table = own_tables(dialect).requests.c
    return _waiting(dialect).order_by(table.priority.desc(), table.id).limit(bindparam("most", type_=Integer()))


@cache
def _these(dialect: str) -> Any:
    table = own_tables(dialect).requests.c
    named = table.id.in_(bindparam("ids", expanding=True))
    return _claim(dialect, select(table.id).where(named, table.state.in_(STARTABLE_REQUESTS)))


def any_ready(connection: Connection, engine: str) -> bool:
    """Whether something waits; only reads."""
    asked = _waiting(connection.dialect.name).limit(1)
    return connection.execute(asked, {"engine_name": engine}).first() is not None
