"""CoarserRollup: the sums of a roll-up summed up again by longer windows, days to months, without reading the rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, func
from sqlalchemy.sql import functions, operators, visitors
from sqlalchemy.sql.elements import FunctionFilter, Label

from ..errors import PolicyError
from ..jobs.duration import format_duration
from ..jobs.schedule import Schedule
from .contract import Plan
from .rollup import Rollup
from .rollup_rule import FinerWindows, RollupReport

_TRIED_IN = datetime(2024, 1, 1, tzinfo=UTC), datetime(2034, 1, 1, tzinfo=UTC)
_TRIED = 130
"""Ends of windows between these that are tried beforehand; a run tries each one of its own."""

_NESTED: dict[type[Any], Any] = {
    functions.sum: func.sum,
    functions.count: func.sum,
    functions.min: func.min,
    functions.max: func.max,
}
"""Aggregates of which those of a longer window can be made: counts add up, and averages do not."""


@dataclass(frozen=True, slots=True, eq=False)
class CoarserRollup:
    """Keep in `into` what the sums of `finer` come to by longer windows, with the same groups and columns.

        days = Rollup(orders, ..., into=sales_days, windows=cron("0 0 * * *", tz="Europe/Berlin"), name="days")
        months = CoarserRollup(days, into=sales_months, windows=cron("0 0 1 * *", tz="Europe/Berlin"), name="months")
        Job("shop.sales", work=[days, months])

    A window waits until all of its finer ones are computed, and is computed again until the last of them is sealed.

    finer: its aggregates are `func.sum`, `func.count`, `func.min` and `func.max`, count not of distinct values.
    windows: each ends where one of `finer` does.
    into: a table of its own, with columns called as those of the table of `finer`, and unique like it.
    job: the name of the job of `finer`; None: this is a later step of the same job.
    rows_kept, tell: as in `Rollup`; the rows are the sums of `finer`.
    name: of the step; default "rollup_<table of finer>".
    """

    finer: Rollup | CoarserRollup
    windows: Schedule
    into: Table
    job: str | None = None
    rows_kept: str | None = None
    tell: RollupReport | None = None
    name: str = ""

    def plan(self) -> Plan:
        """The sums that are summed up, and how; PolicyError when that cannot be right."""
        plan = self.finer.plan()
        rule = plan.rollup
        assert rule is not None  # as it is one of a roll-up
        finer, where = rule.into, f"roll-up of {rule.into.fullname}"
        if self.into is rule.by.table:
            raise PolicyError(f"{where}: into is the table that {plan.step} sums up; it needs one of its own")
        own = Rollup(
            finer,
            by=finer.c.window_start,
            into=self.into,
            aggregates={name: _again(where, finer.c[name], value) for name, value in rule.aggregates.items()},
            windows=self.windows,
            group=[finer.c[name] for name in rule.group],
            lateness=format_duration(rule.lateness),
            close_after="0s",
            rows_kept=self.rows_kept,
            tell=self.tell,
            name=self.name,
        ).plan()
        assert own.rollup is not None
        below = FinerWindows(plan.step, rule.windows, rule.definition, self.job)
        _try(below, self.windows, where)
        return replace(own, rollup=replace(own.rollup, finer=below))


def _again(where: str, kept: Column[Any], value: ColumnElement[Any]) -> ColumnElement[Any]:
    """The aggregate of what `value` came to in shorter windows. PolicyError where there is none."""
    plain: Any = value.element if isinstance(value, Label) else value
    inner = plain.func if isinstance(plain, FunctionFilter) else plain
    distinct = any(getattr(part, "operator", None) is operators.distinct_op for part in visitors.iterate(plain))
    made = _NESTED.get(type(inner))
    if made is None or distinct:
        raise PolicyError(
            f"{where}: {kept.name} is {value}, which cannot be made of shorter windows; only func.sum, func.count, "
            "func.min and func.max can, of all values; sum up the rows themselves"
        )
    again: ColumnElement[Any] = made(kept)
    return again


@lru_cache(maxsize=100)
def _try(below: FinerWindows, windows: Schedule, where: str) -> None:
    """PolicyError when windows do not nest."""
    if not isinstance(windows, Schedule):
        raise PolicyError(f'{where}: windows is {windows!r}; write cron("0 0 1 * *", tz="Europe/Berlin")')
    for end in islice(windows.between(*_TRIED_IN), _TRIED):
        below.require_end(end, where)
