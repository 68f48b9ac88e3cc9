"""Delete rows that a file holds: those that are still as they were written, in one transaction a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, FromClause, Select, delete, exists, func, select
from sqlalchemy.exc import DBAPIError

from ...db.faults import Fault, describe, while_changing
from ...db.text_output import exact_text_output
from ...policies.contract import Change, Plan, in_rows
from ...statements.archive_columns import require_columns
from ...statements.archive_rows import (
    MAX_READ_BYTES,
    Reading,
    RowKey,
    WrittenRow,
    is_unchanged,
    keys_relation,
    read_rows,
    select_rows,
)
from ...statements.batch_strategy import Request, parameters
from ...statements.poison import picked_subject, quarantine
from ...statements.referencing_tables import FOREIGN_KEY_FAILED, referencing_tables
from ...statements.selection import due_condition
from .portions import READ, part_of, picked_rows, tables_of


@dataclass(frozen=True, slots=True)
class Deletion:
    """Some rows of a file. children: all that the file holds, by part and key."""

    plan: Plan
    request: Request
    rows: Sequence[WrittenRow]
    children: Mapping[tuple[str, ...], Mapping[RowKey, WrittenRow]]

    @property
    def content(self) -> bool:
        """Whether only the content of a row tells that it is as it was."""
        return any(row.witness is None for row in self.rows)


@dataclass(slots=True)
class DeletionCounts:
    """What became of them. picked: that are there and due; of those rows went.

    locked: by others, and left.  poison: refused by the database, and set aside.  kept: neither refused nor gone.
    waiting: those that are there as they were written, for whatever reason.
    """

    picked: int = 0
    rows: int = 0
    locked: int = 0
    poison: int = 0
    kept: int = 0
    also: dict[str, int] = field(default_factory=dict)
    waiting: set[RowKey] = field(default_factory=set)

    def add(self, other: DeletionCounts) -> None:
        """What went, both together."""
        self.rows += other.rows
        for name, count in other.also.items():
            self.also[name] = self.also.get(name, 0) + count


@dataclass(frozen=True, slots=True)
class _There:
    """Rows that were looked for. unchanged: of those that are there, the ones that are as they were written."""

    keys: set[RowKey]
    unchanged: set[RowKey]


class _StayedError(Exception):
    """The database deleted fewer rows than it was told to, without a word. keys: which; empty: not known."""

    def __init__(self, keys: Iterable[RowKey] = ()) -> None:
        super().__init__()
        self.keys = set(keys)


def delete_rows(connection: Connection, wanted: Deletion) -> DeletionCounts:
    """In the transaction at hand: lock, compare, delete children and rows. What changed meanwhile stays."""
    exact_text_output(connection)
    there = _locked(connection, wanted)
    require_columns(connection, tables_of(wanted.plan))
    locked, resting = _missed(connection, wanted, there)
    gone = DeletionCounts(picked=len(there.keys) + len(locked), locked=len(locked), waiting=locked | resting)
    _delete(connection, replace(wanted, rows=[row for row in wanted.rows if row.key in there.unchanged]), gone)
    return gone


def _locked(connection: Connection, wanted: Deletion) -> _There:
    """The rows that are there, free, and still due; locked from here on."""
    plan, keys = wanted.plan, [row.key for row in wanted.rows]
    if connection.dialect.name == "postgresql":
        picked, values = keys_relation(connection.dialect.name, plan.table, keys)
        lock = select(*plan.key).where(in_rows(plan.key, picked)).with_for_update(of=plan.table, skip_locked=True)
        connection.execute(lock, values)
    # Asked after the lock: what other tables say about a row may have changed until then.
    return _due(connection, wanted, wanted.rows, lock=True, excluding=wanted.request.excluding)


def _missed(connection: Connection, wanted: Deletion, there: _There) -> tuple[set[RowKey], set[RowKey]]:
    """Rows that are as they were and yet were not to be had: others hold them; they were set aside before."""
    rows = [row for row in wanted.rows if row.key not in there.keys]
    if not rows:
        return set(), set()
    locked: set[RowKey] = set()
    excluding = wanted.request.excluding
    if connection.dialect.name == "postgresql":
        locked = _due(connection, wanted, rows, lock=False, excluding=excluding).unchanged
    if not excluding:
        return locked, set()
    return locked, _due(connection, wanted, rows, lock=False, excluding=False).unchanged - locked


def _due(
    connection: Connection, wanted: Deletion, rows: Sequence[WrittenRow], *, lock: bool, excluding: bool
) -> _There:
    """Those of the rows that are still due; lock: and that no other session holds."""
    plan, dialect = wanted.plan, connection.dialect.name
    picked, values = keys_relation(dialect, plan.table, [row.key for row in rows])
    how = Reading(plan.table, content=wanted.content)

    def those(asked: Select[Any]) -> Select[Any]:
        asked = asked.where(in_rows(plan.key, picked), due_condition(plan, excluding=excluding))
        return asked.with_for_update(of=plan.table, skip_locked=True) if lock and dialect == "postgresql" else asked

    return _compared(connection, wanted, how, those, {row.key: row for row in rows}, values)


def _compared(
    connection: Connection,
    wanted: Deletion,
    how: Reading,
    those: Callable[[Select[Any]], Select[Any]],
    known: Mapping[RowKey, WrittenRow],
    values: Mapping[str, Any],
) -> _There:
    """Each row beside what the file has of it; a few at a time where their whole content is read."""
    heaviest = max((row.size for row in known.values()), default=1)
    some = max(1, min(READ, MAX_READ_BYTES // heaviest)) if how.content else 0
    there = _There(set(), set())
    asked = those(select_rows(connection.dialect, how))
    for row in read_rows(connection, how, asked, parameters(asked, wanted.request, **values), some=some):
        there.keys.add(row.key)
        if (was := known.get(row.key)) is not None and is_unchanged(was, row):
            there.unchanged.add(row.key)
    doubtful = (there.keys - there.unchanged) & known.keys()
    if how.content and not how.as_text and connection.dialect.name == "postgresql" and doubtful:
        # The file may have them as text.
        texts = _compared(connection, wanted, replace(how, as_text=True), those, known, values)
        there.unchanged.update(texts.unchanged & doubtful)
    return there


def _delete(connection: Connection, wanted: Deletion, gone: DeletionCounts) -> None:
    """All at once; where the database refuses, or children differ, by halves down to the row."""
    if not wanted.rows:
        return
    picked, values = picked_rows(connection, wanted.plan, [row.key for row in wanted.rows])
    kept = referencing_tables(connection, wanted.plan, wanted.request, picked, values)
    alone, refusal = len(wanted.rows) == 1, f"{FOREIGN_KEY_FAILED}{kept}" if kept else ""
    try:
        with connection.begin_nested():
            done = None if kept else _at_once(connection, wanted, picked, values)
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    except _StayedError as error:
        if stayed := error.keys or ({wanted.rows[0].key} if alone else set()):
            gone.kept += len(stayed)
            gone.waiting |= stayed
            _delete(connection, replace(wanted, rows=[row for row in wanted.rows if row.key not in stayed]), gone)
            return
        done = None
    except DBAPIError as error:
        if while_changing(error) is not Fault.POISON:
            raise
        done, refusal = None, describe(error)
    if done is not None:
        gone.add(done)
    elif alone and refusal:
        _set_aside(connection, wanted, gone, refusal)
    elif not alone:
        _by_halves(connection, wanted, gone)


def _by_halves(connection: Connection, wanted: Deletion, gone: DeletionCounts) -> None:
    half = len(wanted.rows) // 2
    for rows in (wanted.rows[:half], wanted.rows[half:]):
        _delete(connection, replace(wanted, rows=rows), gone)


def _set_aside(connection: Connection, wanted: Deletion, gone: DeletionCounts, why: str) -> None:
    plan, key = wanted.plan, wanted.rows[0].key
    picked, values = keys_relation(connection.dialect.name, plan.table, [key])
    subject = picked_subject(connection, plan, picked, values)
    quarantine(connection, plan, wanted.request, subject, why)
    gone.poison += 1
    gone.waiting.add(key)


def _at_once(
    connection: Connection, wanted: Deletion, picked: FromClause, values: dict[str, Any]
) -> DeletionCounts | None:
    """None, and nothing done: a row has children that the file does not hold as they are. picked: the wanted rows.

    _StayedError: the database kept some.
    """
    plan = wanted.plan
    if plan.restrict_probe is not None:
        connection.execute(select(func.count()).select_from(plan.restrict_probe({"picked": picked})), values).one()
    known = [_known_children(connection, wanted, change, picked, values) for change in plan.changes]
    if None in known:
        return None
    gone = DeletionCounts()
    for change, children in zip(plan.changes, known, strict=True):
        condition, statement = change.condition({"picked": picked}), change.statement({"picked": picked})
        rows = connection.execute(statement, parameters(statement, wanted.request, **values)).rowcount
        if children is not None and rows < children and _any(connection, wanted, change, condition, values):
            raise _StayedError
        gone.also[change.name] = gone.also.get(change.name, 0) + rows
    assert plan.main is not None
    main = delete(plan.table).where(plan.main.condition({"picked": picked}))
    gone.rows = connection.execute(main, parameters(main, wanted.request, **values)).rowcount
    if gone.rows < len(wanted.rows):
        if still := _still_there(connection, wanted):
            raise _StayedError(still)
        gone.rows = len(wanted.rows)
    return gone


def _any(connection: Connection, wanted: Deletion, change: Change, condition: Any, values: dict[str, Any]) -> bool:
    asked = select(exists(select(1).select_from(change.table).where(condition)))
    return bool(connection.execute(asked, parameters(asked, wanted.request, **values)).scalar())


def _still_there(connection: Connection, wanted: Deletion) -> set[RowKey]:
    plan = wanted.plan
    picked, values = keys_relation(connection.dialect.name, plan.table, [row.key for row in wanted.rows])
    how = Reading(plan.table, content=False)
    asked = select_rows(connection.dialect, how).where(in_rows(plan.key, picked))
    return {row.key for row in read_rows(connection, how, asked, values)}


def _known_children(
    connection: Connection, wanted: Deletion, change: Change, picked: FromClause, values: dict[str, Any]
) -> int | None:
    """How many there are; None: one is not in the file as it is.

    They are locked from here on, so that none is changed between this look and the delete.
    """
    part = part_of(change, picked)
    known = wanted.children.get((part.table.fullname, *part.columns), {})
    how = replace(part, content=bool(part.columns) or wanted.content)

    def those(asked: Select[Any]) -> Select[Any]:
        asked = asked.where(change.condition({"picked": picked}))
        return asked.with_for_update(of=change.table) if connection.dialect.name == "postgresql" else asked

    now = _compared(connection, wanted, how, those, known, values)
    return len(now.keys) if now.keys == now.unchanged else None
