"""What a session must be for the product's own calls: in a transaction, and one that sees what others committed.

Else a lock on a lot is gone before its entries are read, or they are read as of a time before the lock: two spend the
same. A connection of the product's own may be anything, so each call looks first.
"""

from __future__ import annotations

from sqlalchemy import Connection, false, text, update

from sexton import SextonError

from .tables import LedgerTables

_BEGINS = text("SELECT current_setting('transaction_isolation'), CAST(pg_current_xact_id() AS text)")
_GOES_ON = text("SELECT CAST(pg_current_xact_id_if_assigned() AS text)")


def require_transaction(connection: Connection, own: LedgerTables, *, fresh: bool = False) -> None:
    """SextonError unless what is written now is committed at once, by the caller.

    fresh: and unless a statement sees what was committed before it began, or is refused.
    On SQLite it also takes the right to write, which a driver may not ask for before the first row is written.
    """
    if connection.dialect.name == "postgresql":
        level, number = connection.execute(_BEGINS).one()
        goes_on = connection.execute(_GOES_ON).scalar_one() == number
    else:
        level = ""
        connection.execute(update(own.lots).where(false()).values(id=own.lots.c.id))
        goes_on = bool(getattr(connection.connection.dbapi_connection, "in_transaction", False))
    if not goes_on:
        raise SextonError("the ledger is to be called in a transaction; this connection commits each statement")
    if fresh and level == "repeatable read":
        raise SextonError("the ledger is to be called in READ COMMITTED or SERIALIZABLE, not in REPEATABLE READ")
