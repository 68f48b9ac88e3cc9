"""Who this database is to receivers of messages: numbers of rows are counted anew in each, this id is not (SEC-18)."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, select

from .tables import own_tables
from .upsert import upsert


def identity(connection: Connection) -> str:
    """Sixteen hexadecimal digits, made once at random by `sexton migrate`; made now if the row was deleted."""
    table = own_tables(connection.dialect.name).identity
    asked = select(table.c.id)
    found: str | None = connection.execute(asked).scalar()
    if found is not None:
        return found
    row = {"number": 1, "id": secrets.token_hex(8)}
    connection.execute(upsert(connection.dialect.name, table).values(row).on_conflict_do_nothing())
    return str(connection.execute(asked).scalar_one())


def renew_identity(connection: Connection) -> str:
    """Another one, for a copy that lives on beside its original. The new id."""
    table, new = own_tables(connection.dialect.name).identity, secrets.token_hex(8)
    made = upsert(connection.dialect.name, table).values(number=1, id=new)
    connection.execute(made.on_conflict_do_update(index_elements=["number"], set_={"id": new}))
    return new
