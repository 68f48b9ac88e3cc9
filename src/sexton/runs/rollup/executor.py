"""The loop over windows: some in a transaction, the mark with them, so that a run that ends anywhere can be taken up.

A window that cannot be computed holds the mark: those before it are committed, none after it is begun.
"""

from __future__ import annotations

import time
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...db.faults import Fault, describe, while_changing
from ...db.watermarks import Watermark, forget_watermark, write_watermark
from ...errors import JobFailed
from ...policies.contract import Plan
from ...policies.rollup_rule import RollupRule
from ...run_counts import Counts
from ...run_state import OutcomeCode
from ...statements.batch_strategy import Request
from ...statements.rollup_windows import Window
from ..context import RunContext
from ..sizing import MAX_BATCH_SECONDS
from ..sqlite_yield import WriterYield
from ..transaction_retries import TransactionRetries
from .audit import AUDITED, DRIFTED, Audit, chosen
from .opening import opened
from .reports import Reports
from .walk import Walk
from .writing import WindowWriter

MAX_WINDOWS = 10
"""Windows of one transaction; fewer where they take longer than `MAX_BATCH_SECONDS`."""

COMPUTED = "computed"
"""Under this name windows are counted that were computed; those that were found to differ are picked."""


class RollupRun:
    """Executes one roll-up, inside one run."""

    def __init__(self, context: RunContext, plan: Plan, rule: RollupRule) -> None:
        self.context, self.plan, self.rule = context, plan, rule
        self.counts = context.steps.setdefault(plan.step, Counts())
        claim = context.claim
        self.request = Request(0, None, claim.as_of, claim.job, claim.run_id)
        self.attempts = TransactionRetries(context, rule.into.fullname)
        self.turns = WriterYield(context.engine, context.stop)
        self.size = MAX_WINDOWS
        self.window: Window | None = None
        """The one that was begun last, for messages."""

    def run(self) -> None:
        """All windows. Stopped, TimedOut, LeaseLost, HeldElsewhere, JobFailed, DatabaseUnreachable end it early."""
        walk = self.attempts.side_transaction(self._open)
        audit = None if walk is None else chosen(walk, self.plan.step)
        while walk is not None and not walk.finished and not self._at_limit():
            self.context.check()
            began, cursor = time.monotonic(), walk.cursor
            try:
                self._transact(walk)
            except DBAPIError as error:
                walk.cursor, walk.finished = cursor, False
                self._answer(error)
            else:
                self.size = min(2 * self.size, MAX_WINDOWS)
                self.turns.pause(time.monotonic() - began)
        if audit is not None and not self.context.stop.asked and self.context.left() > 0:
            self._look_at(audit)

    def _look_at(self, audit: Audit) -> None:
        """Say so if an old window differs from its rows. All windows are done: what goes wrong here is only said."""
        limits = self.context.limits
        try:
            with self.context.transaction(
                lock=limits.lock_wait, statement=min(limits.statement, self.context.left() / 2)
            ) as connection:
                groups = audit.differing(connection)
        except DBAPIError as error:
            self.context.notes.append(f"{self.plan.step}: no old window could be audited: {describe(error)}")
            return
        self.counts.add(0, 0, 0, {AUDITED: 1, DRIFTED: groups})
        if groups:
            self.context.notes.append(audit.words(self.plan.step, groups))
            self.context.code = self.context.code or OutcomeCode.DRIFTED

    def _open(self, connection: Connection) -> Walk | None:
        walk = opened(connection, self.plan, self.rule, self.request, self.context.rollup)
        if walk is not None and walk.progress is None:
            write_watermark(connection, self.request.job, self.plan.step, walk.mark)
        return walk

    def _at_limit(self) -> bool:
        most = self.context.limits.row_limit
        return most is not None and self.counts.picked >= most

    def _transact(self, walk: Walk) -> None:
        before = replace(self.counts, also=dict(self.counts.also))

        def work(connection: Connection) -> Watermark:
            self._some(connection, walk)
            return self._noted(connection, walk)

        limits = self.context.limits
        try:
            walk.mark = self.attempts.commit_once(work, lock=limits.lock_wait, statement=limits.statement)
        except BaseException:
            for name in ("picked", "changed", "told", "also"):
                setattr(self.counts, name, getattr(before, name))
            raise
        self.context.watch(self.plan.step, self.counts)

    def _some(self, connection: Connection, walk: Walk) -> None:
        writer = WindowWriter(walk.statements, self.request)
        report = self.rule.report
        reports = None if report is None else Reports(walk.statements, report, self.request, self.plan.step)
        end = time.monotonic() + MAX_BATCH_SECONDS
        for _ in range(self.size):
            window = self.window = walk.next(connection)
            if window is None:
                return
            told_before = reports is not None and reports.told(connection, window)
            written = writer.write(connection, window, lines=told_before, careful=walk.is_careful(window))
            told = False
            if reports is not None and told_before:
                told = bool(written.groups) and reports.correct(connection, window, written.rows)
            elif reports is not None and walk.is_news(window):
                told = reports.tell(connection, window)
            self._count(written.groups, told, computed=1)
            stretch = walk.passed(connection, window, differs=bool(written.groups))
            if stretch is not None:
                self._count(writer.clear(connection, stretch), False)
            if time.monotonic() > end or self._at_limit():
                return

    def _count(self, groups: int, told: bool, computed: int = 0) -> None:
        self.counts.add(int(bool(groups) or told), groups, int(told), {COMPUTED: computed})

    def _noted(self, connection: Connection, walk: Walk) -> Watermark:
        """The mark, after the windows of this transaction."""
        mark, job = walk.mark, self.request.job
        if walk.progress is not None:
            mark = replace(mark, closed_to=walk.cursor)
            if walk.finished:
                forget_watermark(connection, job, walk.progress)
            else:
                write_watermark(connection, job, walk.progress, mark)
            return mark
        sealed = min(walk.cursor, walk.seal_to)
        if sealed > (mark.sealed_to or mark.begins_at):
            mark = replace(mark, sealed_to=sealed)
        mark = replace(mark, closed_to=max(mark.closed_to, walk.cursor))
        if walk.finished:
            mark = replace(mark, looked_at=max(self.request.as_of, mark.looked_at or self.request.as_of))
        write_watermark(connection, job, self.plan.step, mark)
        return mark

    def _answer(self, error: DBAPIError) -> None:
        """What to do about a transaction that failed: a smaller one, the same again, or the end."""
        fault = while_changing(error, self.attempts.tries)
        if fault not in (Fault.POISON, Fault.CANCELLED):
            self.attempts.backoff_or_raise(error)
            return
        self.context.check()
        if self.size > 1:
            self.size = 1  # those before it can be committed
            return
        about = f"{self.plan.step}: window"
        if self.window is not None:
            about += f" {self.window.start:%Y-%m-%d %H:%M} to {self.window.end:%Y-%m-%d %H:%M} UTC"
        if fault is Fault.CANCELLED:
            seconds = self.context.limits.statement
            advice = f"is there an index on {self.rule.by}? else take shorter windows, or a longer `[run] statement`"
            raise JobFailed(f"{about} was not computed within {seconds:g} s; {advice}") from error
        raise JobFailed(f"{about} cannot be written: {describe(error)}") from error
