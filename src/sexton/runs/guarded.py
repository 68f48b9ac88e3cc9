"""Before the first row: asks a plan's guard, counts instead of changing where it says so, or stops the run."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from ..db.connect import read_only
from ..errors import JobFailed
from ..policies.contract import Plan
from .context import RunContext
from .counts import Counts
from .execution import Request, parameters
from .preview import preview
from .statements import all_due


def may_run(context: RunContext, plan: Plan) -> bool:
    """Whether the step may take rows. False: it was only counted. JobFailed when the guard stops the run."""
    assert plan.guard is not None
    claimed = context.claim
    request = Request(0, None, claimed.as_of, claimed.job, claimed.run_id)
    with read_only(context.engine) as connection:

        def due(limit: int) -> int:
            return due_rows(connection, plan, request, limit)

        verdict = plan.guard(connection, claimed.job, due)
        if verdict.action == "run":
            return True
        if verdict.action == "stop":
            raise JobFailed(verdict.reason)
        found = preview(connection, plan, request)
    context.steps[plan.step] = Counts(picked=found.picked)
    context.note = verdict.reason
    return False


def due_rows(connection: Connection, plan: Plan, request: Request, limit: int) -> int:
    """How many rows are due, counted up to `limit`."""
    some = all_due(plan, excluding=False).limit(min(limit, plan.limit or limit)).subquery()
    statement = select(func.count()).select_from(some)
    return int(connection.execute(statement, parameters(statement, request)).scalar_one())
