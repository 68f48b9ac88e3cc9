"""Retention debt: rows that are due now and still there, asked with the very predicate that the run will use.

Each step of a job is one statement with a time limit of its own, counts up to 10,000 rows and looks at the oldest.
What cannot be asked (a table that is missing, a statement that takes too long) is unknown, never zero.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Select, func, null, select
from sqlalchemy.exc import SQLAlchemyError

from ..db.connect import read_only
from ..db.server_clock import ask_now
from ..db.statement_timeout import limited_time
from ..errors import SextonError
from ..jobs.job import Job
from ..jobs.modules import python
from ..policies.contract import Plan
from ..run_state import OutcomeCode
from ..runs.runner import planned
from ..slots.history import RunRecord
from ..statements.batch_strategy import Request, parameters
from ..statements.selection import due_condition

MAX_COUNTED_DUE = 10_000
"""Due rows are counted up to here, so that a flood of them costs no more."""

DAY, WEEK = timedelta(days=1), timedelta(days=7)
READER_SECONDS = 120.0
"""Seconds that another process may take for all steps together."""

RUNS_FOR_DRAIN = 20
"""Runs with rows from which the drain is taken."""


@dataclass(frozen=True, slots=True)
class Debt:
    """One step of a job. rows: due now, at most `MAX_COUNTED_DUE`; None: unknown.  since: when the oldest became due.

    since is None when nothing is due, and where no time column alone makes a row due.
    """

    job: str
    step: str
    rows: int | None
    since: datetime | None = None


def read_debt(engine: Engine, jobs: Iterable[Job], *, seconds: float = 1.0) -> list[Debt]:
    """The debt of every step of these jobs that is a policy, in order. seconds: that one statement may take.

    Raises DatabaseUnreachable; whatever else is wrong with a step makes it unknown.
    """
    found = []
    for job in jobs:
        try:
            plans = planned(job, engine)
        except SextonError:
            continue  # its runs fail, and say why
        found += [_ask(engine, job.name, plan, seconds) for plan in plans if isinstance(plan, Plan)]
    return found


def read_debt_in_subprocess(config: str | None, database: str | None, jobs: Sequence[str] = ()) -> list[Debt]:
    """The same from a process of its own, a `sexton debt`: loading the product's work may crash, hang, take memory.

    config, database: as on its command line.  jobs: modules of the settings.
    Unknown altogether, an empty list, when that process fails.
    """
    command = python("sexton.cli.main", "debt", "--json", "--seconds", "1", jobs=jobs)
    environment = {**os.environ, **({"SEXTON_CONFIG": config} if config else {})}
    environment |= {"SEXTON_DATABASE": database} if database else {}
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=quiet,
            stdout=subprocess.PIPE,
            stderr=quiet,
            timeout=READER_SECONDS,
            check=True,
        )
        return [_typed(row) for row in json.loads(done.stdout)]
    except (OSError, subprocess.SubprocessError, ValueError, TypeError, KeyError):
        return []


def _typed(row: dict[str, Any]) -> Debt:
    since = row["due_since"]
    return Debt(row["job"], row["step"], row["due"], datetime.fromisoformat(since) if since else None)


def _ask(engine: Engine, job: str, plan: Plan, seconds: float) -> Debt:
    """In a transaction of its own: PostgreSQL goes on with none that had an error."""
    try:
        with read_only(engine) as connection, limited_time(connection, seconds):
            request = Request(MAX_COUNTED_DUE, None, ask_now(connection), job, None)
            statement = debt_statement(plan)
            row = connection.execute(statement, parameters(statement, request)).one()
    except SQLAlchemyError:
        return Debt(job, plan.step, None)
    return Debt(job, plan.step, row.rows, _since(plan, row.oldest))


def _since(plan: Plan, oldest: object) -> datetime | None:
    """When a row became due. None: nothing is due, or its time cannot be read as an instant."""
    if plan.grace is None or plan.by is not plan.order[0] or oldest is None:
        return None
    instant = plan.read(oldest) if plan.read is not None else oldest
    return plan.grace.from_(instant) if isinstance(instant, datetime) else None


def debt_statement(plan: Plan) -> Select[int, Any]:
    """How many rows are due, and the time of the oldest where one decides; starts where every batch starts."""
    first = plan.order[0]
    some = (
        select(first.label("oldest"))
        .where(due_condition(plan, excluding=False))
        .order_by(*plan.order)
        .limit(MAX_COUNTED_DUE)
        .subquery()
    )
    # Not of a key: there is no least UUID.
    oldest = func.min(some.c.oldest, type_=first.type) if plan.by is first else null()
    return select(func.count().label("rows"), oldest.label("oldest")).select_from(some)


@dataclass(frozen=True, slots=True)
class RowFlow:
    """What runs of a step did with its rows. drain: rows a second while it ran.  intake: rows a day over a week.

    None: no run found anything yet.
    """

    drain: float | None
    intake: float | None


def is_count_only(run: RunRecord) -> bool:
    """Whether a guard let the run only count: then it took nothing, whatever it found."""
    return run.outcome_code == OutcomeCode.ONLY_COUNTED


def row_flow(runs: Iterable[RunRecord], step: str, now: datetime) -> RowFlow:
    """From these runs of one job, the newest first. The intake of a step that keeps up is what it works off."""
    counted = [run for run in runs if run.finished_at is not None and step in run.steps and not is_count_only(run)]
    busy = [(run.steps[step].picked, run.seconds or 0.0) for run in counted if run.steps[step].picked][:RUNS_FOR_DRAIN]
    if not busy:
        return RowFlow(None, None)
    week = [run for run in counted if run.started_at > now - WEEK]
    known = max(now - min(run.started_at for run in counted), DAY)
    picked, seconds = sum(rows for rows, _ in busy), sum(took for _, took in busy)
    days = min(known, WEEK) / DAY
    return RowFlow(picked / max(seconds, 0.001), sum(run.steps[step].picked for run in week) / days)
