"""What a procedure knows of a roll-up beside its statements, and which windows have to be written down for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from ...db.watermarks import read_watermark
from ...jobs.job import Job
from ...jobs.schedule import Schedule
from ...policies.contract import Plan
from ...policies.rollup_rule import RollupReport, RollupRule
from ...slots.upcoming_slots import SLOTS_KEPT
from ...slots.window_starts import MOST_WINDOWS, NeededWindows, definition_of, window_settings
from ...statements.rollup_windows import RollupStatements
from .not_compilable import NotCompilable

MOST_NAME_CHARACTERS = 400
"""Of an event or a step in a key: one that is longer with its time would be shortened, which only Python does."""


def rollup_settings(job: str, plan: Plan, rule: RollupRule, now: datetime) -> dict[str, Any]:
    """For functions of revision 1016: what is not there is not named. Lengths of time are in seconds."""
    settings: dict[str, Any] = {
        "definition": rule.definition,
        "windows": window_settings(rule.windows, now),
        "table": rule.by.table.fullname,
        "close_after": rule.close_after.total_seconds(),
        "lateness": rule.lateness.total_seconds(),
        "by_changes": rule.changed_at is not None,
    }
    if rule.rows_kept is not None:
        settings["rows_kept"] = rule.rows_kept.total_seconds()
    if rule.finer is not None:
        settings["finer"] = {
            "job": rule.finer.job,
            "step": rule.finer.step,
            "definition": rule.finer.definition,
            "windows": window_settings(rule.finer.windows, now),
        }
    if rule.report is not None:
        settings["report"] = _report(job, plan.step, rule, rule.report)
    return settings


def _report(job: str, step: str, rule: RollupRule, report: RollupReport) -> dict[str, Any]:
    """NotCompilable for what cannot stand in a message that the database writes."""
    for name in (report.event, step):
        if len(name) > MOST_NAME_CHARACTERS:
            raise NotCompilable(
                f"{job}, step {step[:40]}: its name or its event is longer than {MOST_NAME_CHARACTERS} characters; "
                "give it to a worker"
            )
    return {
        "event": report.event,
        "correction": report.correction_event,
        "subject": step,
        "zone": rule.windows.zone,
        "payload": dict(report.payload),
        "has_key": report.outbox is None or report.outbox.key is not None,
    }


def windows_needed(connection: Connection, job: Job, plans: Sequence[Plan], now: datetime) -> dict[str, NeededWindows]:
    """Windows that the roll-ups of a job go by and that are not even, by their definitions.

    From the mark on; before the first run, from the oldest row or sum on. NotCompilable where they would be too many.
    """
    found: dict[str, NeededWindows] = {}
    for plan in plans:
        if plan.rollup is None:
            continue
        since = _begins(connection, job, plan, plan.rollup)
        back = max(SLOTS_KEPT, plan.rollup.lateness + timedelta(days=32))
        schedules: list[Schedule] = [plan.rollup.windows]
        schedules += [] if plan.rollup.finer is None else [plan.rollup.finer.windows]
        for schedule in schedules:
            if window_settings(schedule, now)["every"] is not None:
                continue
            definition = definition_of(schedule)
            needed = NeededWindows(schedule, since, back).joined(found.get(definition))
            if len([*islice(needed.starts(now), MOST_WINDOWS + 1)]) > MOST_WINDOWS:
                raise NotCompilable(
                    f"{job.name}, step {plan.step}: its windows {definition} are more than {MOST_WINDOWS:,}, and all "
                    "would have to be written down; give it to a worker"
                )
            found[definition] = needed
    return found


def _begins(connection: Connection, job: Job, plan: Plan, rule: RollupRule) -> datetime | None:
    """When the first window begins or will, or later; None: nothing is there yet."""
    mark = read_watermark(connection, job.name, plan.step)
    if mark is not None:
        return mark.begins_at
    statements = RollupStatements(connection.dialect.name, rule)
    times = [connection.execute(asked).scalar() for asked in (statements.oldest_row(), statements.first_kept())]
    return min((time for time in times if time is not None), default=None)
