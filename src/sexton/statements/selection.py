"""From a plan to statements: the pick, the facts to tell, the counts of a preview. One predicate serves all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    not_,
    null,
    select,
    tuple_,
    type_coerce,
    union_all,
)
from sqlalchemy.sql import visitors

from ..db.column_types import as_stored, is_naive, is_time
from ..db.ledger import recorded_key, set_aside, subject_text
from ..db.sql_expressions import BATCH, as_text, json_payload, parsed_instant, parsed_naive_instant, written_instant
from ..policies.contract import Message, Plan, Rows

Labelled = ColumnElement[Any]


def cursor_parameter(number: int) -> str:
    """Name of the parameter that holds the cursor's column `number`."""
    return f"sexton_after_{number}"


def single_row_parameter(number: int) -> str:
    """Name of the parameter for column `number` of the one row that a plan is for."""
    return f"sexton_this_{number}"


def due_condition(plan: Plan, *, excluding: bool) -> ColumnElement[bool]:
    """The one predicate. `excluding`: leave out rows that are set aside; only asked when there are any."""
    if not excluding:
        return plan.due
    return and_(plan.due, not_(set_aside(plan.step, subject_text(plan.key))))


def after_cursor(plan: Plan) -> ColumnElement[bool]:
    """Rows after the cursor, in the plan's order."""
    marks = [cursor_bound(cursor_parameter(number), column) for number, column in enumerate(plan.order)]
    return tuple_(*plan.order) > tuple_(*marks) if len(marks) > 1 else plan.order[0] > marks[0]


def cursor_bound(name: str, column: Column[Any]) -> ColumnElement[Any]:
    """The parameter for a cursor's value of `column`, in the form that `cursor_value` gives."""
    return _as_instant(bindparam(name, type_=Text() if is_time(column.type) else as_stored(column.type)), column)


def _as_instant(value: BindParameter[Any], column: Column[Any]) -> ColumnElement[Any]:
    if not is_time(column.type):
        return value
    return parsed_naive_instant(value) if is_naive(column.type) else parsed_instant(value)


def cursor_value(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column as a cursor keeps it: instants as the database's own text, so that the driver need not read them."""
    return written_instant(column) if is_time(column.type) else type_coerce(column, as_stored(column.type))


def carried(plan: Plan) -> list[Column[Any]]:
    """Columns of the picked rows: key, order, and what messages and hanging rows read."""
    columns: dict[str, Column[Any]] = {column.key: column for column in (*plan.key, *plan.order, *plan.carry)}
    for message in plan.messages:
        if message.of == "picked":
            for value in (message.key, message.to, *message.payload.values()):
                columns.update({column.key: column for column in _columns_of(plan.table, value)})
    return list(columns.values())


def _columns_of(table: Table, value: object) -> list[Column[Any]]:
    if not isinstance(value, ColumnElement):
        return []
    return [part for part in visitors.iterate(value) if isinstance(part, Column) and part.table is table]


def pick(plan: Plan, columns: list[Column[Any]], *, excluding: bool, onward: bool) -> Select[Any]:
    """The due rows, oldest first, `batch` of them. `onward`: only those after the cursor."""
    condition = due_condition(plan, excluding=excluding)
    if onward:
        condition = and_(after_cursor(plan), condition)
    return _labelled(columns).where(condition).order_by(*plan.order).limit(limit())


def _labelled(columns: list[Column[Any]]) -> Select[Any]:
    # Under their keys: the name in the database may be another (a pack's columns can be mapped).
    return select(*(column.label(column.key) for column in columns))


def limit() -> BindParameter[int]:
    """The batch size."""
    return bindparam(BATCH)


def select_due(plan: Plan, *, excluding: bool) -> Select[Any]:
    """Every row that is due, and that one run may take: the same predicate without locks, for previews."""
    rows = _labelled(carried(plan)).where(due_condition(plan, excluding=excluding))
    return rows if plan.limit is None else rows.order_by(*plan.order).limit(plan.limit)


def facts(plan: Plan, rows: Rows) -> Any:
    """The relation of facts that the plan's messages make of the rows picked and found."""
    sorted_by_row = all(message.of == "picked" for message in plan.messages)
    parts = [_fact(plan, rows, number, message, sorted_by_row) for number, message in enumerate(plan.messages)]
    return parts[0] if len(parts) == 1 else union_all(*parts)


def fact_order(relation: FromClause) -> list[ColumnElement[Any]]:
    """In which order messages are written: row by row, then message by message."""
    names = [name for name in relation.c.keys() if name.startswith("by_")]  # noqa: SIM118 (a column collection)
    return [relation.c[name] for name in (*names, "part", "key")]


def _fact(plan: Plan, rows: Rows, number: int, message: Message, sorted_by_row: bool) -> Select[Any]:
    relation = rows[message.of]
    value = _reader(plan, relation, message.of)
    picked = message.of == "picked"
    columns_of_subject = [column.key for column in plan.key] if picked else relation.c.keys()[:1]
    subject = [relation.c[name] for name in columns_of_subject]
    key = recorded_key(value(message.key), subject)
    fields = {name: value(field) for name, field in message.payload.items()}
    if plan.outbox is not None and plan.outbox.key is None:
        fields["key"] = key  # receivers tell a repeated delivery by it, so it has to travel somewhere
    event = as_text(message.event) if message.event is not None else cast(null(), Text)
    columns: list[Labelled] = [
        literal_column(str(number), Integer).label("part"),
        key.label("key"),
        subject_text(subject).label("subject"),
        event.label("event_type"),
        (as_text(value(message.to)) if message.to is not None else cast(null(), Text)).label("recipient"),
        json_payload(**fields).label("payload"),
    ]
    order = [column.key for column in plan.order] if sorted_by_row else _order_of(plan, message.of)
    columns += [relation.c[name].label(f"by_{place}") for place, name in enumerate(order)]
    return select(*columns).select_from(relation)


def told_before(relation: FromClause, known: ColumnElement[bool]) -> Labelled:
    """How many of the facts have an event and no message, as they are `known`: on record already."""
    withheld = select(func.count()).select_from(relation).where(relation.c.event_type.is_not(None), known)
    return withheld.scalar_subquery().label("told_before")


def _order_of(plan: Plan, name: str) -> tuple[str, ...]:
    """By which columns of a found relation its messages are ordered, when there are no others to order."""
    if any(message.of != name for message in plan.messages):
        return ()
    return next((found.order for found in plan.found if found.name == name), ())


def _reader(plan: Plan, relation: FromClause, of: str) -> Callable[[Any], Any]:
    """Point an expression over the policy's table at the relation of picked rows; call those that ask for it."""

    def swap(element: Any, **_: Any) -> Any:
        if isinstance(element, Column) and element.table is plan.table and of == "picked":
            return relation.c[element.key]
        return None

    def value(expression: Any) -> Any:
        if callable(expression) and not isinstance(expression, ColumnElement):
            return expression(relation)
        if isinstance(expression, ColumnElement):
            return visitors.replacement_traverse(expression, {}, swap)
        return expression

    return value
