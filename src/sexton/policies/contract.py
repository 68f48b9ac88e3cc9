"""The contract that everything leans on: pick, change, tell.

A policy is a set of statements over logical parameters (`now`, `now_minus_30d`, the batch size), and nothing else:
no loop, no commit, no clock, no logger, no dialect by name. It answers one question, `plan()`:

    pick     which rows are due: `Plan.due`, asked by count, dry run, batch, EXPLAIN and generated SQL alike
    find     rows that hang on the picked ones and are needed below: `Plan.found`
    change   what happens to them, in lock order: `Plan.changes`
    tell     which facts are put on record, and which messages go out: `Plan.messages`

`sexton.runs` decides how a plan is executed in a database. Expressions in `Message` are written over the columns
of the policy's own table (or of a found relation, through `of`); the runner points them at the rows picked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Table,
    select,
    tuple_,
)

from ..db.outbox_table import Outbox
from ..errors import PolicyError
from ..jobs.guard_options import Guard
from ..jobs.span import Span
from .plan_parts import ArchiveTo as ArchiveTo
from .plan_parts import Change as Change
from .plan_parts import Expression as Expression
from .plan_parts import Found as Found
from .plan_parts import Message as Message
from .plan_parts import Operation as Operation
from .plan_parts import Rows as Rows

if TYPE_CHECKING:
    from .call_rule import CallRule
    from .rollup_rule import RollupRule


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the runner needs to know of one policy.

    step: name of the step in counts, poison and history.  table: whose rows are picked.
    key: its primary key.  order: a total order, oldest first, ending in the key; the cursor of the batches.
    due: the one predicate.  main: the change to the picked rows themselves, if any.
    carry: columns of the picked rows that `found` and `changes` read; those that messages name are carried anyway.
    outbox: where messages are written; None: Sexton's own outbox.
    guard: of the job that the plan belongs to, which sets it; None: a run takes what is due.
    definition: a fingerprint of the rule, where it is not made of the statements; see `jobs.fingerprints`.
    earlier_definitions: those that earlier versions gave the same rule, so that it stays armed.
    by: the column that gives a row its time; None: no column does.
    read: what a value of `by`, as the driver gives it, means as an instant; None: it is one.
    grace: how long after `by` a row is due; None where other things decide that.
    restricted: given the picked rows, those that a child is not to lose, so that they will be set aside; None: none.
    restrict_probe: a relation that cannot be read when there is one. Where children are changed in statements of their
    own, it is read before.
    unknown_zone: rows with a date and no known zone, which are never due; None: there can be none.
    archive: deleted rows go into files first.
    call: each row is called for, outside of any transaction, and what came of it is recorded; nothing else happens.
    rollup: rows are summed up by windows; nothing happens to them.
    limit: rows that one run takes at most.  batch: rows that one batch takes at most.
    batch_seconds: that one batch should take; None: what the run aims at. For rows that nobody else waits for, as those
    of an outbox: a statement has fixed costs, and larger batches have fewer of them.
    lock_first: lock in one statement, ask `due` again in the next. For predicates that look at other tables, whose
    writers lock this row first; a single statement would judge those tables by a snapshot older than the lock.
    lock_also: rows of other tables that `due` looks at and that go along, locked in between, as their writers may lock
    nothing else; only with `lock_first`.
    """

    step: str
    table: Table
    key: tuple[Column[Any], ...]
    order: tuple[Column[Any], ...]
    due: ColumnElement[bool]
    main: Change | None = None
    found: tuple[Found, ...] = ()
    changes: tuple[Change, ...] = ()
    messages: tuple[Message, ...] = ()
    carry: tuple[Column[Any], ...] = ()
    outbox: Outbox | None = None
    lock_first: bool = False
    lock_also: tuple[Found, ...] = ()
    by: Column[Any] | None = None
    read: Callable[[Any], datetime | None] | None = None
    grace: Span | None = None
    restricted: Callable[[FromClause], ColumnElement[bool]] | None = None
    restrict_probe: Callable[[Rows], FromClause] | None = None
    unknown_zone: ColumnElement[bool] | None = None
    guard: Guard | None = None
    definition: str = ""
    earlier_definitions: tuple[str, ...] = ()
    archive: ArchiveTo | None = None
    call: CallRule | None = None
    rollup: RollupRule | None = None
    limit: int | None = None
    batch: int | None = None
    batch_seconds: float | None = None

    def __post_init__(self) -> None:
        """PolicyError for an insert where only picked rows can be meant, or where files could not hold it."""
        if self.main is not None and self.main.operation == "insert":
            raise PolicyError(f"step {self.step}: its main change is one of the picked rows; insert in `changes`")
        if self.archive is not None and self.inserts:
            raise PolicyError(f"step {self.step}: rows that are archived cannot insert others; write a second step")

    @property
    def only_deletes(self) -> bool:
        """A purge of single rows: nothing hangs on them, nobody is told. The dialect may sweep instead of pick."""
        alone = not (self.found or self.changes or self.messages or self.lock_first or self.archive)
        return alone and self.deletes

    @property
    def deletes(self) -> bool:
        """Whether the picked rows themselves are deleted."""
        return self.main is not None and self.main.operation == "delete"

    @property
    def inserts(self) -> bool:
        """Whether rows are inserted about the picked ones."""
        return any(change.operation == "insert" for change in self.changes)

    @property
    def all_changes(self) -> tuple[Change, ...]:
        """The changes, and the main one last."""
        return self.changes if self.main is None else (*self.changes, self.main)

    @property
    def harmless(self) -> bool:
        """Whether it changes nothing and tells nobody: it only puts facts on record."""
        return self.main is None and not self.changes and all(message.event is None for message in self.messages)

    @property
    def once(self) -> tuple[str, ...]:
        """The columns that a message about a row is told once for; none where they are not known."""
        return self.messages[0].once if self.messages else ()

    @property
    def counts_rows(self) -> bool:
        """Whether each row has to be picked in order, as their number or order matters."""
        return self.limit is not None or self.batch is not None or self.by is not self.order[0]


@runtime_checkable
class Policy(Protocol):
    """What a job's work is made of."""

    def plan(self) -> Plan:
        """The statements. PolicyError when the policy cannot be right; no database is asked."""
        ...


def key_of(table: Table) -> tuple[Column[Any], ...]:
    """The primary key's columns. PolicyError for a table without one: its rows could not be named or set aside."""
    key = tuple(table.primary_key.columns)
    if not key:
        raise PolicyError(f"table {table.fullname} has no primary key; a policy needs one to name a row")
    return key


def in_rows(key: Sequence[Column[Any]], rows: FromClause) -> ColumnElement[bool]:
    """Whether a row's key is among `rows`, which has columns of the same names."""
    if len(key) == 1:
        return key[0].in_(select(rows.c[key[0].key]))
    return tuple_(*key).in_(select(*(rows.c[column.key] for column in key)))
