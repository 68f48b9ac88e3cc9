"""What `sexton check` finds in the database about a job: errors as preflight tells them, and warnings about speed."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ..db.connect import read_only
from ..db.faults import Fault, classify
from ..db.server_clock import ask_now
from ..db.statement_timeout import answered_in_time, limited_time
from ..errors import PolicyError
from ..guard.arming import unarmed
from ..jobs.job import Job
from ..policies.contract import Plan
from ..runs.preflight import PLANNING, preflight, require_time_column
from ..runs.runner import planned
from ..statements.batch_strategy import Request
from ..statements.indexes import foreign_key_references
from ..statements.suggested_index import suggested_index
from ..statements.unlisted_references import count_referenced, references_text, unlisted_references
from .archive_folders import why_unwritable
from .role_trust import of_plans

COUNT_TIMEOUT_SECONDS = 5.0
"""Seconds for counting the rows that others keep; if it takes longer, only the tables are named."""


def job_warnings(engine: Engine, job: Job) -> list[str]:
    """Warnings about the job here. PolicyError, SchemaOutdated, DatabaseUnreachable when it could not run."""
    plans = [plan for plan in planned(job, engine) if isinstance(plan, Plan)]
    preflight(engine, job.name, plans)
    warnings: list[str] = []
    advice = "see its condition, and the children that its deletes look for"
    with (
        read_only(engine) as connection,
        answered_in_time(connection, PLANNING, f"{job.name}: looking into its tables", advice),
    ):
        if (why := unarmed(connection, job.name, plans)) is not None:
            warnings.append(f"its runs only count, as {why}")
        now = ask_now(connection)
        for plan in plans:
            _checked_time(connection, plan, job.name)
            if plan.archive is not None and (why := why_unwritable(plan.archive)) is not None:
                raise PolicyError(f"{job.name}, archive: {why}")
            probe = Request(1, None, now, job.name, None)
            if (wanted := suggested_index(connection, plan, probe)) is not None and wanted.needed:
                warnings.append(f"no index serves {plan.step}; {wanted.statement}")
            warnings += _children_without_index(connection, plan)
            warnings += _unlisted(connection, plan, job.name)
        warnings += map(str, of_plans(connection, plans))
    return list(dict.fromkeys(warnings))


def _checked_time(connection: Connection, plan: Plan, job: str) -> None:
    try:
        require_time_column(connection, plan)
    except PolicyError as error:
        raise PolicyError(f"{job}, step {plan.step}: {error}") from error


def _children_without_index(connection: Connection, plan: Plan) -> Iterable[str]:
    """A delete looks for children of each row; without an index on the reference it reads the child table each time."""
    if plan.deletes:
        for reference in foreign_key_references(connection, plan.table):
            if reference.missing is not None:
                yield f"each delete reads all of {reference.child}; {reference.missing}"


def _unlisted(connection: Connection, plan: Plan, job: str) -> Iterable[str]:
    """Tables whose rows keep those that a policy deletes, and of which it says nothing."""
    found = unlisted_references(connection, plan)
    if not found:
        return
    request = Request(0, None, ask_now(connection), job, None)
    try:
        with connection.begin_nested(), limited_time(connection, COUNT_TIMEOUT_SECONDS):
            _, each = count_referenced(connection, plan, found, request, before=True)
    except DBAPIError as error:
        if classify(error) is not Fault.CANCELLED:
            raise
        each = []
    yield from (references_text(plan, [one]) for one in each)
    for reference in found:
        if all(reference is not one for one, _ in each):
            advice = reference.advice(plan)
            yield f"{reference.description} refers to {plan.table.fullname} and would keep its rows; {advice}"
