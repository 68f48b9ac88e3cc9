"""The effects ledger and the outbox, filled from a relation of facts.

A relation of facts has the columns of `FACTS`. `record` keeps each key once, ever; `enqueue` writes messages for the
facts that were new. Both are single statements, so that they can stand in one CTE with the change of the rows, and
inside a PL/pgSQL procedure.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, FromClause, Insert, Select, Text, bindparam, insert, select
from sqlalchemy.sql.elements import ColumnElement

from ..db.functions import JOB, RUN
from ..db.instants import now
from ..db.tables import Outbox, own_tables
from ..db.upsert import upsert

FACTS = ("part", "key", "subject", "event_type", "recipient", "payload")
"""part: which message of the policy (0, 1, …); event_type NULL: on record only."""


def record(dialect: str, facts: FromClause) -> Insert:
    """Put the facts on record; those already there are left alone. RETURNING key gives the new ones."""
    effects = own_tables(dialect).effects
    columns = ["key", "job", "subject", "run_id", "created_at"]
    rows = select(
        facts.c.key,
        bindparam(JOB, type_=Text()).label("job"),
        facts.c.subject,
        bindparam(RUN, type_=BigInteger()).label("run_id"),
        now().label("created_at"),
    ).order_by(facts.c.part, facts.c.key)
    # SQLite reads "ON CONFLICT" after a bare SELECT as a join condition; a WHERE in between settles it.
    statement = upsert(dialect, effects).from_select(columns, rows.where(facts.c.part >= 0))
    return statement.on_conflict_do_nothing(index_elements=[effects.c.key])


def enqueue(outbox: Outbox, facts: FromClause, new: ColumnElement[bool], order: list[ColumnElement[Any]]) -> Insert:
    """Write a message for every fact that is `new` and has an event, in the given order."""
    pairs: list[tuple[Column[Any] | None, ColumnElement[Any]]] = [
        (outbox.key, facts.c.key),
        (outbox.event_type, facts.c.event_type),
        (outbox.recipient, facts.c.recipient),
        (outbox.payload, facts.c.payload),
        (outbox.created_at, now(outbox.created_at.type)),
    ]
    there = [(column, value) for column, value in pairs if column is not None]
    rows: Select[Any] = select(*(value.label(f"c{number}") for number, (_, value) in enumerate(there)))
    rows = rows.where(new, facts.c.event_type.is_not(None)).order_by(*order)
    return insert(outbox.table).from_select([column.key for column, _ in there], rows)
