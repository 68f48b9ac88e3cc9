"""Rows that hang on the picked ones: those that go first, those that let go, and those that keep a row alive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Select,
    Table,
    exists,
    false,
    literal_column,
    not_,
    null,
    or_,
    select,
    tuple_,
)

from ..config.child_settings import ChildSettings
from ..db.sql_expressions import only_if
from ..errors import PolicyError
from ..policies.contract import Change, Rows
from .catalogue import Catalogue
from .time_columns import TimeMeaning

_YES: ColumnElement[int] = literal_column("1")

ParentKeys = Callable[[Rows], Select[Any]]
"""The keys of the rows above, given the relations of a batch."""


@dataclass(frozen=True, slots=True)
class Dependent:
    """One table of children. columns: that hold what is in `referred` of the rows above, which `keys` tells.

    above: whose children these are; None: of the policy's own rows.
    """

    table: Table
    columns: tuple[Column[Any], ...]
    referred: tuple[Column[Any], ...]
    action: str
    keys: ParentKeys
    above: Dependent | None = None

    def copied_columns(self, table: Table) -> tuple[Column[Any], ...]:
        """The columns of the policy's own `table` whose values they hold; none, if they hang on other children."""
        return self.referred if self.above is None and self.referred[0].table is table else ()

    def rows(self, rows: Rows) -> ColumnElement[bool]:
        """Which of its rows hang on those above."""
        return _one(self.columns).in_(self.keys(rows))


def dependents(catalogue: Catalogue, table: Table, children: tuple[ChildSettings, ...]) -> list[Dependent]:
    """All children of `table`, the lowest first, as they have to go. PolicyError for columns that do not fit."""

    def picked(columns: tuple[Column[Any], ...], rows: Rows) -> Select[Any]:
        return select(*(rows["picked"].c[column.key] for column in columns))

    return list(_below(catalogue, table, picked, children))


ParentColumns = Callable[[tuple[Column[Any], ...], Rows], Select[Any]]
"""Columns of the rows above, given the relations of a batch."""


def _below(
    catalogue: Catalogue,
    table: Table,
    above: ParentColumns,
    children: tuple[ChildSettings, ...],
    parent: Dependent | None = None,
) -> Iterator[Dependent]:
    for child in children:
        below = catalogue.table(child.table)
        columns, referred = reference_columns(catalogue, below, table, child.columns, "children")
        this = Dependent(below, columns, referred, child.action, partial(above, referred), parent)
        yield from _below(catalogue, below, partial(_of, this), child.children, this)
        yield this


def _of(child: Dependent, columns: tuple[Column[Any], ...], rows: Rows) -> Select[Any]:
    return select(*columns).where(child.rows(rows))


def reference_columns(
    catalogue: Catalogue, table: Table, above: Table, names: tuple[str, ...], where: str
) -> tuple[tuple[Column[Any], ...], tuple[Column[Any], ...]]:
    """The columns of `table`, and those of `above` whose values they hold: as the foreign key says, else its key.

    PolicyError when they are not as many.
    """
    columns = tuple(catalogue.column(table, name) for name in names)
    referred = catalogue.referred(table, names, above)
    if referred:
        return columns, tuple(catalogue.column(above, name) for name in referred)
    key = tuple(above.primary_key.columns)
    if any(column.system for column in key):
        raise PolicyError(f"{where}: {above.fullname} has no key that {table.fullname} could refer to")
    if len(names) != len(key):
        raise PolicyError(
            f"{where}: the key of {above.fullname} has {len(key)} column{'s' * (len(key) > 1)}, "
            f"{table.fullname} refers to it by {', '.join(names)}"
        )
    return columns, key


def dependent_changes(found: list[Dependent]) -> tuple[Change, ...]:
    """What happens to the children before the rows themselves are changed."""
    return tuple(_change(child) for child in found if child.action != "refuse")


def _change(child: Dependent) -> Change:
    name = child.table.name
    if child.action == "delete":
        return Change.delete(name, child.table, child.rows)
    for column in child.columns:
        if not column.nullable:
            raise PolicyError(f"children: {child.table.fullname}.{column.name} takes no NULL; delete, or refuse")
    values = {column.name: null() for column in child.columns}
    return Change.update(name, child.table, child.rows, lambda rows: values)


def unrestricted_rows(found: list[Dependent], rows: Rows, key: tuple[Column[Any], ...]) -> FromClause:
    """The picked rows. Reading one that a child is not to lose fails: it is set aside, with the child's name."""
    picked = rows["picked"]
    keepers = [child for child in found if child.action == "refuse"]
    if not keepers:
        return picked
    chosen = select(*(picked.c[column.key] for column in key))
    for child in keepers:
        lonely = not_(_kept(child, picked))
        chosen = chosen.where(only_if(lonely, _YES, f"{child.table.fullname} refers to it") == _YES)
    return chosen.subquery()


def restricted(found: list[Dependent], picked: FromClause) -> ColumnElement[bool]:
    """Whether a child is not to lose a picked row, so that `unrestricted_rows` sets it aside."""
    return or_(false(), *(_kept(child, picked) for child in found if child.action == "refuse"))


def _kept(child: Dependent, picked: FromClause) -> ColumnElement[bool]:
    """Whether one of these rows refers to a picked one, or to the child of one that it hangs on."""
    lowest = child.table.alias()
    below, referring, conditions = lowest, child, []
    while referring.above is not None:
        above = referring.above.table.alias()
        conditions.append(_joins(referring, below, above))
        below, referring = above, referring.above
    conditions.append(_joins(referring, below, picked))
    return exists(select(1).select_from(lowest).where(*conditions).correlate(picked))


def _joins(child: Dependent, below: FromClause, above: FromClause) -> ColumnElement[bool]:
    columns = tuple(below.c[column.key] for column in child.columns)
    return _one(columns) == _one(tuple(above.c[column.key] for column in child.referred))


def unreferenced(catalogue: Catalogue, table: Table, keepers: Mapping[str, str]) -> list[ColumnElement[bool]]:
    """No row of these tables refers to it."""
    conditions: list[ColumnElement[bool]] = []
    for name, reference in keepers.items():
        other = catalogue.table(name)
        (column,), (referred,) = reference_columns(catalogue, other, table, (reference,), "unless_referenced_by")
        referring: FromClause = other.alias()
        conditions.append(not_(exists(select(1).where(referring.c[column.name] == referred).correlate(table))))
    return conditions


def has_newer_rows(
    table: Table, by: Column[Any], per: list[Column[Any]], count: int, meaning: TimeMeaning
) -> ColumnElement[bool]:
    """Whether its group has so many newer rows; of one time, the higher key is newer. Rows without a time are none."""
    newer = table.alias("sexton_newer")
    key = [column for column in _key(table) if column is not by]

    def order(source: FromClause) -> ColumnElement[Any]:
        return tuple_(meaning.sortable(source.c[by.key]), *(source.c[column.key] for column in key))

    same = [newer.c[column.key].is_not_distinct_from(column) for column in per]
    same.append(meaning.judged(newer.c[by.key]))
    return exists(select(1).where(order(newer) > order(table), *same).offset(count - 1).limit(1).correlate(table))


def _key(table: Table) -> tuple[Column[Any], ...]:
    return tuple(table.primary_key.columns)


def _one(columns: tuple[ColumnElement[Any], ...]) -> ColumnElement[Any]:
    return columns[0] if len(columns) == 1 else tuple_(*columns)
