"""Judging after the dust has settled: every effect there once, none lost, none doubled; run rows and leases."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Engine, select, update

from sexton.db.server_clock import database_now
from sexton.db.tables import own_tables
from sexton.slots.lease import Lease

from .sessions import Sessions


def assert_expired_once(shop: Sessions, ids: Iterable[int]) -> None:
    """Exactly these sessions have expired, and each was told to both, once."""
    ids = sorted(ids)
    told = [f"session_expired:{number}:{who}" for number in ids for who in ("owner", "admin")]
    assert shop.ids(status="expired") == ids
    assert shop.effects() == sorted(told)
    assert sorted(shop.messages()) == sorted(told)


def states(shop: Sessions) -> list[str]:
    """States of the runs, oldest first."""
    return [run.state for run in shop.runs()]


def lease_row(engine: Engine, name: str) -> tuple[str | None, int, datetime] | None:
    """Holder, epoch and end of a lease; None when nobody ever held it."""
    leases = own_tables(engine.dialect.name).leases
    asked = select(leases.c.holder, leases.c.epoch, leases.c.expires_at).where(leases.c.name == name)
    with engine.connect() as connection:
        row = connection.execute(asked).one_or_none()
    return None if row is None else (row.holder, row.epoch, row.expires_at)


def is_free(engine: Engine, job: str) -> bool:
    """Whether nobody holds the lease of the job, not even a dead process."""
    row = lease_row(engine, f"job:{job}")
    return row is None or row[0] is None


def let_leases_end(engine: Engine, seconds: float = 0.0) -> None:
    """Make all leases end `seconds` from now, as if the time had passed."""
    leases = own_tables(engine.dialect.name).leases
    with engine.begin() as connection:
        connection.execute(update(leases).values(expires_at=database_now(engine.dialect.name, seconds - 0.001)))


def lease_of(name: str, holder: str, epoch: int, *, seconds: float = 10.0) -> Lease:
    """A lease as its holder remembers it."""
    return Lease(name, holder, epoch, seconds, renewed=0.0)
