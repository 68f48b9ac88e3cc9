"""What a procedure knows of its job beside its statements: schedule, limits, guard; JSON for `sexton.begin_run_v1`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

from ...db.identifiers import quoted_table
from ...db.operator_query import one_query
from ...db.search_path import search_path
from ...db.server_clock import ask_now
from ...errors import PolicyError
from ...guard.arming import armed_name, called, tables_of
from ...guard.plan_fingerprint import definition, definitions_before
from ...jobs.job import Job
from ...policies.contract import Plan
from ...runs.batches import TELLING
from ...runs.context import Limits
from ...runs.sizing import MAX_BATCH_ROWS
from ...slots.schedule_overrides import in_force, overrides
from ...slots.upcoming_slots import as_interval
from ...statements.unlisted_references import unlisted_references
from .rollup_settings import rollup_settings

_QUALIFIED = text(
    "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.oid = coalesce(CAST(:number AS oid), to_regclass(:name))"
)


def run_settings(
    connection: Connection, job: Job, plans: Sequence[Plan], limits: Limits, settings_definition: str
) -> str:
    """As JSON, a key a line. Lengths of time are in seconds; null: none, or no limit."""
    settings: dict[str, Any] = {
        "definition": settings_definition,
        "called": called(job.name),
        "timeout": job.time_limit.total_seconds(),
        **schedule_settings(connection, job),
        "lease": limits.lease,
        "renew": limits.renew,
        "rows": limits.rows,
        "lock_wait": limits.lock_wait,
        "replica_lag": limits.replica_lag,
        **_query(connection, limits),
        "steps": [_step(connection, job, plan, limits) for plan in plans],
    }
    return json.dumps(settings, indent=1, ensure_ascii=False)


def session_path(connection: Connection) -> str:
    """Where names of the product are looked up, as no driver reads it: a percent sign is one."""
    return search_path(connection.dialect).sql.replace("%%", "%")


def _query(connection: Connection, limits: Limits) -> dict[str, Any]:
    """What is asked before the run goes on, and where its names are looked up. PolicyError where it is no query."""
    if limits.pause_while is None:
        return {"pause_while": None}
    try:
        return {"pause_while": one_query(limits.pause_while), "path": session_path(connection)}
    except ValueError as error:
        raise PolicyError(f"run.pause_while {error}") from error


def schedule_settings(connection: Connection, job: Job) -> dict[str, Any]:
    """When it is due: for `sexton.due_v1`."""
    schedule = in_force(job, overrides(connection, [job]).get(job.name)).schedule if job.enabled else None
    lateness = job.misfire.lateness
    even = None if schedule is None else as_interval(schedule, ask_now(connection))  # of it no slots are written down
    return {
        "expression": None if schedule is None else f"{schedule.text} in {schedule.zone}",
        "every": None if even is None else even.interval.total_seconds(),
        "offset": 0 if even is None else even.offset.total_seconds(),
        "rule": job.misfire.rule,
        "most": job.misfire.limit,
        "lateness": None if lateness == timedelta.max else lateness.total_seconds(),
        "lateness_words": str(lateness),
        "catch_up": job.catch_up,
        "retry": [delay.total_seconds() for delay in job.retry.delays] if job.retry is not None else [],
    }


def _step(connection: Connection, job: Job, plan: Plan, limits: Limits) -> dict[str, Any]:
    guard, rule = plan.guard, plan.rollup
    known = tables_of(connection, plan)
    there = {name: found for name, found in known["tables"].items() if found is not None}
    references = unlisted_references(connection, plan)
    return {
        "step": plan.step,
        "called": plan.table.fullname if rule is None else rule.into.fullname,
        "table": qualified_table(connection, quoted_table(connection.dialect, plan.table)),
        "policy": armed_name(job.name, plan),
        "definition": definition(connection, plan),
        "earlier": list(definitions_before(connection, plan)),
        "names": {name: found[0] for name, found in there.items()},
        "tables": {name: qualified_table(connection, number=found[1]) for name, found in there.items()},
        "arm": guard is not None and guard.arm,
        "max_share": None if guard is None else guard.max_share,
        "share_words": None if guard is None else f"{guard.max_share:g}",
        "harmless": plan.harmless,
        "deletes": plan.deletes,
        "has_main": plan.main is not None,
        "inserts": plan.inserts,
        "limit": plan.limit,
        "most_rows": plan.batch or MAX_BATCH_ROWS,
        "goal": plan.batch_seconds or limits.batch * (1 if plan.only_deletes else TELLING),
        "way": "window" if plan.only_deletes and not plan.counts_rows else "pick",
        "leads": plan.order[0].name,
        "references": bool(references),
        "reference_words": " and ".join(f"{one.description} refers to them; {one.advice(plan)}" for one in references),
        **({} if rule is None else {"rollup": rollup_settings(job.name, plan, rule, ask_now(connection))}),
    }


def qualified_table(connection: Connection, name: str | None = None, *, number: int | None = None) -> str | None:
    """With its schema, quoted where that is needed: as every session finds it; None: it is not there.

    name: as it is written in SQL; or the number that it has in this database.
    """
    found = connection.execute(_QUALIFIED, {"name": name, "number": number}).scalar_one_or_none()
    return None if found is None else str(found)
