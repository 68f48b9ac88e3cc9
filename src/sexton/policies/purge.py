"""Purge: delete rows that are past keeping, oldest first, children before parents, one short transaction a batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Table, and_, literal_column, select
from sqlalchemy.sql import visitors

from ..db.outbox_table import Outbox
from ..jobs.span import parse_span
from .age import Boundary, Kind, aged, require_column
from .contract import Change, Found, Message, Plan, Rows, in_rows, key_of


@dataclass(frozen=True, slots=True, eq=False)
class Child:
    """Rows of another table that point at the purged ones and go first.

    table: the child table.  column: its reference to the parent's (one-column) key.
    """

    table: Table
    column: Column[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Purge:
    """Delete rows of `table` once they are older than `keep`. Run twice, the second run deletes nothing.

    by: the timestamp that gives a row its age; index it together with the key: every batch starts there.
    keep: how long after `by` a row stays ("30d", "36h", "1 month"); "0s" for a deadline only.
    kind: what `by` is: the row's "birth" (default), or the "deadline" at which its time is up.
    boundary: "<" (default): a row exactly `keep` old stays; "<=": it goes.
    only: a further condition on the row.  children: rows deleted first, in this order.
    found, changes, carry: further rows that hang on the purged ones.
    tell: facts put on record, and messages, in the same transaction.
    lock_first: see `Plan.lock_first`; so it is anyway where `only` asks about children.
    name: of the step; default "purge_<table>".
    """

    table: Table
    by: Column[Any]
    keep: str
    kind: Kind = "birth"
    boundary: Boundary = "<"
    only: ColumnElement[bool] | None = None
    children: tuple[Child, ...] = ()
    found: tuple[Found, ...] = ()
    changes: tuple[Change, ...] = ()
    carry: tuple[Column[Any], ...] = ()
    tell: tuple[Message, ...] = ()
    outbox: Outbox | None = None
    lock_first: bool = False
    name: str = ""

    def plan(self) -> Plan:
        """The statements of this policy; PolicyError when it cannot be right."""
        require_column(self.table, self.by, "by")
        key = key_of(self.table)
        due = aged(self.by, self.keep, kind=self.kind, boundary=self.boundary)
        renewed = self._renewed(key[0])
        return Plan(
            step=self.name or f"purge_{self.table.name}",
            table=self.table,
            key=key,
            order=(self.by, *(column for column in key if column is not self.by)),
            due=due if self.only is None else and_(due, self.only),
            main=Change.delete(self.table.name, self.table, lambda rows: in_rows(key, rows["picked"])),
            found=self.found,
            changes=(*(_first(child, key[0]) for child in self.children), *self.changes),
            messages=self.tell,
            carry=self.carry,
            outbox=self.outbox,
            lock_first=self.lock_first or bool(renewed),
            lock_also=renewed,
            by=self.by,
            grace=parse_span(self.keep),
        )

    def _renewed(self, parent_key: Column[Any]) -> tuple[Found, ...]:
        """Children that `only` asks about: whoever renews one need not lock its parent, so they are locked as well."""
        asked = set() if self.only is None else set(visitors.iterate(self.only))
        return tuple(
            Found(f"{child.table.name}_renewed", partial(_hanging, child, parent_key), child.table)
            for child in self.children
            if child.table in asked
        )


def _hanging(child: Child, parent_key: Column[Any], rows: Rows) -> Select[Any]:
    above = select(rows["picked"].c[parent_key.key])
    return select(literal_column("1").label("one")).select_from(child.table).where(child.column.in_(above))


def _first(child: Child, parent_key: Column[Any]) -> Change:
    return Change.delete(
        child.table.name,
        child.table,
        lambda rows: child.column.in_(select(rows["picked"].c[parent_key.key])),
    )
