"""CounterEntry: what is left of a row that is due goes by an entry against it, as a ledger is never updated.

    lots     a row with a deadline:  17, expires_at 2026-06-15
    entries  what is left of it is their sum:  +500, -120; the counter-entry is -380, and the sum is 0

Whoever writes an entry locks its row of `table` first, in the order (by, key), and reads the sum in a statement after
that one. So does the policy: see `Plan.lock_first`, and docs/explanation/ledger.md for why one statement is too few.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Column, ColumnElement, Integer, Numeric, Select, Table, and_, func, literal, select

from ..db.outbox_table import Outbox
from ..db.time_parameters import now
from ..errors import PolicyError
from ..jobs.span import parse_span
from .age import Boundary, Kind, aged, require_column, require_time
from .contract import Change, Found, Message, Plan, Rows, key_of

_LEFT = "left"
"""The relation about which a message of this policy may be (`of="left"`)."""


@dataclass(frozen=True, slots=True, eq=False)
class CounterEntry:
    """Insert one entry for each row of `table` that is due and of which something is left. Twice inserts nothing more.

        CounterEntry(
            lots, by=lots.c.expires_at, entries=entries, of=entries.c.lot_id, amount=entries.c.amount,
            values={"type": "expiry"}, at=entries.c.created_at,
        )

    by: the timestamp that makes a row due; index it together with the key.
    entries: the table of entries; index `of` with `amount` behind it: it is asked about each row that is due.
    of: its column that holds the key of `table`.  amount: a number; the sum is what is left of a row, which is
        due above 0, and left alone at 0 or less.
    values: further columns of the counter-entry; a constant, or a column of `table`.
    at: its column that gets the time of the run.
    last: its column that gets the greatest key of the entries that were counted; unique together with `of` it lets
        nobody write off the same balance twice, also who does not lock. None: there is no such column.
    keep, kind, boundary: as in Purge; "0s" and "deadline" by default: due as soon as `by` has passed.
    only: a further condition on the row.  carry: columns of it that messages about "left" read.
    tell: facts put on record, and messages, in the same transaction. One with `of="left"` gets a relation with the key
        of the row, `by`, `carry`, `left_sum` and, where `last` is given, `left_last`. A row that comes to something
        again is due again: put `left_last` into the key.
    name: of the step; default "counter_<table>".
    PolicyError, when it is planned: a column of another table, a composite key, an amount that is no number.
    """

    table: Table
    by: Column[Any]
    entries: Table
    of: Column[Any]
    amount: Column[Any]
    at: Column[Any]
    values: Mapping[str, Any] = field(default_factory=dict)
    last: Column[Any] | None = None
    keep: str = "0s"
    kind: Kind = "deadline"
    boundary: Boundary = "<"
    only: ColumnElement[bool] | None = None
    carry: tuple[Column[Any], ...] = ()
    tell: tuple[Message, ...] = ()
    outbox: Outbox | None = None
    name: str = ""

    def plan(self) -> Plan:
        """The statements of this policy; PolicyError when it cannot be right."""
        key = self._key()
        self._require_columns()
        old = aged(self.by, self.keep, kind=self.kind, boundary=self.boundary)
        left = select(func.coalesce(func.sum(self.amount), 0)).where(self.of == key).correlate(self.table)
        conditions = [old, *([] if self.only is None else [self.only]), left.scalar_subquery() > 0]
        return Plan(
            step=self.name or f"counter_{self.table.name}",
            table=self.table,
            key=(key,),
            order=(self.by, key),
            due=and_(*conditions),
            found=(Found(_LEFT, partial(self._left, key), order=(self.by.key, key.key)),),
            changes=(Change.insert(self.entries.name, self.entries, partial(self._counter_entries, key)),),
            messages=self.tell,
            carry=self._carried(),
            outbox=self.outbox,
            lock_first=True,
            by=self.by,
            grace=parse_span(self.keep),
        )

    def _key(self) -> Column[Any]:
        key = key_of(self.table)
        if len(key) > 1:
            raise PolicyError(f"table {self.table.fullname} has a key of {len(key)} columns; an entry names one")
        return key[0]

    def _require_columns(self) -> None:
        require_column(self.table, self.by, "by")
        for role in ("of", "amount", "at", *(() if self.last is None else ("last",))):
            require_column(self.entries, getattr(self, role), role)
        require_time(self.at)
        if not isinstance(self.amount.type, Integer | Numeric):
            raise PolicyError(f"{self.entries.name}.{self.amount.name} is {self.amount.type!r}, which is no number")
        if self.last is not None and len(key_of(self.entries)) > 1:
            raise PolicyError(f"table {self.entries.fullname} has a composite key; `last` holds one number")
        taken = {column.key for column in (self.of, self.amount, self.at, self.last) if column is not None}
        if wrong := [name for name in self.values if name not in self.entries.c or name in taken]:
            raise PolicyError(f"values of {self.entries.fullname}: {', '.join(wrong)} is no column of it, or is set")

    def _carried(self) -> tuple[Column[Any], ...]:
        """Columns of the row that the entry or a message takes over."""
        return (*self.carry, *(value for value in self.values.values() if self._is_ours(value)))

    def _is_ours(self, value: Any) -> bool:
        return isinstance(value, Column) and value.table is self.table

    def _left(self, key: Column[Any], rows: Rows) -> Select[Any]:
        """What is left of each picked row, and the last entry that it is made of."""
        picked = rows["picked"]
        sums = [self.of.label("left_of"), func.sum(self.amount).label("left_sum")]
        if self.last is not None:
            sums.append(func.max(key_of(self.entries)[0]).label("left_last"))
        whole = select(*sums).where(self.of.in_(select(picked.c[key.key]))).group_by(self.of).subquery("sums")
        names = dict.fromkeys(column.key for column in (key, self.by, *self._carried()))
        columns = [picked.c[name].label(name) for name in names]
        found = [column for name, column in whole.c.items() if name != "left_of"]
        return select(*columns, *found).join_from(picked, whole, whole.c.left_of == picked.c[key.key])

    def _counter_entries(self, key: Column[Any], rows: Rows) -> Select[Any]:
        left = rows[_LEFT].c
        columns = {self.of.key: left[key.key], self.amount.key: -left.left_sum, self.at.key: now(self.at.type)}
        for name, value in self.values.items():
            columns[name] = left[value.key] if self._is_ours(value) else literal(value, self.entries.c[name].type)
        if self.last is not None:
            columns[self.last.key] = left.left_last
        return select(*(column.label(name) for name, column in columns.items()))
