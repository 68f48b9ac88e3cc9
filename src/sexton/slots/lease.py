"""The lease of a job: one row that says who may execute it, until when, and in which epoch.

    free ──acquire──> held (epoch n) ──renew──> held ──release──> free
                          └─ expired, or far ahead (a clock jumped back) ──acquire──> held (epoch n + 1)

The database's clock decides. The epoch is the fence: every data transaction locks the lease row in share mode and
checks its own epoch as its first statement, so a holder that slept through its lease commits nothing more. A
successor waits for a transaction that is under way; the server ends it when its client froze (see `short_transaction`).
SQLite has one writer at a time, so reading the row inside an immediate transaction is the same check.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    Text,
    bindparam,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
    update,
)

from ..db.server_clock import database_now
from ..db.sessions import own_tables_only
from ..db.tables import own_tables
from ..db.upsert import upsert
from ..errors import LeaseLost

STRANGE = 4
"""A lease that ends more than this many lengths ahead was made by a clock that has since jumped back: it is broken."""

STRANGE_AT_LEAST = 600.0
"""Seconds ahead below which no lease is: during a deploy that changes its length, two lengths meet."""

LOCK_WAIT = "2s"
"""How long a transaction of our own waits for a row that others have locked."""

STATEMENT = "5s"
"""How long each of its statements may take."""

LEADER = "leader"
"""Name of the lease by which workers choose the one that starts jobs."""

HOST = "host"
"""Name of the lease by which processes of an API server choose the one that has a worker."""


def of_job(name: str) -> str:
    """Name of the lease of a job."""
    return f"job:{name}"


@dataclass(slots=True)
class Lease:
    """The right to execute `name`. seconds: its length.  renewed: monotonic time of the last renewal's start."""

    name: str
    holder: str
    epoch: int
    seconds: float
    renewed: float


def acquire(connection: Connection, name: str, holder: str, seconds: float) -> Lease | None:
    """Take the lease if it is free, expired or broken; None when another process holds it, which is normal."""
    dialect = connection.dialect.name
    leases = own_tables(dialect).leases
    began = time.monotonic()
    take = upsert(dialect, leases).values(name=name, holder=holder, epoch=1, expires_at=database_now(dialect, seconds))
    taken = take.on_conflict_do_update(
        index_elements=[leases.c.name],
        set_={"holder": holder, "epoch": leases.c.epoch + 1, "expires_at": database_now(dialect, seconds)},
        where=_free(dialect, seconds),
    ).returning(leases.c.epoch)
    epoch = connection.execute(taken).scalar_one_or_none()
    return None if epoch is None else Lease(name, holder, epoch, seconds, began)


def is_free(connection: Connection, name: str, seconds: float) -> bool:
    """Whether `acquire` would get it; only reads."""
    dialect = connection.dialect.name
    leases = own_tables(dialect).leases
    held = select(leases.c.name).where(leases.c.name == name, not_(_free(dialect, seconds)))
    return connection.execute(held).first() is None


def _free(dialect: str, seconds: float) -> ColumnElement[bool]:
    """Given back, expired, or broken by a clock that jumped."""
    leases = own_tables(dialect).leases
    return or_(
        leases.c.holder.is_(None),
        leases.c.expires_at <= database_now(dialect),
        leases.c.expires_at > database_now(dialect, max(seconds * STRANGE, STRANGE_AT_LEAST)),
    )


def fence(connection: Connection, lease: Lease, limits: dict[str, str], *, renew_after: float) -> None:
    """First statement of a data transaction: still ours? Renews when `renew_after` seconds have passed.

    limits: PostgreSQL settings for this transaction only ("lock_timeout": "20ms").  LeaseLost when replaced.
    """
    names = tuple(limits) if connection.dialect.name == "postgresql" else ()
    values = {f"set_{name}": limits[name] for name in names}
    if time.monotonic() - lease.renewed < renew_after:
        mine = {"mine_name": lease.name, "mine_holder": lease.holder, "mine_epoch": lease.epoch}
        held = connection.execute(_check(connection.dialect.name, names), {**mine, **values}).first() is not None
    else:
        if names:
            connection.execute(select(*_settings(names)), values)
        held = renew(connection, lease)
    if not held:
        raise LeaseLost(f"{lease.name} was taken over by another process; nothing more was committed here")


@cache
def _check(dialect: str, names: tuple[str, ...]) -> Select[Any]:
    """Built once: building and keying it again for every batch costs as much as its round trip."""
    leases = own_tables(dialect).leases
    mine = (
        leases.c.name == bindparam("mine_name"),
        leases.c.holder == bindparam("mine_holder"),
        leases.c.epoch == bindparam("mine_epoch"),
    )
    return select(literal_column("1"), *_settings(names)).where(*mine).with_for_update(read=True)


def _settings(names: tuple[str, ...]) -> list[ColumnElement[Any]]:
    return [
        func.set_config(literal_column(f"'{name}'"), bindparam(f"set_{name}", type_=Text()), true()) for name in names
    ]


@contextmanager
def short_transaction(engine: Engine, seconds: float) -> Iterator[Connection]:
    """A transaction of our own that may lock a lease row: the server limits its waits, also those for its client.

    seconds: length of the lease. Frozen inside such a transaction, a process would keep its successor out for ever.
    """
    limits = {
        "lock_timeout": LOCK_WAIT,
        "statement_timeout": STATEMENT,
        "idle_in_transaction_session_timeout": f"{max(int(seconds * 800), 1)}ms",
    }
    with own_tables_only(engine, limits) as connection:
        yield connection


def renew(connection: Connection, lease: Lease) -> bool:
    """Prolong the lease from now on; False when it is no longer ours."""
    leases = own_tables(connection.dialect.name).leases
    began = time.monotonic()
    prolonged = (
        update(leases)
        .where(leases.c.name == lease.name, leases.c.holder == lease.holder, leases.c.epoch == lease.epoch)
        .values(expires_at=database_now(connection.dialect.name, lease.seconds))
    )
    if connection.execute(prolonged).rowcount != 1:
        return False
    lease.renewed = began
    return True


def release(connection: Connection, lease: Lease) -> bool:
    """Give the lease back; False when it was ours no longer. A late release never removes a successor's lease."""
    leases = own_tables(connection.dialect.name).leases
    freed = (
        update(leases)
        .where(leases.c.name == lease.name, leases.c.holder == lease.holder, leases.c.epoch == lease.epoch)
        .values(holder=None, expires_at=database_now(connection.dialect.name))
    )
    return connection.execute(freed).rowcount == 1
