"""The parts of a plan: rows that are found, what changes, what is told, where rows are written to first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import ColumnElement, Delete, FromClause, Insert, Select, Table, Update, delete, insert, select, update

from ..errors import PolicyError

Rows = Mapping[str, FromClause]
"""Relations by name while a batch is built: "picked" (key, order, carried columns of due rows) and every `Found`."""

Expression = ColumnElement[Any]

Operation = Literal["delete", "update", "insert"]
"""What a change does with rows of its table."""


@dataclass(frozen=True, slots=True)
class Found:
    """Rows that hang on the picked ones, read before anything changes.

    select: given the relations so far, the rows, in the order in which they are to be locked.
    lock: the table among them whose rows are locked, as a change needs them unmoved; None: nothing is locked.
    order: columns by which messages about them are written. Give one that does not depend on where a batch ends.
    """

    name: str
    select: Callable[[Rows], Select[Any]]
    lock: Table | None = None
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One statement about the picked rows, or rows that hang on them; made by `delete`, `update` or `insert`.

    operation: what it does.  name: under which its rows are counted.  where: given the relations, which rows of
    `table` are deleted or updated.  values: of an update, column name -> new value.
    rows: of an insert, the new rows; their columns are called as those of `table` are.
    counted: False when a row may change in several batches, so that a preview could not count it.
    """

    operation: Operation
    name: str
    table: Table
    where: Callable[[Rows], ColumnElement[bool]] | None = None
    values: Callable[[Rows], Mapping[str, Any]] | None = None
    rows: Callable[[Rows], Select[Any]] | None = None
    counted: bool = True

    def __post_init__(self) -> None:
        """PolicyError when the operation lacks what it needs, or has what it has no use for."""
        given = (self.where is not None, self.values is not None, self.rows is not None)
        if given != {"delete": (True, False, False), "update": (True, True, False)}.get(
            self.operation, (False, False, True)
        ):
            raise PolicyError(f"change {self.name}: write Change.delete, Change.update or Change.insert")

    @classmethod
    def delete(
        cls, name: str, table: Table, where: Callable[[Rows], ColumnElement[bool]], *, counted: bool = True
    ) -> Change:
        """Delete the rows of `table` that `where` names."""
        return cls("delete", name, table, where, counted=counted)

    @classmethod
    def update(
        cls,
        name: str,
        table: Table,
        where: Callable[[Rows], ColumnElement[bool]],
        values: Callable[[Rows], Mapping[str, Any]],
        *,
        counted: bool = True,
    ) -> Change:
        """Give the rows of `table` that `where` names the values, column name -> new value."""
        return cls("update", name, table, where, values, counted=counted)

    @classmethod
    def insert(cls, name: str, table: Table, rows: Callable[[Rows], Select[Any]], *, counted: bool = True) -> Change:
        """Insert the rows; columns that they leave out get the database's own defaults, never those of Python.

        Once, as long as the same transaction sees to it that a row is not picked again: by the plan's main change, or
        by a condition that looks for what was inserted.
        """
        return cls("insert", name, table, rows=rows, counted=counted)

    def statement(self, relations: Rows) -> Delete | Update | Insert:
        """The change as SQL. PolicyError when an insert names a column that the table does not have."""
        if self.rows is not None:
            new = self.rows(relations)
            names = new.selected_columns.keys()
            if unknown := [name for name in names if name not in self.table.c]:
                raise PolicyError(f"change {self.name}: {self.table.fullname} has no column {', '.join(unknown)}")
            # A default of Python would be asked once for all rows, and once for all batches.
            return insert(self.table).from_select(names, new, include_defaults=False)
        condition = self.condition(relations)
        if self.operation == "delete":
            return delete(self.table).where(condition)
        assert self.values is not None
        return update(self.table).where(condition).values(dict(self.values(relations)))

    def condition(self, relations: Rows) -> ColumnElement[bool]:
        """Which rows of `table` are deleted or updated."""
        assert self.where is not None, f"{self.name} inserts"
        return self.where(relations)

    def touched(self, relations: Rows) -> Select[Any]:
        """The rows that are deleted, updated or inserted, to be counted."""
        if self.rows is not None:
            return self.rows(relations)
        return select(*self.table.primary_key.columns).where(self.condition(relations)).distinct()


@dataclass(frozen=True, slots=True)
class Message:
    """One fact to put on record, and the message about it.

    event: its type ("order_expired"); None puts the fact on record without a message.
    key: the effect key, subject + deadline + step; written once ever, whoever tries.
    to: who is told (an id, an address); payload: fields of the JSON body.
    of: the relation it is about, "picked" or the name of a `Found`; then the values are functions of that relation.
    once: the columns that make the key, for people; empty: they are not known.
    """

    event: str | None
    key: Expression | Callable[[FromClause], Expression]
    to: Expression | Callable[[FromClause], Expression] | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    of: str = "picked"
    once: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ArchiveTo:
    """Where rows are written to before they are deleted. folder: files of a step lie in one of its name below.

    group: its members may read them; None: this user alone.
    """

    folder: str
    group: str | None = None
