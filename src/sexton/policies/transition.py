"""Transition: move rows from one state to the next once they are due, with all that hangs on it, and say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_

from ..db.outbox_table import Outbox
from ..errors import PolicyError
from ..jobs.span import parse_span
from .age import Boundary, Kind, aged, require_column
from .contract import Change, Found, Message, Plan, in_rows, key_of


@dataclass(frozen=True, slots=True, eq=False)
class Transition:
    """Set `change` on the rows of `table` that are due. The condition must exclude rows that already changed.

    by: the timestamp that makes a row due; None where `only` alone decides (then rows go in key order).
    keep, kind, boundary: as in Purge; "0s" with kind "deadline" means: due as soon as `by` has passed.
    only: the further condition, usually the state a row is in ("pending").
    change: column name -> new value.  found, changes, carry: rows that hang on these (stock given back).
    tell: facts put on record, and messages, in the same transaction.
    lock_first: see `Plan.lock_first`; needed when `only` looks at other tables.
    name: of the step; default "change_<table>".
    """

    table: Table
    change: Mapping[str, Any]
    only: ColumnElement[bool]
    by: Column[Any] | None = None
    keep: str = "0s"
    kind: Kind = "birth"
    boundary: Boundary = "<"
    found: tuple[Found, ...] = ()
    changes: tuple[Change, ...] = ()
    carry: tuple[Column[Any], ...] = ()
    tell: tuple[Message, ...] = ()
    outbox: Outbox | None = None
    lock_first: bool = False
    name: str = ""

    def plan(self) -> Plan:
        """The statements of this policy; PolicyError when it cannot be right."""
        unknown = [name for name in self.change if name not in self.table.c]
        if unknown or not self.change:
            raise PolicyError(
                f"change of {self.table.fullname} names no column of it: {', '.join(unknown) or '(empty)'}"
            )
        key = key_of(self.table)
        order = key if self.by is None else (self.by, *(column for column in key if column is not self.by))
        return Plan(
            step=self.name or f"change_{self.table.name}",
            table=self.table,
            key=key,
            order=order,
            due=self._due(),
            main=Change.update(
                self.table.name,
                self.table,
                lambda rows: in_rows(key, rows["picked"]),
                lambda rows: self.change,
            ),
            found=self.found,
            changes=self.changes,
            messages=self.tell,
            carry=self.carry,
            outbox=self.outbox,
            lock_first=self.lock_first,
            by=self.by,
            grace=None if self.by is None else parse_span(self.keep),
        )

    def _due(self) -> ColumnElement[bool]:
        if self.by is None:
            return self.only
        require_column(self.table, self.by, "by")
        return and_(aged(self.by, self.keep, kind=self.kind, boundary=self.boundary), self.only)
