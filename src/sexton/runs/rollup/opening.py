"""The start of a roll-up's run: where its windows begin, what is sealed, which of them are to be computed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from ...clock import iso
from ...db.watermarks import Watermark, read_watermark
from ...errors import PolicyError
from ...jobs.duration import TICK
from ...jobs.rollup_scope import RollupScope
from ...policies.contract import Plan
from ...policies.rollup_rule import ALWAYS_REOPENED, FinerWindows, RollupRule
from ...statements.batch_strategy import Request, parameters
from ...statements.rollup_windows import RollupStatements, Window
from .walk import Walk


def opened(connection: Connection, plan: Plan, rule: RollupRule, request: Request, scope: RollupScope) -> Walk | None:
    """The way through the windows; None: there is no row yet, or no window that is over.

    PolicyError where the schedule is another than that of the summaries that are there, and for a backfill before the
    first run.
    """
    statements = RollupStatements(connection.dialect.name, rule)
    edge = rule.windows.previous(request.as_of - rule.close_after)
    mark = read_watermark(connection, request.job, plan.step)
    if mark is not None and mark.definition != rule.definition and not scope.rebuild:
        raise PolicyError(
            f"{plan.step}: its windows are {rule.definition!r} now and were {mark.definition!r}: summaries of both "
            f"would stand side by side; compute them anew: sexton run {request.job} --rebuild"
        )
    if scope.start is not None or scope.end is not None:
        return _backfill(connection, plan, statements, request, scope, mark)
    seal_to = rule.windows.previous(request.as_of - rule.lateness)
    if rule.finer is not None:
        below = _below(connection, plan, statements, request, rule.finer)
        if below is None:
            return None
        edge = min(edge, rule.windows.previous(below.closed_to))
        seal_to = min(seal_to, rule.windows.previous(below.sealed_to or below.begins_at))
    if mark is None or scope.rebuild:
        mark = _first(connection, statements, request, mark, edge=edge, seal_to=seal_to)
    if mark is None or edge <= mark.begins_at:
        return None
    return Walk(
        statements,
        request,
        mark,
        cursor=max(mark.begins_at, mark.sealed_to or mark.begins_at),
        end=edge,
        seal_to=seal_to,
        changed_to=_changed_to(rule, request, mark),
    )


def _below(
    connection: Connection, plan: Plan, statements: RollupStatements, request: Request, finer: FinerWindows
) -> Watermark | None:
    """How far the roll-up has come that this one is made of; None: it has no sums yet.

    PolicyError where its sums are of other windows than it was promised, or of nobody knows whom.
    """
    job = finer.job or request.job
    mark = read_watermark(connection, job, finer.step)
    if mark is None and _oldest(connection, statements, request) is not None:
        raise PolicyError(
            f"{plan.step}: {plan.table.fullname} has sums, and {job} has computed none in a step {finer.step}: name "
            "the job of the finer roll-up, or have it as an earlier step of this one"
        )
    if mark is not None and mark.definition != finer.definition:
        raise PolicyError(
            f"{plan.step}: the windows of {finer.step} are {finer.definition!r} now and were {mark.definition!r}: "
            f"compute them anew first: sexton run {job} --rebuild"
        )
    return mark


def _changed_to(rule: RollupRule, request: Request, mark: Watermark) -> datetime | None:
    """Until where a window is only computed if rows of it were changed."""
    if rule.changed_at is None or mark.looked_at is None:
        return None
    return min(mark.closed_to, rule.windows.previous(request.as_of - ALWAYS_REOPENED))


def _first(
    connection: Connection,
    statements: RollupStatements,
    request: Request,
    before: Watermark | None,
    *,
    edge: datetime,
    seal_to: datetime,
) -> Watermark | None:
    """The mark from which all windows are computed for which rows are there; None: there is no row.

    Of windows of the past nothing is told, but for the newest; after a rebuild in other windows not even for that.
    """
    schedule = statements.rule.windows
    oldest = _oldest(connection, statements, request)
    if oldest is None:
        return None
    kept = _kept_to(connection, statements, request, before, oldest)
    first: datetime | None = connection.execute(statements.first_kept()).scalar()
    begins = schedule.previous(min(oldest, first or oldest)) if kept is None else kept
    told_from = schedule.previous(edge - TICK)
    if before is not None:
        same = before.definition == statements.rule.definition
        told_from = max(before.told_from, before.closed_to) if same else edge
    return Watermark(
        closed_to=begins,
        definition=statements.rule.definition,
        begins_at=begins,
        kept_to=seal_to if before is None else before.sealed_to or before.kept_to,
        told_from=told_from,
    )


def _kept_to(
    connection: Connection,
    statements: RollupStatements,
    request: Request,
    before: Watermark | None,
    oldest: datetime,
) -> datetime | None:
    """The end of the summaries that stay, as rows of theirs may have been purged; None: all rows are there.

    Without a mark they are not ours, and nobody knows.
    """
    if before is not None and before.sealed_to is None:
        return None
    asked = statements.kept_before(sealed=before is not None)
    end = oldest if before is None or before.sealed_to is None else before.sealed_to
    values = parameters(asked, request, **Window(oldest, end).values())
    found: datetime | None = connection.execute(asked, values).scalar()
    return found


def _oldest(connection: Connection, statements: RollupStatements, request: Request) -> datetime | None:
    asked = statements.oldest_row()
    found: datetime | None = connection.execute(asked, parameters(asked, request)).scalar()
    return found


def _backfill(
    connection: Connection,
    plan: Plan,
    statements: RollupStatements,
    request: Request,
    scope: RollupScope,
    mark: Watermark | None,
) -> Walk | None:
    """The windows of a stretch, also sealed ones; not those whose rows may be gone in part."""
    if mark is None:
        raise PolicyError(f"{plan.step}: nothing was computed yet, so there is nothing to do again")
    schedule, oldest = statements.rule.windows, _oldest(connection, statements, request)
    start = max(mark.begins_at, mark.begins_at if scope.start is None else schedule.previous(scope.start))
    end = mark.closed_to if scope.end is None else min(mark.closed_to, schedule.next(scope.end - TICK))
    if mark.sealed_to is not None:
        whole = mark.sealed_to if oldest is None else min(mark.sealed_to, schedule.next(oldest))
        start = max(start, whole)
    progress = f"{plan.step} from {_bound(scope.start)} to {_bound(scope.end)}"
    earlier = read_watermark(connection, request.job, progress)
    if earlier is not None:
        start = max(start, earlier.closed_to)
    if start >= end:
        return None
    mark = replace(mark, closed_to=start, kept_to=mark.sealed_to, definition="")  # no mark that anybody waits for
    return Walk(statements, request, mark, cursor=start, end=end, seal_to=start, progress=progress)


def _bound(at: datetime | None) -> str:
    return "-" if at is None else iso(at)
