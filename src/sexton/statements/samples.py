"""What a dry run shows beside its counts: the oldest due rows, and the messages that would be written about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, exists, not_, select

from ..db.sql_expressions import cast_to_text
from ..db.tables import own_tables
from ..policies.contract import Plan
from .batch_strategy import Request, parameters
from .preview import relations
from .selection import fact_order, facts, select_due

ROWS, MESSAGES = 20, 3
"""How many are shown."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The oldest due rows of one step.

    key, by: names of columns.  rows: these columns as text.  messages: event, recipient, payload.
    """

    key: tuple[str, ...] = ()
    by: str | None = None
    rows: list[dict[str, str | None]] = field(default_factory=list)
    messages: list[tuple[str, str | None, Any]] = field(default_factory=list)


def oldest_due(connection: Connection, plan: Plan, request: Request) -> Sample:
    """The oldest rows that are due now, in the order in which a run takes them."""
    shown = dict.fromkeys((*plan.key, *([plan.by] if plan.by is not None else [])))
    # As text: Python knows no infinity, no BC and no year 20000.
    columns = [cast_to_text(column).label(column.name) for column in shown]
    most = min(ROWS, plan.limit or ROWS)
    some = (
        select_due(plan, excluding=False).with_only_columns(*columns).order_by(None).order_by(*plan.order).limit(most)
    )
    rows = [dict(row) for row in connection.execute(some, parameters(some, request)).mappings()]
    return Sample(
        tuple(column.name for column in plan.key),
        plan.by.name if plan.by is not None else None,
        rows,
        _messages(connection, plan, request) if plan.messages else [],
    )


def _messages(connection: Connection, plan: Plan, request: Request) -> list[tuple[str, str | None, Any]]:
    relation = facts(plan, relations(plan, excluding=False)).cte("sexton_facts")
    effects = own_tables(connection.dialect.name).effects
    known = exists(select(1).where(effects.c.key == relation.c.key))
    asked = select(relation.c.event_type, relation.c.recipient, relation.c.payload).where(
        not_(known), relation.c.event_type.is_not(None)
    )
    asked = asked.order_by(*fact_order(relation)).limit(MESSAGES)
    return [(row[0], row[1], row[2]) for row in connection.execute(asked, parameters(asked, request))]
