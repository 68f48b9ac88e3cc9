"""Why a row was refused. SQLite says only that a foreign key failed; which table refers to the row is looked up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, FromClause, Table, and_, column, exists, select, table, text
from sqlalchemy.exc import DBAPIError

from ..db.faults import describe
from ..policies.contract import Plan
from .execution import Request, parameters

_REFERENCES = text(
    'SELECT m.name, k.id, k."from", k."to" FROM sqlite_master m, pragma_foreign_key_list(m.name) k'
    " WHERE m.type = 'table' AND k.\"table\" = :name COLLATE NOCASE ORDER BY m.name, k.id, k.seq"
)
"""A key without "to" refers to the primary key."""


def reason(
    connection: Connection, plan: Plan, request: Request, error: DBAPIError, picked: FromClause, values: dict[str, Any]
) -> str:
    """One line for people. picked: the refused row, and its parameters: `values`.

    In the words of the database; on SQLite (Q5) with the tables whose rows refer to this one, or to its children that
    would have gone with it, and that the policy does not list.
    """
    line = describe(error)
    if "FOREIGN KEY" not in line or connection.dialect.name != "sqlite" or plan.main is None or plan.main.values:
        return line
    going = [(plan.table, plan.main.where({"picked": picked}))]
    going += [(change.table, change.where({"picked": picked})) for change in plan.changes if change.values is None]
    listed = {change.table.name.lower() for change in plan.changes}
    children: dict[str, str] = {}
    for parent, these in going:
        columns = {one.name.lower(): one for one in parent.c}
        for child, pairs in _references(connection, parent):
            if child.lower() in listed or child in children or not columns.keys() >= set(pairs.values()):
                continue
            referring = table(child, *map(column, pairs)).alias("sexton_child")
            met = and_(*(referring.c[name] == columns[referred] for name, referred in pairs.items()))
            asked = select(exists().where(these).select_from(parent.join(referring, met)))
            if connection.execute(asked, parameters(asked, request, **values)).scalar():
                children[child] = parent.name
    named = (child + (f" (to its {parent})" if parent != plan.table.name else "") for child, parent in children.items())
    return f"{line}: referred to by {', '.join(named)}" if children else line


def _references(connection: Connection, parent: Table) -> Iterator[tuple[str, dict[str, str]]]:
    """Every foreign key to this table: the child, and which of its columns refers to which, in small letters."""
    keys = [one.name for one in parent.primary_key.columns if not one.system]
    found: dict[tuple[str, int], dict[str, str]] = {}
    for child, number, referring, referred in connection.execute(_REFERENCES, {"name": parent.name}):
        pairs = found.setdefault((child, number), {})
        pairs[referring] = (referred or keys[len(pairs)]).lower()
    for (child, _), pairs in found.items():
        yield child, pairs
