"""One step of a procedure as PL/pgSQL: its loop, and in it the statements that Python would run.

Python builds a statement for each case (with a cursor or without, with rows set aside or without). Here one statement
serves them all, with conditions on variables in front: each execution is planned with their values, so what does not
hold is gone before a plan is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    func,
    not_,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.sql.elements import ClauseElement

from ...db.column_types import is_time
from ...db.identifiers import quoted_table, text_literal
from ...db.ledger import set_aside, subject_text
from ...db.render import in_procedure, render
from ...policies.contract import Plan, in_rows
from ...statements.postgresql_batch import (
    LOCKED_KEYS,
    batch_statement,
    counted_changes,
    lock_statement,
    locking_also,
)
from ...statements.postgresql_purge import window_end_parameter
from ...statements.selection import after_cursor, cursor_bound, cursor_value
from ...statements.unlisted_references import unlisted_references
from ...texts import one_line
from .sql_text import filled
from .step_template import LOCKING, RESTING, STEP_LOOP, SWEEP_BRANCH, WINDOW_BRANCH

MOST_LEFT, PROBED = 100_000, 5_000
"""Rows left over that are counted, and of which it is tried whether others hold them; as in `runs.left_over`."""


@dataclass(frozen=True, slots=True)
class StepText:
    """variables: lines for DECLARE.  text: for the body."""

    variables: tuple[str, ...]
    text: str


def step_text(connection: Connection, plan: Plan, index: int, session: str) -> StepText:
    """The step, number `index` from 0. session: what a transaction begins with."""
    return _StepWriter(connection, plan, index).write(session)


class _StepWriter:
    """Writes one step. Its own variables end in the step's number: two tables may have keys of different types."""

    def __init__(self, connection: Connection, plan: Plan, index: int) -> None:
        self.connection, self.plan, self.index = connection, plan, index
        self.references = unlisted_references(connection, plan)
        aside = _unless("excluding", not_(set_aside(plan.step, subject_text(plan.key))))
        around = [_unless("around", not_(one.refers(plan))) for one in self.references]
        self._but_aside = and_(plan.due, aside)
        self.whole = replace(plan, due=and_(plan.due, aside, *around))
        self.onward = replace(plan, due=and_(self.whole.due, _unless("onward", after_cursor(plan))))

    def write(self, session: str) -> StepText:
        plan = self.plan
        by_row = self._copy("v_after", "v_row.last_")
        parts = {
            "judge": self._counted(replace(plan, due=self._but_aside), bindparam("sexton_most")),
            "first": self._first(locking=False),
            "blame": self._first(locking=True),
            "left": self._counted(self.whole, MOST_LEFT),
            "free": self._free(),
            "refer": self._referring(),
            "hold": self._sql(lock_statement(self.onward, onward=False, excluding=False, waiting=True)),
            "batch": self._sql(batch_statement(self.onward)),
        }
        written = filled(
            STEP_LOOP,
            number=str(self.index + 1),
            index=str(self.index),
            step=one_line(plan.step),
            session=session,
            resting=filled(RESTING, session=session),
            window=f"{self._window()}\n{self._sweep()}" if plan.only_deletes and not plan.counts_rows else "",
            lock=self._lock() if plan.lock_first else "",
            taken="v_taken" if plan.lock_first else "v_row.picked",
            advance=self._copy("v_after", f"v_upto{self.index}_") if plan.lock_first else by_row,
            advance_row=by_row,
            also=self._also(),
            **parts,
        )
        return StepText(tuple(self._variables()), written)

    def _sql(self, statement: ClauseElement) -> str:
        return render(statement, self.connection.dialect, naming=self._named)

    def _named(self, name: str) -> str:
        if name == LOCKED_KEYS:
            keys = self._locked_keys
            return keys[0] if len(keys) == 1 else f"(SELECT * FROM unnest({', '.join(keys)}))"
        own, _, number = name.removeprefix("sexton_").partition("_")
        return f"v_{own}{self.index}_{number}" if own in ("after", "upto") else in_procedure(name)

    @property
    def _locked_keys(self) -> list[str]:
        """Arrays of the keys of locked rows, one for each column."""
        return [f"v_among{self.index}_{number}" for number in range(len(self.plan.key))]

    def _variables(self) -> Iterable[str]:
        types = _types(self.connection, self.plan)
        for number, column in enumerate(self.plan.order):
            kind = "text" if is_time(column.type) else types[column.name]
            yield f"v_after{self.index}_{number} {kind};"
            yield f"v_upto{self.index}_{number} {kind};"
        if self.plan.lock_first:
            for array, column in zip(self._locked_keys, self.plan.key, strict=True):
                yield f"{array} {types[column.name]}[];"

    def _copy(self, into: str, source: str) -> str:
        """The place after the last row that was seen."""
        lines = [f"{into}{self.index}_{number} := {source}{number};" for number in range(len(self.plan.order))]
        lines += ["v_onward := true;"] if into == "v_after" else []
        return "\n".join(lines)

    def _counted(self, plan: Plan, most: Any) -> str:
        few = select(*plan.key).where(plan.due).limit(most)
        return self._sql(select(func.count()).select_from(few.subquery()))

    def _free(self) -> str:
        some = select(*self.plan.key).where(self.whole.due).limit(PROBED)
        some = some.with_for_update(of=self.plan.table, skip_locked=True, key_share=not self.plan.deletes)
        return self._sql(select(func.count()).select_from(some.subquery()))

    def _first(self, *, locking: bool) -> str:
        """The row that a batch of one would take."""
        marks = [cursor_value(column).label(f"last_{number}") for number, column in enumerate(self.plan.order)]
        first = select(subject_text(self.plan.key).label("subject"), *marks).where(self.onward.due)
        first = first.order_by(*self.plan.order).limit(1)
        if locking:  # as the batch does
            first = first.with_for_update(of=self.plan.table, skip_locked=True, key_share=not self.plan.deletes)
        return self._sql(first)

    def _referring(self) -> str:
        if not self.references:
            return "SELECT 0"
        kept = or_(*(one.refers(self.plan) for one in self.references))
        return self._sql(select(func.count()).select_from(self.plan.table).where(self._but_aside, kept))

    def _also(self) -> str:
        """Rows that hung on the picked ones, by table: one may hang in several ways."""
        found: dict[str, list[str]] = {}
        for number, change in counted_changes(self.plan):
            found.setdefault(change.name, []).append(f"v_row.also_{number}")
        pairs = [f"{text_literal(name)}, {' + '.join(rows)}" for name, rows in found.items()]
        return f"jsonb_build_object({', '.join(pairs)})" if pairs else "'{}'"

    def _lock(self) -> str:
        lock = self._sql(lock_statement(self.onward, onward=False, excluding=False, waiting=False))
        hanging = [self._sql(locking_also(self.plan, found)) for found in self.plan.lock_also]
        return filled(
            LOCKING,
            clear="\n".join(f"{array} := '{{}}';" for array in self._locked_keys),
            lock=lock,
            append="\n".join(
                f"{array} := {array} || v_row.key_{number};" for number, array in enumerate(self._locked_keys)
            ),
            first_of_key=self._locked_keys[0],
            keep=self._copy("v_upto", "v_row.last_"),
            hanging="\n".join(f"{one}\nINTO v_rows;" for one in hanging),
        )

    def _window(self) -> str:
        """A purge of single rows: the window's last row by the index, then everything due up to it."""
        plan, due = self.plan, self.onward.due
        marks = [cursor_value(column).label(f"last_{number}") for number, column in enumerate(plan.order)]
        edge = select(*marks).where(due).order_by(*plan.order).offset(bindparam("sexton_most")).limit(1)
        ends = [cursor_bound(window_end_parameter(number), column) for number, column in enumerate(plan.order)]
        upto = tuple_(*plan.order) <= tuple_(*ends) if len(ends) > 1 else plan.order[0] <= ends[0]
        inside = and_(due, _unless("bounded", upto))
        return filled(
            WINDOW_BRANCH,
            edge=self._sql(edge),
            bound=self._copy("v_upto", "v_row.last_"),
            window=self._sql(delete(plan.table).where(inside)),
            rest=self._sql(select(func.count()).select_from(plan.table).where(inside)),
            advance=self._copy("v_after", f"v_upto{self.index}_"),
        )

    def _sweep(self) -> str:
        """The same where no index leads to the rows: what is due in some blocks of the heap."""
        plan = self.plan
        inside = and_(_stretch(), self.whole.due)
        free = select(*plan.key).where(inside).with_for_update(skip_locked=True).cte("free")
        return filled(
            SWEEP_BRANCH,
            sweep=self._sql(delete(plan.table).where(inside)),
            around=self._sql(delete(plan.table).where(in_rows(plan.key, free))),
            rest=self._sql(select(func.count()).select_from(plan.table).where(inside)),
        )


def _stretch() -> ColumnElement[bool]:
    return and_(text("ctid >= :sexton_from"), text("ctid < :sexton_to"))


def _unless(variable: str, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """The condition, where the variable says that it holds at all."""
    return or_(not_(bindparam(f"sexton_{variable}", type_=Boolean())), condition)


def _types(connection: Connection, plan: Plan) -> dict[str, str]:
    """Types of the table's columns, with their schema: the session of a call may have any search path."""
    asked = text(
        "SELECT a.attname, CASE n.nspname WHEN 'pg_catalog' THEN format_type(a.atttypid, a.atttypmod)"
        " ELSE format('%I.%I', n.nspname, t.typname) END"
        " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace"
        " WHERE a.attrelid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped"
    )
    name = quoted_table(connection.dialect, plan.table)
    return {row[0]: row[1] for row in connection.execute(asked, {"name": name})}
