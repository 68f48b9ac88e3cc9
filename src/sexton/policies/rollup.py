"""Rollup: sums by windows of time, kept in a table; each window is computed from its rows as a whole, never added to.

windows    [slot, slot) of a schedule in a zone: 18:00 to 18:00, days of 23 to 25 hours, weeks; in SQL only instants
close      `close_after` past its end a window is computed, also each of those that were missed
late rows  a window is computed again by every run until `lateness` is past its end
sealed     from then on it stays, so that its rows may be purged; see `rolled_up`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, and_, true

from ..db.column_types import is_time
from ..db.time_parameters import instant
from ..errors import PolicyError
from ..jobs.duration import parse_duration
from ..jobs.schedule import Schedule
from .age import require_column, require_time
from .contract import Plan
from .rollup_rule import RollupReport, RollupRule


@dataclass(frozen=True, slots=True, eq=False)
class Rollup:
    """Keep in `into` one row for each window of time and each group of rows of `table`.

        Rollup(
            orders, by=orders.c.created_at, group=[orders.c.currency], into=sales_summary,
            aggregates={"orders": func.count(), "revenue": func.sum(orders.c.total_minor)},
            windows=cron("0 18 * * *", tz="Asia/Kolkata"),
        )

    by: the timestamp that puts a row into its window; index it: every window is one range of it.
    windows: a window reaches from one slot of this schedule to the next, its end excluded.
    into: a table of its own for this policy, with columns `window_start`, `window_end`, those of `group`, and those of
        `aggregates`; unique over window_start and group. A window without rows has none here.
    aggregates: column of `into` -> what is computed. Keep money in whole minor units, a group for each currency.
    group: columns of `table`, or labelled expressions, called as those of `into`; NULL is a group of its own.
    only: a further condition on the rows.
    lateness: how long past its end a window is computed again, so that rows that come late count ("3d").
    close_after: how long past its end it is computed for the first time.
    changed_at: the time of a row's last change. Windows that ended more than 3 days ago are then computed again only
        if a row of theirs has changed; give a longer `lateness` with it.
    rows_kept: how long rows are there at least ("400d"). Each run compares one old window with its rows, and says so
        in its note if they differ: one that `changed_at` left alone, or a sealed one whose rows are younger than this.
    tell: a message about each window once it is computed, and about what has changed in it since.
    name: of the step; default "rollup_<table>".
    """

    table: Table
    by: Column[Any]
    into: Table
    aggregates: Mapping[str, ColumnElement[Any]]
    windows: Schedule
    group: Sequence[ColumnElement[Any]] = ()
    only: ColumnElement[bool] = field(default_factory=true)
    lateness: str = "3d"
    close_after: str = "5m"
    changed_at: Column[Any] | None = None
    rows_kept: str | None = None
    tell: RollupReport | None = None
    name: str = ""

    def plan(self) -> Plan:
        """The rows that are summed up, and how; PolicyError when the policy cannot be right."""
        require_column(self.table, self.by, "by")
        close_after = parse_duration(self.close_after, where=f"rollup of {self.table.name}: close_after")
        closed = self.by < instant(-close_after, require_time(self.by))
        key = tuple(self.table.primary_key.columns) or (self.by,)
        return Plan(
            step=self.name or f"rollup_{self.table.name}",
            table=self.table,
            key=key,
            order=(self.by, *(column for column in key if column is not self.by)),
            due=and_(closed, self.only),
            by=self.by,
            rollup=self._rule(close_after),
        )

    def _rule(self, close_after: timedelta) -> RollupRule:
        where = f"rollup of {self.table.fullname}"
        if not isinstance(self.windows, Schedule):
            raise PolicyError(f'{where}: windows is {self.windows!r}; write cron("0 0 * * *", tz="Europe/Berlin")')
        if self.changed_at is not None:
            require_column(self.table, self.changed_at, "changed_at")
            require_time(self.changed_at)
        if self.into is self.table:
            raise PolicyError(f"{where}: into is the table itself; it needs one of its own")
        if not self.aggregates:
            raise PolicyError(f'{where}: aggregates is empty; write {{"orders": func.count()}}')
        group = {str(expression.key): expression for expression in self.group}
        self._require_columns(where, [*group, *self.aggregates])
        lateness = parse_duration(self.lateness, where=f"{where}: lateness")
        return RollupRule(
            into=self.into,
            by=self.by,
            group=group,
            aggregates=dict(self.aggregates),
            only=self.only,
            windows=self.windows,
            lateness=lateness,
            close_after=close_after,
            changed_at=self.changed_at,
            report=self.tell,
            rows_kept=self._rows_kept(where, lateness),
        )

    def _rows_kept(self, where: str, lateness: timedelta) -> timedelta | None:
        if self.rows_kept is None:
            return None
        kept = parse_duration(self.rows_kept, where=f"{where}: rows_kept")
        if kept <= lateness:
            raise PolicyError(f"{where}: rows_kept is {self.rows_kept}, and a window is computed until {self.lateness}")
        return kept

    def _require_columns(self, where: str, names: list[str]) -> None:
        wanted = ["window_start", "window_end", *names]
        if missing := [name for name in wanted if name not in self.into.c]:
            raise PolicyError(f"{where}: {self.into.fullname} has no column {', '.join(missing)}")
        if twice := sorted({name for name in wanted if wanted.count(name) > 1}):
            raise PolicyError(f"{where}: {', '.join(twice)} would be written twice; name group and aggregates apart")
        for name in wanted[:2]:
            if not is_time(self.into.c[name].type):
                raise PolicyError(f"{where}: {self.into.fullname}.{name} is no time; it holds where a window begins")
