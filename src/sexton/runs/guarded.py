"""Before the first row: asks a plan's guard, counts instead of changing where it says so, or stops the run."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from ..db.connect import read_only
from ..errors import JobFailed
from ..policies.contract import Plan, Verdict
from .context import RunContext
from .counts import Counts
from .execution import Request, parameters
from .history import STOPPED
from .preview import preview
from .statements import all_due


def may_run(context: RunContext, plan: Plan) -> bool:
    """Whether the step may take rows. False: it was only counted. JobFailed when the guard stops the run."""
    claimed = context.claim
    request = Request(0, None, claimed.as_of, claimed.job, claimed.run_id)
    with read_only(context.engine) as connection:
        said = verdict(connection, plan, request)
        if said.action == "run":
            return True
        if said.action == "stop":
            raise JobFailed(f"{STOPPED}{said.reason}")
        found = preview(connection, plan, request)
    context.steps[plan.step] = Counts(picked=found.picked)
    context.note = said.reason
    return False


def verdict(connection: Connection, plan: Plan, request: Request) -> Verdict:
    """What the plan's guard says now."""
    if plan.guard is None:
        return Verdict("run")
    return plan.guard(connection, request.job, lambda limit: due_rows(connection, plan, request, limit))


def due_rows(connection: Connection, plan: Plan, request: Request, limit: int) -> int:
    """How many rows are due, counted up to `limit`."""
    some = all_due(plan, excluding=False).limit(min(limit, plan.limit or limit)).subquery()
    statement = select(func.count()).select_from(some)
    return int(connection.execute(statement, parameters(statement, request)).scalar_one())
