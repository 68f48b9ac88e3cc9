"""Whether rows that a roll-up sums up are purged before their windows are sealed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Table
from sqlalchemy.sql import visitors

from ..db.watermarks import sealed_to
from ..jobs.duration import format_duration
from ..policies.contract import Plan


def rollup_warnings(plans: Iterable[tuple[str, Plan, str | None]]) -> Iterator[tuple[str, str]]:
    """Job and warning: of those that delete rows of a roll-up and do not wait, or that wait longer than they keep.

    plans: of all jobs, each with its job, and the job that `before` of its settings names.
    """
    known = list(plans)
    for source, summed, _ in known:
        if summed.rollup is None:
            continue
        late = summed.rollup.lateness
        for job, plan, before in known:
            if (
                plan.rollup is not None
                and plan.rollup.finer is None
                and _place(plan.table) == _place(summed.rollup.into)
            ):
                words = f"sums up {plan.table.fullname}, which {source} writes, and does not wait for it"
                yield job, f"{plan.step} {words}: write CoarserRollup(…)"
            if not plan.deletes or _place(plan.table) != _place(summed.table):
                continue
            if before != source and not _waits(plan):
                words = f"deletes rows of {plan.table.fullname}, which {source} sums up, and does not wait for it"
                yield job, f'{plan.step} {words}: before = "{source}", or only=rolled_up(…)'
            elif plan.grace is None or plan.grace.months:
                continue
            elif plan.grace.length <= late:
                kept, needed = format_duration(plan.grace.length), format_duration(late)
                words = f"keeps rows for {kept}, and {source} computes a window until {needed} past its end"
                yield job, f"{plan.step} {words}, so that nothing goes before; keep longer than {needed}"
            elif summed.rollup.rows_kept is not None and plan.grace.length < summed.rollup.rows_kept:
                words = f"keeps rows for {format_duration(plan.grace.length)}, less than the rows_kept of {source}"
                yield job, f"{plan.step} {words}, which compares windows with rows that are gone"


def _waits(plan: Plan) -> bool:
    return any(isinstance(part, sealed_to) for part in visitors.iterate(plan.due))


def _place(table: Table) -> tuple[str, str]:
    return table.schema or "public", table.name
