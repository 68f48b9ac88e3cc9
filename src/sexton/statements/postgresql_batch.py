"""PostgreSQL, general form: one data-modifying statement a batch.

    WITH picked AS (due rows, oldest first, FOR UPDATE SKIP LOCKED), found …, changed …, facts, told AS (effects, ON
    CONFLICT DO NOTHING), sent AS (outbox) SELECT counts and the last row

Everything of a batch happens in the server, so locks are held for the statement and not for Python. The same
statement runs inside a PL/pgSQL procedure. LIMIT stands in a CTE, never inside IN: there the planner may ignore it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    Connection,
    Select,
    any_,
    bindparam,
    func,
    literal_column,
    not_,
    select,
    tuple_,
)
from sqlalchemy.sql.elements import ClauseElement, ColumnElement

from ..db.outbox_table import own_outbox
from ..outbox.write import enqueue, record
from ..policies.contract import Change, Found, Plan, Rows
from .batch_strategy import Request, Result, parameters, refuse_kept
from .selection import carried, cursor_value, due_condition, fact_order, facts, pick, told_before

LOCKED_KEYS = "sexton_among"


class CteBatches:
    """Executes any plan on PostgreSQL."""

    unit = "rows"
    first = 0
    goes_around = False

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._statement = lru_cache(maxsize=None)(
            lambda onward, excluding, waiting: batch_statement(
                plan, onward=onward, excluding=excluding, waiting=waiting
            )
        )
        self._locks = lru_cache(maxsize=None)(lambda: [locking_also(plan, found) for found in plan.lock_also])
        self._lock = lru_cache(maxsize=None)(
            lambda onward, excluding, waiting: lock_statement(plan, onward=onward, excluding=excluding, waiting=waiting)
        )

    def execute(self, connection: Connection, request: Request) -> Result:
        """One batch; see the module."""
        onward = request.cursor is not None
        more: dict[str, Any] = {}
        locked: list[Any] = []
        if self.plan.lock_first:
            lock = self._lock(onward, request.excluding, request.waiting)
            locked = list(connection.execute(lock, parameters(lock, request)))
            if not locked:
                return Result(0, 0, 0, request.cursor, more=False)
            width = len(self.plan.key)
            more[LOCKED_KEYS] = [row[0] if width == 1 else tuple(row[:width]) for row in locked]
            for hanging in self._locks():
                connection.execute(hanging, parameters(hanging, request, **more)).one()
        statement = self._statement(onward, request.excluding, request.waiting)
        row = connection.execute(statement, parameters(statement, request, **more)).mappings().one()
        cursor = tuple(row[f"last_{number}"] for number in range(len(self.plan.order)))
        taken = row["picked"]
        if locked:
            cursor, taken = tuple(locked[-1][len(self.plan.key) :]), len(locked)
        also = rows_by_table((change.name, row[f"also_{number}"]) for number, change in counted_changes(self.plan))
        kept = row["picked"] - row["changed"] if self.plan.main is not None else 0
        refuse_kept(self.plan, kept)
        return Result(
            picked=row["picked"],
            changed=row["changed"],
            told=row["told"],
            cursor=cursor if taken else request.cursor,
            more=taken >= request.size,
            also=also,
            kept=kept,
            told_before=row["told_before"],
        )

    rescue = execute

    def statements(self) -> list[ClauseElement]:
        """The lock, where there is one, and the batch."""
        first: list[ClauseElement] = []
        if self.plan.lock_first:
            first = [lock_statement(self.plan, onward=False, excluding=False, waiting=False), *self._locks()]
        return [*first, batch_statement(self.plan)]


def counted_changes(plan: Plan) -> list[tuple[int, Change]]:
    """The hanging changes whose rows are counted, with their numbers."""
    return [(number, change) for number, change in enumerate(plan.changes) if change.counted]


def rows_by_table(rows: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Rows by table: one may hang on the picked rows in several ways."""
    totals: dict[str, int] = {}
    for name, count in rows:
        totals[name] = totals.get(name, 0) + count
    return totals


def lock_statement(plan: Plan, *, onward: bool, excluding: bool, waiting: bool) -> Select[Any]:
    """Lock the rows that are due, and nothing else: the first of two statements. Gives key, then order columns."""
    picked = pick(plan, carried(plan), excluding=excluding, onward=onward)
    keys = (column.label(f"key_{number}") for number, column in enumerate(plan.key))
    marks = (cursor_value(column).label(f"last_{number}") for number, column in enumerate(plan.order))
    picked = picked.with_only_columns(*keys, *marks)
    return _locking(plan, picked, waiting)


def locking_also(plan: Plan, found: Found) -> Select[Any]:
    """Lock rows that hang on those locked before, waiting for sessions that change one; `due` is asked next."""
    picked = select(*(column.label(column.key) for column in carried(plan))).where(is_locked(plan)).subquery("picked")
    rows = found.select({"picked": picked}).with_for_update(of=found.lock)
    return select(func.count()).select_from(rows.subquery())


def batch_statement(plan: Plan, *, onward: bool = False, excluding: bool = False, waiting: bool = False) -> Select[Any]:
    """The whole batch as one statement. With `lock_first` it asks again about the rows locked before."""
    columns = carried(plan)
    if plan.lock_first:
        again = select(*(column.label(column.key) for column in columns))
        chosen = again.where(is_locked(plan), due_condition(plan, excluding=excluding)).order_by(*plan.order)
    else:
        chosen = pick(plan, columns, excluding=excluding, onward=onward)
    picked = _locking(plan, chosen, waiting).cte("picked")
    rows: dict[str, Any] = {"picked": picked}
    for found in plan.found:
        related = found.select(rows)
        rows[found.name] = (related.with_for_update(of=found.lock) if found.lock is not None else related).cte(
            found.name
        )
    outcome: list[ColumnElement[Any]] = [_count(picked, "picked")]
    changes = [(f"also_{number}", change) for number, change in enumerate(plan.changes)]
    # Executed as the server comes to their counts: children that go before their parent, the rows themselves, then
    # rows that many want (stock), so that these are locked for the shortest time.
    gone = [pair for pair in changes if pair[1].operation == "delete"]
    late = [pair for pair in changes if pair[1].operation != "delete"]
    main = [("changed", plan.main)] if plan.main else []
    outcome += [_count(_changing(change, rows).cte(name), name) for name, change in [*gone, *main]]
    if plan.main is None:
        outcome.append(literal_column("0").label("changed"))
    outcome += _telling(plan, rows)
    outcome += [_count(_changing(change, rows).cte(name), name) for name, change in late]
    return select(*outcome, *_last(plan, picked))


def is_locked(plan: Plan) -> ColumnElement[bool]:
    """Rows whose keys were locked by the statement before."""
    if len(plan.key) == 1:
        return plan.key[0] == any_(bindparam(LOCKED_KEYS, type_=ARRAY(plan.key[0].type)))
    return tuple_(*plan.key).in_(bindparam(LOCKED_KEYS, expanding=True))


def _locking(plan: Plan, chosen: Select[Any], waiting: bool) -> Select[Any]:
    # A delete needs the full row lock; every other change leaves the key alone, so foreign keys may still point here.
    return chosen.with_for_update(of=plan.table, skip_locked=not waiting, key_share=not plan.deletes)


def _changing(change: Change, rows: Rows) -> Any:
    return change.statement(rows).returning(literal_column("1").label("one"))


def _telling(plan: Plan, rows: Mapping[str, Any]) -> list[ColumnElement[Any]]:
    if not plan.messages:
        return [literal_column("0").label("told"), literal_column("0").label("told_before")]
    relation = facts(plan, rows).cte("facts")
    told = record("postgresql", relation).returning(literal_column("key").label("key")).cte("told")
    new = relation.c.key.in_(select(told.c.key))
    outbox = plan.outbox or own_outbox("postgresql")
    sent = enqueue(outbox, relation, new, fact_order(relation))
    sending = sent.returning(literal_column("1").label("one")).cte("sent")
    return [_count(told, "told"), _count(sending, "sent"), told_before(relation, not_(new))]


def _count(relation: CTE, name: str) -> ColumnElement[Any]:
    return select(func.count()).select_from(relation).scalar_subquery().label(name)


def _last(plan: Plan, picked: CTE) -> list[ColumnElement[Any]]:
    newest = [picked.c[column.key].desc() for column in plan.order]
    return [
        select(cursor_value(picked.c[column.key])).order_by(*newest).limit(1).scalar_subquery().label(f"last_{number}")
        for number, column in enumerate(plan.order)
    ]
