"""Before the first row: asks whether a job may take rows; counts instead of changing where it is not armed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from ..db.connect import read_only
from ..db.statement_timeout import limited_time
from ..errors import StoppedByGuard
from ..guard.arming import adopt, armed_by_earlier, unarmed
from ..guard.flood import flood_verdict
from ..policies.contract import Plan
from ..run_counts import Counts
from ..run_state import OutcomeCode
from ..statements.batch_strategy import Request
from ..statements.preview import preview
from .context import RunContext


def only_counted(context: RunContext, plans: list[Any]) -> bool:
    """Whether the job is not armed as it stands; then all of its policies were counted, and nothing else is done.

    As a whole: what one step confirmed nobody may do after another that was not (archive, then delete).
    """
    own = [plan for plan in plans if isinstance(plan, Plan)]
    request = _request(context)
    with read_only(context.engine) as connection, limited_time(connection, max(context.left(), 0.001)):
        why = unarmed(connection, request.job, own)
        fresh = armed_by_earlier(connection, request.job, own) if why is None else []
        for plan in own if why is not None else ():
            if plan.rollup is None:  # which takes no rows
                context.steps[plan.step] = Counts(picked=preview(connection, plan, request).picked)
    if fresh:
        with context.transaction(lock=context.limits.statement, statement=context.limits.statement) as connection:
            adopt(connection, request.job, fresh)
    if why is None:
        return False
    context.notes.append(_only_counted(why))
    context.code = OutcomeCode.ONLY_COUNTED
    return True


def may_run(context: RunContext, plan: Plan) -> None:
    """StoppedByGuard when far too many rows of the step are due. An allowance is taken along, or ended."""
    context.allowance = None
    if plan.guard is None or plan.harmless:
        return  # nothing limits it, so nothing need be asked
    with read_only(context.engine) as connection, limited_time(connection, max(context.left(), 0.001)):
        said = flood_verdict(connection, plan, _request(context), context.limits.row_limit)
    if said.stop is not None:
        raise StoppedByGuard(_stopped(said.stop))
    if said.over is not None:
        with context.transaction(lock=context.limits.statement, statement=context.limits.statement) as connection:
            said.over.end(connection)
    context.allowance = said.spent


def foreseen(
    connection: Connection, plans: list[Plan], request: Request
) -> tuple[str, OutcomeCode] | tuple[None, None]:
    """Why a run would not do what a dry run counts, for people and as a code; None: it would."""
    why = unarmed(connection, request.job, plans)
    if why is not None:
        return _only_counted(why), OutcomeCode.ONLY_COUNTED
    stops = [said.stop for plan in plans if (said := flood_verdict(connection, plan, request)).stop is not None]
    return (_stopped("; ".join(stops)), OutcomeCode.STOPPED_BY_GUARD) if stops else (None, None)


def _stopped(why: str) -> str:
    return f"stopped before its first row: {why}"


def _only_counted(why: str) -> str:
    return f"only counted, as {why}"


def _request(context: RunContext) -> Request:
    claimed = context.claim
    return Request(0, None, claimed.as_of, claimed.job, claimed.run_id)
