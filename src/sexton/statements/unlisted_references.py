"""Foreign keys that keep rows from being deleted, from tables that a policy says nothing about.

Each row that they keep would be refused on its own. So `check`, `arm` and a dry run count them before, and a run that
has met a few dozen leaves them all out by one condition instead of finding the others one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    column,
    exists,
    func,
    not_,
    or_,
    select,
    text,
)
from sqlalchemy import table as named_table
from sqlalchemy.sql import visitors

from ..db.foreign_keys import keys_to, referring_tables
from ..db.identifiers import quoted_table
from ..policies.contract import Plan, in_rows
from .batch_strategy import Request, parameters
from .referencing_tables import RESTRICTING_RULES
from .selection import due_condition, select_due

MIN_REFUSED_FOR_CONDITION = 32
"""Rows refused by foreign keys in one step, from which on the others are left out by condition."""


@dataclass(frozen=True, slots=True)
class UnlistedReference:
    """One foreign key. child: the table that has it, as settings name it.  constraint: its name; "" on SQLite.

    own: whether the rows of the policy's table refer to one another.  columns: of the child, and what they refer to.
    """

    child: str
    schema: str | None
    name: str
    constraint: str
    own: bool
    columns: tuple[tuple[str, Column[Any]], ...]

    def refers(self, plan: Plan, *, unless_due: bool = False) -> ColumnElement[bool]:
        """Whether a row of the child refers to the policy's row.  unless_due: of its own table, one that stays."""
        names = [name for name, _ in self.columns]
        names += [one.name for one in plan.key if self.own and one.name not in names]
        child = named_table(self.name, *map(column, names), schema=self.schema).alias("sexton_keeper")
        met = [child.c[name] == referred for name, referred in self.columns]
        if self.own and unless_due:
            going = select(*plan.key).where(plan.due).subquery()
            met.append(not_(in_rows([child.c[one.name] for one in plan.key], going)))  # type: ignore[misc]
        return exists(select(1).select_from(child).where(*met).correlate(plan.table))

    @property
    def description(self) -> str:
        """ "orders (user_id) by orders_user_id_fkey"."""
        by = f" by {self.constraint}" if self.constraint else ""
        return f"{self.child} ({', '.join(name for name, _ in self.columns)}){by}"

    def advice(self, plan: Plan) -> str:
        """What to write, so that the policy says what becomes of such rows."""
        names = [name for name, _ in self.columns]
        if plan.guard is None:  # of Python
            return f"give children=(Child({self.name}, …),), or leave such rows out with only="
        quoted = [f'"{name}"' for name in names]
        value = quoted[0] if len(names) == 1 else f"[{', '.join(quoted)}]"
        child = self.child if self.child.isidentifier() else f'"{self.child}"'
        lists = f"children = {{ {child} = {value} }}"
        return f"write {lists}" + (f", or unless_referenced_by = {{ {child} = {value} }}" if len(names) == 1 else "")


def unlisted_references(connection: Connection, plan: Plan) -> list[UnlistedReference]:
    """Those of a plan that deletes; none where it lists every table that refers to its own, or asks about it."""
    if not plan.deletes:
        return []
    found = _postgresql if connection.dialect.name == "postgresql" else _sqlite
    return list(found(connection, plan))


def without_referenced(plan: Plan, found: Sequence[UnlistedReference]) -> Plan:
    """The same plan for rows that none of these keep. Of rows that refer to one another, the last come first."""
    return replace(plan, due=and_(plan.due, *(not_(reference.refers(plan)) for reference in found)))


def without_referenced_before_run(plan: Plan, found: Sequence[UnlistedReference]) -> Plan:
    """The same before a run: rows of the table itself keep others only where they stay themselves."""
    return replace(plan, due=and_(plan.due, *(not_(reference.refers(plan, unless_due=True)) for reference in found)))


def count_referenced(
    connection: Connection, plan: Plan, found: Sequence[UnlistedReference], request: Request, *, before: bool = False
) -> tuple[int, list[tuple[UnlistedReference, int]]]:
    """How many due rows these keep, all together and each.  before: a run, see `without_referenced_before_run`."""
    conditions = [reference.refers(plan, unless_due=before) for reference in found]
    if not conditions:
        return 0, []
    counted = [func.count().filter(condition) if len(found) > 1 else func.count() for condition in conditions]
    asked = select(func.count(), *counted).select_from(plan.table).where(_due(plan, request), or_(*conditions))
    whole, *each = connection.execute(asked, parameters(asked, request)).one()
    return whole, [(reference, rows) for reference, rows in zip(found, each, strict=True) if rows]


def references_text(plan: Plan, each: Iterable[tuple[UnlistedReference, int]]) -> str:
    """ "3,000 rows stay, as orders (user_id) by orders_user_id_fkey refers to them; write children = …"."""
    lines = [
        f"{rows:,} row{'s stay' if rows != 1 else ' stays'} in {plan.table.fullname}, as {reference.description} "
        f"refers to {'them' if rows != 1 else 'it'}; {reference.advice(plan)}"
        for reference, rows in each
    ]
    return "; ".join(lines)


def _due(plan: Plan, request: Request) -> ColumnElement[bool]:
    return due_condition(plan, excluding=request.excluding)


def _listed(plan: Plan) -> list[Table]:
    """Tables of which the policy says what becomes of their rows, or whose rows its conditions look at."""
    asked: list[Any] = [plan.due]
    if plan.restricted is not None:
        asked.append(plan.restricted(select_due(plan, excluding=False).subquery()))
    looked_at = [part for one in asked for part in visitors.iterate(one) if isinstance(part, Table)]
    return [
        *(change.table for change in plan.changes if change.operation != "insert"),
        *(table for table in looked_at if table is not plan.table and table.name != plan.table.name),
    ]


def _postgresql(connection: Connection, plan: Plan) -> Iterable[UnlistedReference]:
    def number(table: Table) -> Any:
        asked = text("SELECT to_regclass(:name)::oid")
        return connection.execute(asked, {"name": quoted_table(connection.dialect, table)}).scalar()

    known = {column.name: column for column in plan.table.c}
    rows = keys_to(connection, plan.table, "ar")
    listed = {number(table) for table in _listed(plan)} if rows else set()
    own = number(plan.table) if rows else None
    for row in rows:
        if row.number not in listed and known.keys() >= set(row.referred):
            name = row.name if row.visible else f"{row.schema}.{row.name}"
            pairs = tuple((one, known[other]) for one, other in zip(row.referring, row.referred, strict=True))
            yield UnlistedReference(name, row.schema, row.name, row.constraint_name, row.number == own, pairs)


def _sqlite(connection: Connection, plan: Plan) -> Iterable[UnlistedReference]:
    known = {column.name.lower(): column for column in plan.table.c}
    listed = {table.name.lower() for table in _listed(plan)}
    for child, pairs in referring_tables(connection, plan.table, RESTRICTING_RULES):
        if child.lower() not in listed and known.keys() >= set(pairs.values()):
            columns = tuple((one, known[other]) for one, other in pairs.items())
            yield UnlistedReference(child, None, child, "", child.lower() == plan.table.name.lower(), columns)
