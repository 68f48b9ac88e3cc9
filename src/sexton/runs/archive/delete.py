"""Delete rows that a file holds: those that are still as they were written, in one transaction a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, FromClause, delete, func, select, update
from sqlalchemy.exc import DBAPIError

from ...db.faults import Fault, classify, describe
from ...policies.contract import Change, Plan, in_rows
from ..execution import Request, parameters
from ..poison import quarantine, subject_of
from ..refusal import KEPT, referring
from ..statements import due
from .rows import Found, Key, found, reading, relation, same


@dataclass(frozen=True, slots=True)
class Deletion:
    """Some rows of a file. children: all that the file holds, by table and key."""

    plan: Plan
    request: Request
    rows: Sequence[Found]
    children: Mapping[str, Mapping[Key, Found]]


@dataclass(slots=True)
class Gone:
    """What became of them. picked: that are there and due; of those rows went.

    locked: by others, and left.  poison: refused by the database, and set aside.
    """

    picked: int = 0
    rows: int = 0
    locked: int = 0
    poison: int = 0
    also: dict[str, int] = field(default_factory=dict)

    def add(self, other: Gone) -> None:
        """What went, both together."""
        self.rows += other.rows
        for name, count in other.also.items():
            self.also[name] = self.also.get(name, 0) + count


def delete_rows(connection: Connection, wanted: Deletion) -> Gone:
    """In the transaction at hand: lock, compare, delete children and rows. What changed meanwhile stays."""
    there = _locked(connection, wanted)
    unchanged = same(wanted.rows, there.values())
    locked = _missed(connection, wanted, there)
    gone = Gone(picked=len(there) + locked, locked=locked)
    _delete(connection, replace(wanted, rows=[row for row in wanted.rows if row.key in unchanged]), gone)
    return gone


def picked_rows(connection: Connection, plan: Plan, wanted: list[Key]) -> tuple[FromClause, dict[str, Any]]:
    """Rows by their keys as the plan's changes see them: with what their children hold of them."""
    keys, values = relation(connection.dialect.name, plan.table, wanted)
    if not plan.carry:
        return keys, values
    columns = dict.fromkeys((*plan.key, *plan.carry))
    return select(*columns).where(in_rows(plan.key, keys)).subquery("sexton_picked"), values


def _locked(connection: Connection, wanted: Deletion) -> dict[Key, Found]:
    """The rows that are there, free, and still due; locked from here on."""
    plan, keys = wanted.plan, [row.key for row in wanted.rows]
    if connection.dialect.name == "postgresql":
        picked, values = relation(connection.dialect.name, plan.table, keys)
        lock = select(*plan.key).where(in_rows(plan.key, picked)).with_for_update(of=plan.table, skip_locked=True)
        connection.execute(lock, values)
    # Asked after the lock: what other tables say about a row may have changed until then.
    return {row.key: row for row in _due(connection, wanted, keys, lock=True)}


def _missed(connection: Connection, wanted: Deletion, there: Mapping[Key, Found]) -> int:
    """Rows that are as they were and yet were not to be had: others hold them."""
    if connection.dialect.name != "postgresql" or len(there) == len(wanted.rows):
        return 0
    keys = [row.key for row in wanted.rows if row.key not in there]
    return len(same(wanted.rows, _due(connection, wanted, keys, lock=False)))


def _due(connection: Connection, wanted: Deletion, keys: list[Key], *, lock: bool) -> list[Found]:
    """Those of the rows with these keys that are still due; lock: and that nobody else holds."""
    plan, dialect = wanted.plan, connection.dialect.name
    picked, values = relation(dialect, plan.table, keys)
    condition = due(plan, excluding=wanted.request.excluding)
    asked = reading(connection.dialect, plan.table).where(in_rows(plan.key, picked), condition)
    if lock and dialect == "postgresql":
        asked = asked.with_for_update(of=plan.table, skip_locked=True)
    return found(connection, plan.table, asked, parameters(asked, wanted.request, **values), 0)


def _delete(connection: Connection, wanted: Deletion, gone: Gone) -> None:
    """All at once; where the database refuses, or children differ, by halves down to the row."""
    if not wanted.rows:
        return
    picked, values = picked_rows(connection, wanted.plan, [row.key for row in wanted.rows])
    kept = referring(connection, wanted.plan, wanted.request, picked, values)
    try:
        with connection.begin_nested():
            done = None if kept else _at_once(connection, wanted, picked, values)
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    except DBAPIError as error:
        if classify(error) is not Fault.POISON:
            raise
        if len(wanted.rows) == 1:
            _set_aside(connection, wanted, gone, describe(error))
            return
        done = None
    if done is not None:
        gone.add(done)
    elif kept and len(wanted.rows) == 1:
        _set_aside(connection, wanted, gone, f"{KEPT}{kept}")
    elif len(wanted.rows) > 1:
        half = len(wanted.rows) // 2
        for rows in (wanted.rows[:half], wanted.rows[half:]):
            _delete(connection, replace(wanted, rows=rows), gone)


def _set_aside(connection: Connection, wanted: Deletion, gone: Gone, why: str) -> None:
    picked, values = picked_rows(connection, wanted.plan, [row.key for row in wanted.rows])
    subject = subject_of(connection, wanted.plan, picked, values)
    quarantine(connection, wanted.plan, wanted.request, subject, why)
    gone.poison += 1


def _at_once(connection: Connection, wanted: Deletion, picked: FromClause, values: dict[str, Any]) -> Gone | None:
    """None, and nothing done: a row has children that the file does not hold as they are. picked: the wanted rows."""
    plan = wanted.plan
    if plan.gate is not None:
        connection.execute(select(func.count()).select_from(plan.gate({"picked": picked})), values).one()
    for change in plan.changes:
        if change.values is None and not _children_are_known(connection, wanted, change, picked, values):
            return None
    gone = Gone()
    for change in plan.changes:
        condition = change.where({"picked": picked})
        statement = (
            delete(change.table).where(condition)
            if change.values is None
            else update(change.table).where(condition).values(dict(change.values({"picked": picked})))
        )
        rows = connection.execute(statement, parameters(statement, wanted.request, **values)).rowcount
        gone.also[change.name] = gone.also.get(change.name, 0) + rows
    assert plan.main is not None
    main = delete(plan.table).where(plan.main.where({"picked": picked}))
    gone.rows = connection.execute(main, parameters(main, wanted.request, **values)).rowcount
    return gone


def _children_are_known(
    connection: Connection, wanted: Deletion, change: Change, picked: FromClause, values: dict[str, Any]
) -> bool:
    """Children are locked from here on, so that nobody changes one between this look and the delete."""
    asked = reading(connection.dialect, change.table).where(change.where({"picked": picked}))
    if connection.dialect.name == "postgresql":
        asked = asked.with_for_update(of=change.table)
    now = found(connection, change.table, asked, parameters(asked, wanted.request, **values), 0)
    known = wanted.children.get(change.table.fullname, {})
    return len(same(known.values(), now)) == len(now)
