"""Shadow, then armed: a new or changed policy only counts until a person has confirmed it, and a flood stops a run.

A run stops before its first row when more rows are due than `max_share` of the table, or than ten times the median of
its recent runs. Confirming again lets the next run that does anything take what was due then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from statistics import median
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, select

from ..db.moment import ask_now
from ..db.tables import own_tables
from ..db.upsert import upsert
from ..policies.contract import Verdict
from ..runs.choose import estimated_rows
from ..runs.history import Past, history

HABIT = 20
"""Recent runs that did something, whose median is the habit."""

ENOUGH = 5
"""Such runs before there is a habit."""

TIMES = 10
"""How often the habit a run may take."""

LITTLE = 100
"""Rows that are never more than the habit allows."""

EXACT = 10_000
"""Rows of a table below which the planner's estimate is not good enough."""


@dataclass(frozen=True, slots=True)
class Arming:
    """The guard of one policy. definition: `definition_of` its settings.  max_share: of the rows of `table`."""

    name: str
    definition: str
    table: Table
    max_share: float

    def __call__(self, connection: Connection, job: str, due: Callable[[int], int]) -> Verdict:
        """Whether a run may take rows now."""
        armed = armed_row(connection, self.name)
        if armed is None or armed.definition != self.definition:
            why = "it is not armed" if armed is None else "it was changed since it was armed"
            return Verdict("count", f"only counted, as {why}; look at it and confirm: sexton arm {self.name}")
        limit = self._limit(connection, job, armed)
        found = due(limit.rows + 1)
        if found <= limit.rows and limit.estimated:
            limit = self._share_of(self._counted(connection, found))
        if found <= limit.rows:
            return Verdict("run")
        advice = f"nothing was touched. Look at it and confirm: sexton arm {self.name}"
        return Verdict("stop", f"more than {limit.rows:,} rows are due, {limit.why}; {advice}")

    def _limit(self, connection: Connection, job: str, armed: Row[Any]) -> _Limit:
        """How many rows a run may take, and why no more."""
        past = history(connection, job=job, limit=200)
        busy = [run for run in past if _taken(run)]
        limit = self._share_of(table_rows(connection, self.table), estimated=self.max_share < 1)
        habit = [_taken(run) for run in busy if run.state in ("succeeded", "partial")][:HABIT]
        if len(habit) >= ENOUGH and (usual := max(int(median(habit) * TIMES), LITTLE)) < limit.rows:
            limit = replace(limit, rows=usual, why=f"{TIMES} times the usual {median(habit):,.0f}")
        used = any(run.started_at > armed.armed_at for run in busy)
        if armed.allowed is not None and armed.allowed > limit.rows and not used:
            return _Limit(int(armed.allowed), "as many as were due when it was armed")
        return limit

    def _share_of(self, rows: int, *, estimated: bool = False) -> _Limit:
        """Of a table with so many rows; one row is never a flood."""
        most = max(int(round(rows * self.max_share, 6)), 1) if self.max_share else 0
        return _Limit(most, f"max_share = {self.max_share:g} of {rows:,}", estimated)

    def _counted(self, connection: Connection, found: int) -> int:
        """Rows of the table, counted as far as `found` is a share of: statistics know late of rows that went."""
        enough = ceil(found / self.max_share) if self.max_share else 1
        some = select(*self.table.primary_key.columns).limit(enough).subquery()
        return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


@dataclass(frozen=True, slots=True)
class _Limit:
    """Rows that a run may take. estimated: by statistics, and to be counted before it is believed."""

    rows: int
    why: str
    estimated: bool = False


def _taken(run: Past) -> int:
    """Rows that a run changed, or told about."""
    return max(run.total.changed, run.total.told)


def armed_row(connection: Connection, name: str) -> Row[Any] | None:
    """What is on record about this policy."""
    armed = own_tables(connection.dialect.name).armed
    return connection.execute(select(armed).where(armed.c.policy == name)).first()


def arm(connection: Connection, name: str, definition: str, *, allowed: int, by: str) -> datetime:
    """From now on its runs take rows. allowed: rows that the next run may take whatever its limits."""
    dialect = connection.dialect.name
    armed, now = own_tables(dialect).armed, ask_now(connection)
    values = {"definition": definition, "armed_at": now, "armed_by": by, "allowed": allowed}
    new = upsert(dialect, armed).values(policy=name, **values)
    connection.execute(new.on_conflict_do_update(index_elements=["policy"], set_=values))
    return now


def disarm(connection: Connection, name: str) -> bool:
    """From now on its runs only count; False when that was so before."""
    armed = own_tables(connection.dialect.name).armed
    return bool(connection.execute(delete(armed).where(armed.c.policy == name)).rowcount)


def table_rows(connection: Connection, table: Table) -> int:
    """How many rows the table has: counted where it is small or on SQLite, else the planner's estimate."""
    if connection.dialect.name == "postgresql":
        estimate = int(estimated_rows(connection, select(*table.primary_key.columns), {}))
        if estimate >= EXACT:
            return estimate
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
