"""WarnOnce: put a fact about rows on record, and tell about it, once a subject and deadline, changing nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_, not_

from ..db.ledger import told
from ..db.outbox_table import Outbox
from ..errors import PolicyError
from .age import require_column, require_time
from .contract import Expression, Message, Plan, key_of


@dataclass(frozen=True, slots=True, eq=False)
class WarnOnce:
    """Tell once about rows of `table` for which `when` holds.

    A window, not a day: a run that was missed is made up by the next one, late, once. The effect key decides "once"
    and holds the deadline, so a deadline that moves earns a new warning.

    by: the order of telling, oldest first; usually the deadline.  when: the condition.
    tell: one message; its key must be written over the table's own columns.  name: default "warn_<table>".
    """

    table: Table
    by: Column[Any]
    when: ColumnElement[bool]
    tell: Message
    outbox: Outbox | None = None
    lock_first: bool = False
    name: str = ""

    def plan(self) -> Plan:
        """The statements of this policy; PolicyError when it cannot be right."""
        require_column(self.table, self.by, "by")
        require_time(self.by)
        if self.tell.of != "picked" or not isinstance(self.tell.key, ColumnElement):
            raise PolicyError(f"warning about {self.table.fullname}: its key must be made of the table's own columns")
        key: Expression = self.tell.key
        own = key_of(self.table)
        return Plan(
            step=self.name or f"warn_{self.table.name}",
            table=self.table,
            key=own,
            order=(self.by, *(column for column in own if column is not self.by)),
            due=and_(self.when, not_(told(key, subject=own))),
            messages=(self.tell,),
            by=self.by,
            outbox=self.outbox,
            lock_first=self.lock_first,
        )
