"""The databases that the home database knows: what the list said when it was last believed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, update

from ..config.secret_references import SecretKind
from ..db.tables import own_tables
from ..db.upsert import upsert
from .database import DatabaseState, FleetDatabase

SEEN_EVERY = timedelta(hours=1)
"""How exactly `last_seen_at` is kept: the list is read each minute, and rows that change are written anew."""

GONE_KEPT = timedelta(days=400)
"""How long a database stays listed after it was gone; as long as what was told to its people."""


NO_DATABASE = ""
"""Name of a row that is always gone: somebody has said that an empty list is meant so, and it stays believed."""


@dataclass(frozen=True, slots=True)
class KnownDatabase:
    """What is kept of one. secret: its own reference; None: that for all.  Of a command the program only."""

    name: str
    address: str
    secret: str | None
    server: str
    labels: Mapping[str, str]
    state: DatabaseState


def known_databases(connection: Connection) -> dict[str, KnownDatabase]:
    """Those that are not gone, by name."""
    table = own_tables(connection.dialect.name).databases
    columns = [table.c[name] for name in ("name", "address", "secret", "server", "labels", "state")]
    rows = connection.execute(select(*columns).where(table.c.gone_at.is_(None)).order_by(table.c.name))
    return {row.name: KnownDatabase(**{**row._mapping, "state": DatabaseState(row.state)}) for row in rows}


def is_meant_empty(connection: Connection) -> bool:
    """Whether somebody has said that the list is empty, see `mean_empty`."""
    name = own_tables(connection.dialect.name).databases.c.name
    return connection.execute(select(name).where(name == NO_DATABASE)).first() is not None


def mean_empty(connection: Connection, now: datetime) -> None:
    """Keep that an empty list was believed: where no database is known, it is believed again."""
    dialect = connection.dialect.name
    row: dict[str, Any] = {
        "name": NO_DATABASE,
        "address": "",
        "server": "",
        "labels": {},
        "state": str(DatabaseState.LEAVING),
    }
    row |= {"first_seen_at": now, "last_seen_at": now, "gone_at": now}
    made = upsert(dialect, own_tables(dialect).databases).values(row)
    connection.execute(made.on_conflict_do_nothing())


def known(database: FleetDatabase, secret: str | None) -> KnownDatabase:
    """What is kept of it."""
    if secret is not None and secret.startswith(SecretKind.COMMAND):
        secret = f"{SecretKind.COMMAND}:{json.loads(secret.partition(':')[2])[0]}"
    return KnownDatabase(
        database.name, database.address, secret, database.server, dict(database.labels), database.state
    )


def remember(
    connection: Connection, before: Mapping[str, KnownDatabase], now_listed: Sequence[KnownDatabase], now: datetime
) -> None:
    """Write what has changed: what is new, what is gone. before: as of `known_databases`."""
    dialect = connection.dialect.name
    table = own_tables(dialect).databases
    changed = [one for one in now_listed if before.get(one.name) != one]
    if changed:
        insert = upsert(dialect, table)
        new: dict[str, Any] = {
            name: insert.excluded[name] for name in ("address", "secret", "server", "labels", "state")
        }
        new |= {"last_seen_at": insert.excluded.last_seen_at, "gone_at": None}
        connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=new), _rows(changed, now))
    gone = sorted({*before} - {one.name for one in now_listed})
    for start in range(0, len(gone), 500):
        missing = table.c.name.in_(gone[start : start + 500])
        connection.execute(update(table).where(missing, table.c.gone_at.is_(None)).values(gone_at=now))
    here = (table.c.gone_at.is_(None), table.c.last_seen_at < now - SEEN_EVERY)
    connection.execute(update(table).where(*here).values(last_seen_at=now))
    connection.execute(delete(table).where(table.c.gone_at < now - GONE_KEPT, table.c.name != NO_DATABASE))


def _rows(changed: Iterable[KnownDatabase], now: datetime) -> list[dict[str, object]]:
    return [
        {
            "name": one.name,
            "address": one.address,
            "secret": one.secret,
            "server": one.server,
            "labels": dict(one.labels),
            "state": str(one.state),
            "first_seen_at": now,
            "last_seen_at": now,
        }
        for one in changed
    ]
