"""What a person confirms about a policy, as a fingerprint: of its settings, or of the parts of its plan."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import partial
from typing import Any

from sqlalchemy import Connection, FromClause, column, select, table
from sqlalchemy.sql import ClauseElement

from ..db.render import render
from ..jobs.fingerprints import confirms, of_rule
from ..policies.contract import Message, Plan, Rows
from ..statements.preview import preview_statement, writing_statements
from ..statements.selection import carried


def definition(connection: Connection, plan: Plan) -> str:
    """Fingerprint over all that decides which rows are touched, and how, and the share of the table that may go."""
    if plan.definition:
        return plan.definition
    return of_rule(_normal_form(connection, plan), 1.0 if plan.guard is None else plan.guard.max_share)


def is_confirmed(connection: Connection, plan: Plan, armed: str) -> bool:
    """Whether the plan is the one that was armed. armed: as it is on record, whichever version wrote it."""
    return confirms(armed, definition(connection, plan)) or armed in definitions_before(connection, plan)


def definitions_before(connection: Connection, plan: Plan) -> tuple[str, ...]:
    """What earlier versions put on record for the same plan."""
    return plan.earlier_definitions if plan.definition else (_first_form(connection, plan),)


def _normal_form(connection: Connection, plan: Plan) -> list[Any]:
    """The parts of a plan as SQL with literals. How statements are put together from them is no part of it."""
    sql = partial(render, dialect=connection.dialect)
    rows: dict[str, FromClause] = {"picked": _relation("picked", carried(plan))}
    form: list[Any] = [plan.step, sql(select(*plan.key).where(plan.due)), plan.archive and plan.archive.group]
    for found in plan.found:
        chosen = found.select(rows)
        form.append([found.name, sql(chosen), found.lock is not None and found.lock.fullname])
        rows[found.name] = _relation(found.name, chosen.selected_columns)
    form += ([change.name, sql(change.statement(rows))] for change in plan.all_changes)
    for message in plan.messages:
        form.append([message.event, message.of, *_told(message, rows, sql)])
    return form


def _relation(name: str, columns: Iterable[Any]) -> FromClause:
    """What stands for rows while a part is printed."""
    return table(name, *(column(one.key, one.type) for one in columns))


def _told(message: Message, rows: Rows, sql: Any) -> list[Any]:
    def text(value: Any) -> Any:
        value = value(rows[message.of]) if callable(value) else value
        return sql(value) if isinstance(value, ClauseElement) else value

    return [text(message.key), text(message.to), {name: text(value) for name, value in message.payload.items()}]


def _first_form(connection: Connection, plan: Plan) -> str:
    """Frozen: what versions up to revision 0012 of our tables kept of a plan, from the statements of a dry run."""
    dialect = connection.dialect
    lines = [render(preview_statement(dialect.name, plan), dialect)]
    lines += [render(statement, dialect) for statement in writing_statements(plan)]
    lines += [f"{change.operation} {change.table.fullname}" for change in plan.all_changes]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
