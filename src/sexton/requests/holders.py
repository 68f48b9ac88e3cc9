"""Who takes requests: one row a process in `workers`, renewed while it lives; what becomes of its requests if not."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, exists, select

from ..db.server_clock import database_now
from ..db.tables import own_tables
from ..db.upsert import upsert
from ..request_state import RequestState
from ..slots.claim import DEAD
from .releasing import release, tell_of

MAX_CRASHED_ATTEMPTS = 3
"""Attempts of one request whose process may die; then it is dead."""


@dataclass(slots=True)
class Holder:
    """One process. seconds: how long its row stands without renewal.  renewed: monotonic time of the last one.

    lapsed: it was renewed too late, and others may have taken what was claimed before.
    """

    name: str
    engine: str
    seconds: float
    renewed: float = field(default=0.0)
    lapsed: bool = False

    def renew(self, connection: Connection, *, idle: bool = False) -> None:
        """Write the row, or prolong it. idle: whoever enqueues has to ring."""
        dialect = connection.dialect.name
        table = own_tables(dialect).workers
        began = time.monotonic()
        later = database_now(dialect, self.seconds)
        row = {"name": self.name, "engine": self.engine, "idle": idle, "started_at": database_now(dialect)}
        new = upsert(dialect, table).values(**row, expires_at=later)
        kept = new.on_conflict_do_update(index_elements=["name"], set_={"idle": idle, "expires_at": later})
        connection.execute(kept)
        self.lapsed = self.lapsed or 0.0 < self.renewed < began - self.seconds
        self.renewed = began

    def leave(self, connection: Connection) -> None:
        """The process ends in order, or it is known to be gone."""
        table = own_tables(connection.dialect.name).workers
        connection.execute(table.delete().where(table.c.name == self.name))


def leave_for(connection: Connection, name: str) -> None:
    """A process is gone, and with it each holder that it was: NAME.0, and NAME.1 after it had lost its database."""
    table = own_tables(connection.dialect.name).workers
    connection.execute(table.delete().where(table.c.name.startswith(f"{name}.", autoescape=True)))


def reap(connection: Connection) -> tuple[bool, list[int]]:
    """Requests of processes that are gone wait again: whether there were any, and those that have no attempt left.

    Of a process that died, the one that was under way is to blame. Where that was not written yet, all that it had
    might be, and each of them is begun alone from then on (see `Shift`), so that the next crash knows.
    """
    dialect = connection.dialect.name
    requests, workers = own_tables(dialect).requests, own_tables(dialect).workers
    alive = select(workers.c.name).where(
        workers.c.name == requests.c.holder, workers.c.expires_at > database_now(dialect)
    )
    gone = (requests.c.state == RequestState.RUNNING, ~exists(alive))
    columns = ("id", "job", "asked_by", "holder", "begun", "crashes", "attempt", "attempts")
    left = connection.execute(
        select(*(requests.c[name] for name in columns)).where(*gone).with_for_update(skip_locked=True)
    ).all()
    known = {row.holder for row in left if row.begun}
    blamed = [row for row in left if row.begun or row.holder not in known]
    for row in blamed:
        tell_of(connection, row, DEAD, row.holder)
    innocent = {row.id for row in left} - {row.id for row in blamed}
    free: dict[str, Any] = {"state": RequestState.READY, "holder": None, "begun": False}
    release(connection, sorted(innocent), free)
    charged = {"attempt": requests.c.attempt + 1, "crashes": requests.c.crashes + 1}
    release(connection, [row.id for row in blamed], free | charged)
    used_up = [row.id for row in blamed if row.crashes + 1 >= MAX_CRASHED_ATTEMPTS or row.attempt >= row.attempts]
    return bool(left), used_up


def forget_the_dead(connection: Connection) -> None:
    """Rows of processes that are gone for an hour."""
    dialect = connection.dialect.name
    workers = own_tables(dialect).workers
    connection.execute(workers.delete().where(workers.c.expires_at < database_now(dialect, -3600.0)))


def sleeping(connection: Connection, engine: str) -> bool:
    """Whether a worker of this engine says that it sleeps."""
    dialect = connection.dialect.name
    workers = own_tables(dialect).workers
    asked = select(workers.c.name).where(
        workers.c.idle, workers.c.engine == engine, workers.c.expires_at > database_now(dialect)
    )
    return connection.execute(asked.limit(1)).first() is not None


def working(connection: Connection) -> dict[str, int]:
    """How many processes take requests now, by engine."""
    dialect = connection.dialect.name
    workers = own_tables(dialect).workers
    alive = select(workers.c.engine).where(workers.c.expires_at > database_now(dialect))
    found: dict[str, int] = {}
    for engine in connection.execute(alive).scalars():
        found[engine] = found.get(engine, 0) + 1
    return found
