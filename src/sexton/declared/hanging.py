"""Rows that hang on the picked ones: those that go first, those that let go, and those that keep a row alive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Select,
    Table,
    exists,
    literal_column,
    not_,
    null,
    select,
    tuple_,
)

from ..config.children import ChildSettings
from ..db.functions import only_if
from ..errors import PolicyError
from ..policies.contract import Change, Rows
from .catalogue import Catalogue

_YES: ColumnElement[int] = literal_column("1")

Keys = Callable[[Rows], Select[Any]]
"""The keys of the rows above, given the relations of a batch."""


@dataclass(frozen=True, slots=True)
class Hanging:
    """One table of children. columns: that hold the key above, of which `keys` tells the rows."""

    table: Table
    columns: tuple[Column[Any], ...]
    action: str
    keys: Keys

    def rows(self, rows: Rows) -> ColumnElement[bool]:
        """Which of its rows hang on those above."""
        return _one(self.columns).in_(self.keys(rows))


def hanging(catalogue: Catalogue, table: Table, children: tuple[ChildSettings, ...]) -> list[Hanging]:
    """All children of `table`, the lowest first, as they have to go. PolicyError for columns that do not fit."""

    def picked(rows: Rows) -> Select[Any]:
        return select(*(rows["picked"].c[column.key] for column in table.primary_key.columns))

    return list(_below(catalogue, table, picked, children))


def _below(catalogue: Catalogue, table: Table, keys: Keys, children: tuple[ChildSettings, ...]) -> Iterator[Hanging]:
    for child in children:
        below = catalogue.table(child.table)
        columns = _referring(catalogue, below, table, child.columns, "children")
        this = Hanging(below, columns, child.action, keys)
        yield from _below(catalogue, below, _keys_of(this), child.children)
        yield this


def _keys_of(child: Hanging) -> Keys:
    return lambda rows: select(*child.table.primary_key.columns).where(child.rows(rows))


def _referring(
    catalogue: Catalogue, table: Table, above: Table, names: tuple[str, ...], where: str
) -> tuple[Column[Any], ...]:
    """The columns of `table` that hold the key of `above`. PolicyError when they are not as many as the key's."""
    width = len(above.primary_key.columns)
    if any(column.system for column in above.primary_key.columns):
        raise PolicyError(f"{where}: {above.fullname} has no key that {table.fullname} could refer to")
    if len(names) != width:
        raise PolicyError(
            f"{where}: the key of {above.fullname} has {width} column{'s' * (width > 1)}, "
            f"{table.fullname} refers to it by {', '.join(names)}"
        )
    return tuple(catalogue.column(table, name) for name in names)


def changes(found: list[Hanging]) -> tuple[Change, ...]:
    """What happens to the children before the rows themselves are changed."""
    return tuple(_change(child) for child in found if child.action != "refuse")


def _change(child: Hanging) -> Change:
    name = child.table.name
    if child.action == "delete":
        return Change(name, child.table, child.rows)
    for column in child.columns:
        if not column.nullable:
            raise PolicyError(f"children: {child.table.fullname}.{column.name} takes no NULL; delete, or refuse")
    values = {column.name: null() for column in child.columns}
    return Change(name, child.table, child.rows, lambda rows: values)


def free_rows(found: list[Hanging], rows: Rows, key: tuple[Column[Any], ...]) -> FromClause:
    """The picked rows. Reading one that a child is not to lose fails: it is set aside, with the child's name."""
    picked = rows["picked"]
    if not any(child.action == "refuse" for child in found):
        return picked
    keys = tuple(picked.c[column.key] for column in key)
    chosen = select(*keys)
    for child in found:
        if child.action == "refuse":
            other = child.table.alias()
            columns = tuple(other.c[column.key] for column in child.columns)
            lonely = not_(exists(select(1).where(_one(columns) == _one(keys)).correlate(picked)))
            chosen = chosen.where(only_if(lonely, _YES, f"{child.table.fullname} refers to it") == _YES)
    return chosen.subquery()


def unreferenced(catalogue: Catalogue, table: Table, keepers: Mapping[str, str]) -> list[ColumnElement[bool]]:
    """No row of these tables refers to it."""
    conditions: list[ColumnElement[bool]] = []
    for name, reference in keepers.items():
        other = catalogue.table(name)
        (column,) = _referring(catalogue, other, table, (reference,), "unless_referenced_by")
        referring: FromClause = other.alias()
        conditions.append(not_(exists(select(1).where(referring.c[column.name] == _one(_key(table))).correlate(table))))
    return conditions


def outlived(table: Table, by: Column[Any], per: list[Column[Any]], count: int) -> ColumnElement[bool]:
    """Whether its group has so many newer rows; of one time, the higher key is newer. Rows without a time are none."""
    newer = table.alias("newer")
    order = tuple(dict.fromkeys((by, *_key(table))))
    later = tuple_(*(newer.c[column.key] for column in order)) > tuple_(*order)
    same = [newer.c[column.key].is_not_distinct_from(column) for column in per]
    return exists(select(1).where(later, *same).offset(count - 1).limit(1).correlate(table))


def _key(table: Table) -> tuple[Column[Any], ...]:
    return tuple(table.primary_key.columns)


def _one(columns: tuple[ColumnElement[Any], ...]) -> ColumnElement[Any]:
    return columns[0] if len(columns) == 1 else tuple_(*columns)
