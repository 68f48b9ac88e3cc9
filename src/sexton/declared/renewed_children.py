"""Rows of other tables that a condition asks about, and that go along with the row that it is about.

A session that renews one of them need not lock the row above. So they are locked before the condition is asked again:
what was renewed meanwhile keeps its row. SQLite has one writer at a time, and needs none of this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Table, literal_column, select, tuple_
from sqlalchemy.sql import visitors

from ..db.foreign_keys import keys_to
from ..policies.contract import Found, Rows
from .catalogue import Catalogue
from .dependents import Dependent

CHANGING_RULES = "cnd"
"""ON DELETE CASCADE, SET NULL, SET DEFAULT: the database itself changes the rows that refer to a deleted one."""


@dataclass(frozen=True, slots=True)
class RenewableChildren:
    """Such rows. referred: columns of the row above that they hold, and the pick has to carry."""

    found: Found
    referred: tuple[Column[Any], ...] = ()


def renewable_children(
    catalogue: Catalogue, table: Table, children: Sequence[Dependent], condition: ColumnElement[bool]
) -> list[RenewableChildren]:
    """The tables that `condition` looks at and whose rows are deleted or changed with a row of `table`.

    Left out are rows that this role may not lock, as it has no right to change them.
    """
    if catalogue.dialect == "sqlite":
        return []
    looked_at = (part for part in visitors.iterate(condition) if isinstance(part, Table) and part is not table)
    asked = [other for other in dict.fromkeys(looked_at) if catalogue.may_lock(other)]
    if not asked:
        return []
    listed = [
        child
        for child in children
        if child.action != "refuse" and any(catalogue.same(child.table, other) for other in asked)
    ]
    found = [RenewableChildren(_locking(child.table, child.rows)) for child in listed]
    return [*found, *_cascaded(catalogue, table, [child.table for child in listed], asked)]


def _cascaded(
    catalogue: Catalogue, table: Table, listed: Sequence[Table], asked: Sequence[Table]
) -> Iterator[RenewableChildren]:
    for key in keys_to(catalogue.connection, table, CHANGING_RULES):
        child = next((one for one in asked if catalogue.place(one) == key.number), None)
        if child is None or any(catalogue.same(child, one) for one in listed):
            continue
        referred = tuple(table.c[name] for name in key.referred)
        yield RenewableChildren(_locking(child, _Referring(child, key.referring, referred)), referred)


@dataclass(frozen=True, slots=True)
class _Referring:
    """Which rows of `child` refer to the picked ones."""

    child: Table
    columns: tuple[str, ...]
    referred: tuple[Column[Any], ...]

    def __call__(self, rows: Rows) -> ColumnElement[bool]:
        columns = [self.child.c[name] for name in self.columns]
        above = select(*(rows["picked"].c[column.key] for column in self.referred))
        return (columns[0] if len(columns) == 1 else tuple_(*columns)).in_(above)


def _locking(child: Table, which: Any) -> Found:
    def rows(relations: Rows) -> Select[Any]:
        return select(literal_column("1").label("one")).select_from(child).where(which(relations))

    return Found(f"{child.name}_renewed", rows, child)
