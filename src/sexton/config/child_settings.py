"""`children` of a policy: rows of other tables that hang on the picked ones, and what happens to them first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import suggestion
from ..setting_fields import Misfit

CHILD_ACTIONS = ("delete", "set null", "refuse")
KEYS = ("column", "action", "children")


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """table: whose `columns` hold the key of the row above, in its order.  action: one of `CHILD_ACTIONS`.

    children: rows that hang on those of this table.
    """

    table: str
    columns: tuple[str, ...]
    action: str = "delete"
    children: tuple[ChildSettings, ...] = ()


def children_of(written: Mapping[str, object], path: tuple[str, ...] = ("children",)) -> tuple[ChildSettings, ...]:
    """From `{items = "cart_id"}` or `{items = {column = "cart_id", action = "set null"}}`. Misfit."""
    return tuple(_child(table, value, (*path, table)) for table, value in written.items())


def tables_of(written: Mapping[str, object]) -> list[str]:
    """The names of all their tables, those of children of children too. Misfit."""
    children = list(children_of(written))
    for child in children:  # which grows
        children += child.children
    return [child.table for child in children]


def _child(table: str, value: object, path: tuple[str, ...]) -> ChildSettings:
    if not isinstance(value, Mapping):
        return ChildSettings(table, _columns(value, path))
    for key in value:
        if key not in KEYS:
            raise Misfit(f"unknown key{suggestion(key, KEYS)}", *path, key)
    if "column" not in value:
        raise Misfit('column is missing: the one that refers to the row, column = "order_id"', *path)
    action = value.get("action", "delete")
    if action not in CHILD_ACTIONS:
        raise Misfit(f"{action!r} is not known; write one of {', '.join(CHILD_ACTIONS)}", *path, "action")
    below = value.get("children", {})
    if not isinstance(below, Mapping):
        raise Misfit("must be a table", *path, "children")
    if below and action != "delete":
        raise Misfit(f'rows that stay ("{action}") keep what hangs on them; remove it', *path, "children")
    return ChildSettings(
        table, _columns(value["column"], (*path, "column")), action, children_of(below, (*path, "children"))
    )


def _columns(value: object, path: tuple[str, ...]) -> tuple[str, ...]:
    columns = (value,) if isinstance(value, str) else value
    if isinstance(columns, list | tuple) and columns and all(isinstance(name, str) and name for name in columns):
        return tuple(columns)
    raise Misfit("must be the name of a column, or a list of them for a key of several", *path)
