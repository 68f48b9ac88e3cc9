"""A flood stops a run before its first row: more rows are due than a share of the table, or than its habit.

What is due is counted no further than the answer needs. The rows that were due when a person armed the job may pass,
however many runs they take; then the limits hold again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from statistics import median

from sqlalchemy import Connection, Table, func, select

from ..policies.contract import Plan
from ..run_state import WENT_WELL
from ..slots.history import history
from ..statements.batch_strategy import Request, parameters
from ..statements.poison import rows_set_aside
from ..statements.selection import select_due
from ..statements.strategy_choice import estimated_rows
from .allowance import Allowance
from .arming import DECLARED, allowance, called

RUNS_FOR_HABIT = 20
"""Recent runs that did something, whose median is the habit."""

MIN_RUNS_FOR_HABIT = 5
"""Such runs before there is a habit."""

MAX_TIMES_HABIT = 10
"""How often the habit a run may take."""

USUAL_TIMES_HABIT = 2
"""How often the habit is never a flood, whatever the share: a queue whose rows are nearly all done, each night."""

NEVER_FLOOD_ROWS = 100
"""Rows that are never a flood, unless `max_share` is 0: shares of small tables say nothing."""

MIN_ESTIMATED_ROWS = 10_000
"""Rows of a table below which the planner's estimate is not good enough."""


@dataclass(frozen=True, slots=True)
class FloodVerdict:
    """stop: why the run must not take a row; None: it may.

    spent: the allowance by which it may, to be lowered with each batch.  over: one that is not needed any more.
    """

    stop: str | None = None
    spent: Allowance | None = None
    over: Allowance | None = None


@dataclass(frozen=True, slots=True)
class _Limit:
    """Rows that a run may take. estimated: by statistics, and to be counted before it is believed."""

    rows: int
    why: str
    estimated: bool = False


def flood_verdict(connection: Connection, plan: Plan, request: Request, most: int | None = None) -> FloodVerdict:
    """What the plan's guard says now. most: rows that the step takes at most, whatever is due; None: all."""
    if plan.guard is None or plan.harmless:
        return FloodVerdict()
    allowed = allowance(connection, request.job, plan)
    share = plan.guard.max_share
    if share and due_rows(connection, plan, request, NEVER_FLOOD_ROWS + 1) <= NEVER_FLOOD_ROWS:
        return FloodVerdict(over=allowed)
    limit = _limit(connection, plan, request, share)
    if limit is None:
        return FloodVerdict(over=allowed)
    found = due_rows(connection, plan, request, limit.rows + 1)
    if found <= limit.rows and limit.estimated:
        limit = _no_more_than(limit, _share_of(_counted(connection, plan.table, found, share), share))
    if found <= limit.rows:
        return FloodVerdict(over=allowed)
    if allowed is not None:
        limit = _Limit(limit.rows + allowed.left, f"{allowed.left:,} of them as they were due when it was armed")
        found = due_rows(connection, plan, request, limit.rows + 1)
    if found <= limit.rows or (most is not None and most <= limit.rows):
        return FloodVerdict(spent=allowed)
    step = "" if request.job == DECLARED + plan.step else f"step {plan.step}: "
    advice = f"nothing was touched. Look at it and confirm: sexton arm {called(request.job)}"
    return FloodVerdict(f"{step}more than {limit.rows:,} rows are due, {limit.why}; {advice}")


def due_rows(connection: Connection, plan: Plan, request: Request, limit: int) -> int:
    """How many rows are due and not set aside, counted up to `limit`."""
    excluding = rows_set_aside(connection, request.job, request.as_of).now
    some = select_due(plan, excluding=excluding).limit(min(limit, plan.limit or limit)).subquery()
    statement = select(func.count()).select_from(some)
    return int(connection.execute(statement, parameters(statement, request)).scalar_one())


def table_rows(connection: Connection, table: Table) -> int:
    """How many rows the table has: counted where it is small or on SQLite, else the planner's estimate."""
    if connection.dialect.name == "postgresql":
        estimate = int(estimated_rows(connection, select(*table.primary_key.columns), {}))
        if estimate >= MIN_ESTIMATED_ROWS:
            return estimate
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _limit(connection: Connection, plan: Plan, request: Request, share: float) -> _Limit | None:
    """How many rows a run may take, and why no more; None: as many as there are."""
    limit = None
    if share < 1:
        limit = replace(_share_of(table_rows(connection, plan.table), share), estimated=share > 0)
    past = history(connection, job=request.job, states=WENT_WELL, limit=200)
    steps = (run.steps.get(plan.step) for run in past)
    habit = [step.taken for step in steps if step is not None and step.taken][:RUNS_FOR_HABIT]
    if len(habit) < MIN_RUNS_FOR_HABIT or not share:
        return limit
    usual = median(habit)
    if limit is not None and usual * USUAL_TIMES_HABIT > limit.rows:
        return _Limit(int(usual * USUAL_TIMES_HABIT), f"twice the usual {usual:,.0f}; {limit.why}")
    return _no_more_than(
        limit,
        _Limit(max(int(usual * MAX_TIMES_HABIT), NEVER_FLOOD_ROWS), f"{MAX_TIMES_HABIT} times the usual {usual:,.0f}"),
    )


def _no_more_than(limit: _Limit | None, other: _Limit) -> _Limit:
    return other if limit is None or other.rows < limit.rows else limit


def _share_of(rows: int, share: float) -> _Limit:
    """The limit by share, of a table with so many rows."""
    most, why = int(round(rows * share, 6)), f"max_share = {share:g} of {rows:,}"
    if not share or most >= NEVER_FLOOD_ROWS:
        return _Limit(most, why)
    return _Limit(NEVER_FLOOD_ROWS, f"as many as are always allowed; {why}")


def _counted(connection: Connection, table: Table, found: int, share: float) -> int:
    """Rows of the table, counted as far as `found` is a share of: statistics know late of rows that went."""
    some = select(*table.primary_key.columns).limit(ceil(found / share)).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())
