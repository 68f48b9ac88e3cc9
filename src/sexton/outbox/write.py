"""The effects ledger and the outbox, filled from a relation of facts.

A relation of facts has the columns of `FACTS`. `record` keeps each key once, ever; `enqueue` writes messages for the
facts that were new. Both are single statements, so that they can stand in one CTE with the change of the rows, and
inside a PL/pgSQL procedure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, FromClause, Insert, Select, Text, bindparam, insert, select
from sqlalchemy.sql.elements import ColumnElement

from ..db.effect_keys import KEY_FORM, MAX_KEY_CHARACTERS, storable
from ..db.ledger import CURRENT_FORM
from ..db.notify import notify
from ..db.outbox_table import Outbox, own_outbox
from ..db.server_clock import ask_now
from ..db.sql_expressions import JOB, RUN
from ..db.tables import own_tables
from ..db.time_parameters import now
from ..db.upsert import upsert

FACTS = ("part", "key", "subject", "event_type", "recipient", "payload")
"""part: which message of the policy (0, 1, …); event_type NULL: on record only."""


def record(dialect: str, facts: FromClause) -> Insert:
    """Put the facts on record; those already there are left alone. RETURNING key gives the new ones."""
    effects = own_tables(dialect).effects
    columns = ["key", "job", "subject", "run_id", "created_at", "form"]
    rows = select(
        facts.c.key,
        bindparam(JOB, type_=Text()).label("job"),
        facts.c.subject,
        bindparam(RUN, type_=BigInteger()).label("run_id"),
        now().label("created_at"),
        CURRENT_FORM.label("form"),
    ).order_by(facts.c.part, facts.c.key)
    # SQLite reads "ON CONFLICT" after a bare SELECT as a join condition; a WHERE in between settles it.
    statement = upsert(dialect, effects).from_select(columns, rows.where(facts.c.part >= 0))
    return statement.on_conflict_do_nothing(index_elements=[effects.c.key])


def enqueue(outbox: Outbox, facts: FromClause, new: ColumnElement[bool], order: list[ColumnElement[Any]]) -> Insert:
    """Write a message for every fact that is `new` and has an event, in the given order."""
    fact = facts.c
    names, rows = message_rows(outbox, fact.key, fact.event_type, fact.recipient, fact.payload)
    rows = rows.where(new, fact.event_type.is_not(None)).order_by(*order)
    return insert(outbox.table).from_select(names, rows)


def message_rows(
    outbox: Outbox,
    key: ColumnElement[Any],
    event_type: ColumnElement[Any],
    recipient: ColumnElement[Any],
    payload: ColumnElement[Any],
) -> tuple[list[str], Select[Any]]:
    """What is to be inserted for messages of these values: the columns that the outbox has, and their values."""
    pairs: list[tuple[Column[Any] | None, ColumnElement[Any]]] = [
        (outbox.key, key),
        (outbox.event_type, event_type),
        (outbox.recipient, recipient),
        (outbox.payload, payload),
        (outbox.created_at, now(outbox.created_at.type)),
    ]
    there = [(column, value) for column, value in pairs if column is not None]
    rows = select(*(value.label(f"c{number}") for number, (_, value) in enumerate(there)))
    return [column.key for column, _ in there], rows


def tell(
    connection: Connection,
    event: str,
    *,
    key: str,
    subject: str,
    payload: Mapping[str, Any],
    to: str | None = None,
    by: str = "",
    at: datetime | None = None,
    outbox: Outbox | None = None,
    wake: bool = True,
) -> bool:
    """Put one fact on record and write its message, in the caller's transaction; False when it was told before.

    For functions and for a product's own code; policies tell through their statements.
    key: made by `effect_key`, or any text; a long one is bounded as that does.  subject: likewise.
    by: who tells, a job's name.  at: the instant written; the database's time by default.
    wake: let a worker deliver at once (PostgreSQL); else it finds the message within a second.
    """
    dialect = connection.dialect.name
    effects = own_tables(dialect).effects
    at = at or ask_now(connection)
    given, key = key, storable(key, dialect)
    if key != given and _before(connection, given):
        return False
    fact = {"key": key, "job": by, "subject": storable(subject, dialect), "created_at": at, "form": KEY_FORM}
    statement = upsert(dialect, effects).values(fact).on_conflict_do_nothing(index_elements=[effects.c.key])
    if connection.execute(statement.returning(effects.c.key)).first() is None:
        return False
    _write(connection, outbox or own_outbox(dialect), event, key, to, payload, at)
    if wake:
        notify(connection)
    return True


def _write(
    connection: Connection,
    target: Outbox,
    event: str,
    key: str,
    to: str | None,
    payload: Mapping[str, Any],
    at: datetime,
) -> None:
    """The message. Where the table has no column for the key, it travels in the payload."""
    message: dict[str, Any] = {
        target.event_type.key: event,
        target.payload.key: dict(payload) if target.key is not None else {**payload, "key": key},
        target.created_at.key: at,
    }
    for column, value in ((target.key, key), (target.recipient, to)):
        if column is not None:
            message[column.key] = value
    connection.execute(insert(target.table).values(message))


def _before(connection: Connection, key: str) -> bool:
    """Whether it is on record as it was given: keys were not bounded before revision 0009."""
    if storable(key[:MAX_KEY_CHARACTERS], connection.dialect.name) != key[:MAX_KEY_CHARACTERS]:
        return False  # no database took it
    effects = own_tables(connection.dialect.name).effects
    asked = select(effects.c.key).where(effects.c.key == key, effects.c.form.is_(None))
    return connection.execute(asked).first() is not None
