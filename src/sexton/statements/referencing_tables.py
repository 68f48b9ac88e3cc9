"""Why a row was refused. SQLite says only that a foreign key failed; which table refers to the row is looked up."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, FromClause, and_, column, exists, select, table

from ..db.foreign_keys import referring_tables
from ..policies.contract import Plan, in_rows
from .batch_strategy import Request, parameters

RESTRICTING_RULES = ("NO ACTION", "RESTRICT")
"""What a key says ON DELETE that keeps the row it refers to."""

FOREIGN_KEY_FAILED = "FOREIGN KEY constraint failed"
"""What SQLite says, and we before it does."""


def referencing_tables(
    connection: Connection, plan: Plan, request: Request, picked: FromClause, values: dict[str, Any]
) -> str:
    """SQLite: ": notes refers to it", for each table whose rows keep these, or their children, from being deleted.

    "" when there is none, and on PostgreSQL, which says so itself. A key that is DEFERRABLE INITIALLY DEFERRED, as
    Django makes them, is not looked at before the commit, when it is too late to tell one row from another.
    """
    if connection.dialect.name != "sqlite" or not plan.deletes:
        return ""
    going = [(plan.table, in_rows(plan.key, picked))]
    going += [
        (change.table, change.condition({"picked": picked})) for change in plan.changes if change.operation == "delete"
    ]
    seen_to = (change for change in plan.changes if change.operation != "insert")
    listed = {change.table.name.lower() for change in seen_to} | {plan.table.name.lower()}
    children: dict[str, str] = {}
    for parent, these in going:
        columns = {one.name.lower(): one for one in parent.c}
        for child, pairs in referring_tables(connection, parent, RESTRICTING_RULES):
            if child.lower() in listed or child in children or not columns.keys() >= set(pairs.values()):
                continue
            known = table(child, *map(column, pairs)).alias("sexton_child")
            met = and_(*(known.c[name] == columns[referred] for name, referred in pairs.items()))
            asked = select(exists().where(these).select_from(parent.join(known, met)))
            if connection.execute(asked, parameters(asked, request, **values)).scalar():
                children[child] = parent.name
    own = plan.table.name
    named = [f"{child} refers to {'it' if parent == own else f'its {parent}'}" for child, parent in children.items()]
    return f": {', '.join(named)}" if named else ""
