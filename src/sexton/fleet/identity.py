"""Whether a database is the one that was taken into the fleet: restored and copied ones would tell real people again.

Taken in means: its row of `sexton.identity` holds its name in the fleet, the cluster and the database in it, and the
installation. A dump that was restored, a clone on the same server and pg_upgrade change the cluster; a copy of a disk
keeps it, so the installation, which the environment gives, tells that one. Nothing runs where one differs, until
somebody says `sexton fleet adopt NAME`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, select, text, update

from ..db.tables import own_tables
from ..db.upsert import upsert
from ..errors import SextonError
from .database import FleetDatabase

_CLUSTER = text(
    "SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()) || '/' || oid"
    " FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()"
)
"""pg_upgrade and a restore give another identifier; CREATE DATABASE … TEMPLATE gives another oid."""


FLEET_REVISION = "1017"
"""The revision from which on `sexton.identity` holds what is compared here."""


class IdentityDiffers(SextonError):
    """A database is not the one that was taken in under this name, or none was; the message says what differs.

    reason: the same without the names of this one.
    """

    def __init__(self, text: str, reason: str) -> None:
        self.reason = reason
        super().__init__(text)


def cluster_of(connection: Connection) -> str:
    """Identifier of the server's data folder and oid of the database; of SQLite the path of the file."""
    if connection.dialect.name == "postgresql":
        return str(connection.execute(_CLUSTER).scalar_one())
    files = {row.name: row.file for row in connection.exec_driver_sql("PRAGMA database_list")}
    return str(files["main"])


def confirm_identity(connection: Connection, database: FleetDatabase, installation: str) -> None:
    """Nothing, when it is the one that was taken in. IdentityDiffers, with what differs and what to do about it."""
    if not is_taken_in(connection, database, installation):
        why = "not taken into the fleet yet; run: sexton fleet migrate"
        raise IdentityDiffers(f"{database.name} was {why}", why)


def is_taken_in(connection: Connection, database: FleetDatabase, installation: str) -> bool:
    """Whether it is; False where nobody has taken it in. IdentityDiffers where it is another one."""
    found = _row(connection)
    if found is None or found.fleet_name is None:
        return False
    if differences := [*_differences(connection, found, database.name, installation)]:
        said = "; ".join(text for text, _ in differences)
        raise IdentityDiffers(
            f"{said}. Nothing runs in {database.name} until: sexton fleet adopt {database.name}",
            f"{' and '.join(reason for _, reason in differences)}; see: sexton fleet adopt",
        )
    return True


def _differences(
    connection: Connection, found: Row[Any, Any, Any], name: str, installation: str
) -> Iterator[tuple[str, str]]:
    """What differs, with and without names."""
    if found.fleet_name != name:
        yield f"it was taken in as {found.fleet_name}", "taken in under another name"
    if found.installation != installation:
        yield f"it belongs to installation {found.installation}, and this is {installation}", "of another installation"
    if found.cluster != (now := cluster_of(connection)):
        moved = "restored, copied, moved or upgraded"
        yield f"it was taken in on cluster {found.cluster}, and is on {now}: {moved}", moved


def take_in(connection: Connection, database: FleetDatabase, installation: str) -> bool:
    """Put on record who it is, where nobody has; True when that was done just now. The id stays."""
    table = own_tables(connection.dialect.name).identity
    _provide_row(connection)
    who = {"fleet_name": database.name, "cluster": cluster_of(connection), "installation": installation}
    mine = update(table).where(table.c.fleet_name.is_(None)).values(who)
    return bool(connection.execute(mine).rowcount)


def adopt(connection: Connection, database: FleetDatabase, installation: str) -> str:
    """Take it as it is from now on. It gets a new id, as its original may live on; that is returned."""
    table, new = own_tables(connection.dialect.name).identity, secrets.token_hex(8)
    _provide_row(connection)
    who = {"fleet_name": database.name, "cluster": cluster_of(connection), "installation": installation}
    connection.execute(update(table).values(id=new, **who))
    return new


def _row(connection: Connection) -> Row[Any, Any, Any] | None:
    table = own_tables(connection.dialect.name).identity
    return connection.execute(select(table.c.fleet_name, table.c.cluster, table.c.installation)).first()


def _provide_row(connection: Connection) -> None:
    table = own_tables(connection.dialect.name).identity
    row = {"number": 1, "id": secrets.token_hex(8)}
    connection.execute(upsert(connection.dialect.name, table).values(row).on_conflict_do_nothing())
