"""Due rows that are still there after the last batch: one more try, then a count of what stays, and why.

Rows that others had locked each time a batch came by are waited for: one SKIP LOCKED pass over a row that short
transactions keep locked wins about once in 400; waiting for it wins. Rows that others moved behind the run, or have let
go of by now, are met on the way. What then is free and still due was found and not changed: a trigger would not have
it. Where one may undo a change, rows that nobody holds are not changed a second time.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from ..db.faults import Fault, while_changing
from ..run_state import OutcomeCode
from ..statements.batch_strategy import parameters
from ..statements.poison import next_subject
from ..statements.selection import due_condition
from ..statements.vetoing_triggers import vetoing_triggers
from .batches import Batches

MAX_COUNTED_LEFT_OVER = 100_000
"""Rows left over are counted up to here."""

PROBED = 5_000
"""Most rows of which it is tried whether others hold them."""

MAX_LOCKED_ROW_WAITS = 16
"""Locked rows that are waited for; each costs `run.lock_wait` at most."""

SWEEPS = 3
"""How often a sweep goes through the table again, as long as it still finds rows that moved."""

MOVED_ROWS_UNCOUNTED = "whether rows are left that others moved meanwhile could not be asked in time"


def take_left_over(batches: Batches) -> None:
    """After the loop: try again what may be left; count in `skipped` and `kept` what stays."""
    if batches.at_limit():
        return
    if batches.executor.unit == "blocks" and batches.moved():
        _sweep_again(batches)
        if not batches.skips:
            return
    elif not batches.may_have_left():
        return
    left = _left(batches)
    if not left:
        return
    vetoed = _vetoed(batches)
    if batches.plan.deletes or not vetoed or _locked(batches, left):
        _take(batches, left)
        left = _left(batches)
    _count(batches, left or 0, vetoed)


def _sweep_again(batches: Batches) -> None:
    for _ in range(SWEEPS):
        before = batches.counts.changed
        batches.go_again()
        if batches.counts.changed == before or batches.executor.unit != "blocks":
            return
    batches.skips = True


def _take(batches: Batches, left: int) -> None:
    """One pass from the start that waits a little for each locked row."""
    counts = batches.counts
    if batches.executor.unit != "rows":
        batches.pick_rows()
    batches.from_start()
    before = replace(counts)
    _wait_for_each(batches)
    if not batches.plan.deletes and left < MAX_COUNTED_LEFT_OVER:
        # A row that is due again after its change was changed again.
        gained = max(left - (_left(batches) or 0), 0)
        counts.picked = min(counts.picked, before.picked + gained)
        counts.changed = min(counts.changed, before.changed + gained)


def _wait_for_each(batches: Batches) -> None:
    batches.request = replace(batches.request, waiting=True)
    size, waits = batches.sizer.size, 0
    while waits < MAX_LOCKED_ROW_WAITS:
        batches.context.check()
        request = replace(batches.request, size=size)
        try:
            result = batches.transact(request, batches.executor.rescue)
        except DBAPIError as error:
            if while_changing(error, batches.attempts.tries) is not Fault.LOCKED:
                batches.answer(error, request)
                size = batches.sizer.size
                continue
            waits += 1
            if size == 1:
                _step_over(batches)
            size = max(size // 8, 1)
            continue
        batches.request = replace(batches.request, cursor=result.cursor)
        if not result.more:
            break


def _step_over(batches: Batches) -> None:
    row = batches.attempts.side_transaction(lambda connection: next_subject(connection, batches.plan, batches.request))
    if row is not None:
        batches.request = replace(batches.request, cursor=row[1])


def _count(batches: Batches, left: int, vetoed: bool) -> None:
    """How many of so many rows others hold, and how many are free and not as they should be; see `_vetoed`."""
    counts, plan = batches.counts, batches.plan
    locked = _locked(batches, left)
    kept = left - locked
    if not counts.kept and not vetoed:
        counts.skipped = left  # they came, or came back, while we looked
        return
    counts.skipped = locked
    if plan.deletes:
        counts.picked += kept - counts.kept
    counts.kept = kept


def _vetoed(batches: Batches) -> bool:
    """Whether a trigger of the table may keep a row from being changed, or undo its change."""
    plan = batches.plan
    return bool(
        batches.attempts.side_transaction(
            lambda connection: vetoing_triggers(connection, plan.table, deletes=plan.deletes)
        )
    )


def _left(batches: Batches) -> int | None:
    """How many are due; None where that takes too long, which the run then says."""
    few = (
        select(*batches.plan.key)
        .where(due_condition(batches.plan, excluding=batches.request.excluding))
        .limit(MAX_COUNTED_LEFT_OVER)
    )
    asked = select(func.count()).select_from(few.subquery())

    def count(connection: Connection) -> int:
        return connection.execute(asked, parameters(asked, batches.request)).scalar_one()

    found = batches.attempts.look_aside(count)
    if found is None:
        batches.context.notes.append(MOVED_ROWS_UNCOUNTED)
        batches.context.code = OutcomeCode.REST_UNKNOWN
    return found


def _locked(batches: Batches, left: int) -> int:
    """How many of so many rows others hold; on SQLite none."""
    if batches.context.engine.dialect.name == "sqlite" or not left:
        return 0
    plan = batches.plan
    some = select(*plan.key).where(due_condition(plan, excluding=batches.request.excluding)).limit(PROBED)
    some = some.with_for_update(of=plan.table, skip_locked=True, key_share=not plan.deletes)
    asked = select(func.count()).select_from(some.subquery())

    def count(connection: Connection) -> int:
        return connection.execute(asked, parameters(asked, batches.request)).scalar_one()

    free = batches.attempts.look_aside(count)
    return 0 if free is None or free == PROBED else max(left - free, 0)
