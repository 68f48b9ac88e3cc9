"""What a run of a roll-up would do: the windows and groups that differ, and what would be told. Changes nothing."""

from __future__ import annotations

from sqlalchemy import Connection

from ...jobs.rollup_scope import EVERY_RUN, RollupScope
from ...policies.contract import Plan
from ...policies.rollup_rule import RollupRule
from ...run_counts import Counts
from ...statements.batch_strategy import Request, parameters
from ...statements.rollup_windows import Window
from ...statements.samples import ROWS, Sample
from .audit import AUDITED, DRIFTED, chosen
from .executor import COMPUTED
from .opening import opened
from .reports import Reports
from .walk import Walk


def preview_rollup(
    connection: Connection, plan: Plan, rule: RollupRule, request: Request, scope: RollupScope = EVERY_RUN
) -> tuple[Counts, Sample, str]:
    """Counts of the step as its real run would report them, the first windows that differ, and what its note says."""
    counts, differing = Counts(), list[Window]()
    walk = opened(connection, plan, rule, request, scope)
    audit = None if walk is None else chosen(walk, plan.step)
    while walk is not None and (window := walk.next(connection)) is not None:
        groups = _count(connection, walk, walk.statements.preview(walk.is_careful(window)), window)
        told = int(_would_tell(connection, plan, walk, window, groups))
        counts.add(int(bool(groups or told)), groups, told, {COMPUTED: 1})
        if (groups or told) and len(differing) < ROWS:
            differing.append(window)
        stretch = walk.passed(connection, window, differs=bool(groups))
        if stretch is not None and (stale := _count(connection, walk, walk.statements.count_between(), stretch)):
            counts.add(1, stale, 0, {})
    shown: list[dict[str, str | None]] = [
        {"window_start": f"{window.start:%Y-%m-%dT%H:%MZ}", "window_end": f"{window.end:%Y-%m-%dT%H:%MZ}"}
        for window in differing
    ]
    groups = 0
    if audit is not None:
        groups = audit.differing(connection)
        counts.add(0, 0, 0, {AUDITED: 1, DRIFTED: groups})
    said = audit.words(plan.step, groups) if audit is not None and groups else ""
    return counts, Sample(("window_start",), "window_end", shown), said


def _count(connection: Connection, walk: Walk, asked: object, window: Window) -> int:
    values = parameters(asked, walk.request, **window.values())  # type: ignore[arg-type]
    found: int = connection.execute(asked, values).scalar_one()  # type: ignore[call-overload]
    return found


def _would_tell(connection: Connection, plan: Plan, walk: Walk, window: Window, groups: int) -> bool:
    rule = walk.statements.rule
    if rule.report is None:
        return False
    if Reports(walk.statements, rule.report, walk.request, plan.step).told(connection, window):
        return groups > 0
    return walk.is_news(window)
