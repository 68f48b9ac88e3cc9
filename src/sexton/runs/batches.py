"""The batch loop, once for all policies: pacing, deadline, locks, poison.

    pick a size ──> one fenced transaction: execute, record progress, commit ──> learn from its time ──┐
         ^                                                                                             │
         └── locked: around it · refused: halve, at last set aside · cancelled: halve · else: again ───┘

Ends when a batch was short. `left_over` then gives rows that others held one more chance.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ..db.faults import Fault, classify, while_changing
from ..errors import JobFailed
from ..policies.contract import Plan
from ..run_counts import Counts
from ..statements.batch_strategy import BatchStrategy, Request, Result
from ..statements.moved_rows import UpdateCount, count_updates, may_have_moved
from ..statements.poison import forget_healed, next_subject, rows_set_aside
from ..statements.postgresql_batch import CteBatches
from ..statements.strategy_choice import choose
from ..statements.unlisted_references import UnlistedReference, without_referenced
from .context import RunContext
from .refused_rows import Refusals
from .sizing import MAX_BATCH_ROWS, MAX_BATCH_SECONDS, Sizer
from .sqlite_yield import WriterYield
from .transaction_retries import TransactionRetries

ROW_LOCK_SECONDS = 0.02
"""Seconds that a purge without picking waits for a row lock before it goes around the row."""

MAX_CHILD_LOCK_WAITS = 16
"""How often a batch may run into a row that hangs on its own and is locked; each costs `MAX_BATCH_SECONDS` at most."""

TELLING = 2
"""Batches that change and tell may take this much longer than purges: a statement of theirs has fixed costs."""

SQLITE_TARGET_FACTOR = 4
"""Batches on SQLite may take this much longer: each writes the same pages of every index again."""

Execute = Callable[[Connection, Request], Result]


class Batches:
    """Executes one plan to its end, inside one run."""

    def __init__(self, context: RunContext, plan: Plan) -> None:
        self.context = context
        self.plan = self.whole = plan
        self.unlisted_references: list[UnlistedReference] = []
        self.counts = context.steps.setdefault(plan.step, Counts())
        claim = context.claim
        self.request = Request(context.limits.rows, None, claim.as_of, claim.job, claim.run_id)
        self.sizer = self._sizer()
        self.attempts = TransactionRetries(context, plan.table.fullname)
        self.turns = WriterYield(context.engine, context.stop)
        self.refusals = Refusals(self)
        self.began: UpdateCount | None = None
        self.patient = False
        self.skips = False
        self.blocked = False
        """Whether the last batch met a lock on the way around locked rows as well: a table's, for instance."""
        self.waits = 0
        self.set_aside_before = False
        """Whether the job had rows set aside when the step began."""
        self.executor: BatchStrategy

    def run(self) -> None:
        """All batches. Stopped, TimedOut, LeaseLost, HeldElsewhere, JobFailed, DatabaseUnreachable end it early."""
        self.attempts.side_transaction(self._prepare)
        while True:
            changed = self.counts.changed
            self._pass()
            # Of rows that refer to one another the last go first, and then those that they kept.
            if self.counts.changed == changed or not any(reference.own for reference in self.unlisted_references):
                break
            self.from_start()

    def _pass(self) -> None:
        """From the cursor to the end."""
        more = True
        while more and not self.at_limit():
            self.context.check()
            request = replace(self.request, size=self._size())
            began = time.monotonic()
            try:
                result = self.transact(request, self.executor.execute)
            except DBAPIError as error:
                answer = self.answer(error, request)
                if answer is None:
                    continue
                result = answer
            if result.more:
                self.sizer.measured(request.size, time.monotonic() - began)
            self.request = replace(self.request, cursor=result.cursor)
            more = result.more
            if more:
                self.turns.pause(time.monotonic() - began)

    def forget_healed(self) -> None:
        """After the step went through: rows set aside earlier that were not refused again are healed."""
        if self.set_aside_before and not self.at_limit():
            self.attempts.side_transaction(lambda connection: forget_healed(connection, self.plan, self.request))

    def pick_rows(self) -> None:
        """From a sweep, which knows no single rows, to picking them one by one, from the start."""
        self.executor = CteBatches(self.plan)
        self.sizer = self._sizer()
        self.from_start()

    def from_start(self) -> None:
        """Go through the table once more, and count what stays there only once."""
        self.request = replace(self.request, cursor=None)
        self.counts.picked -= self.counts.kept
        self.counts.kept = 0

    def go_again(self) -> None:
        """The whole way once more, with blocks that the table has got meanwhile."""
        self.attempts.side_transaction(self._prepare)
        self.from_start()
        self._pass()

    def may_have_left(self) -> bool:
        """Whether due rows may be left: skipped as others held them, or moved to where the run had been."""
        return self.skips or self.moved()

    def moved(self) -> bool:
        """Whether others may have moved rows since the step began; see `moved_rows`."""
        if self.began is None:
            return False
        began, own = self.began, self.attempts.transactions
        return may_have_moved(
            began, self.attempts.side_transaction(lambda connection: count_updates(connection, self.plan)), own
        )

    def go_around(self, found: list[UnlistedReference]) -> None:
        """From now on only rows that none of these keep, from the start."""
        self.unlisted_references = found
        self.plan = without_referenced(self.whole, found)
        self.attempts.side_transaction(self._prepare)
        self.from_start()

    def at_limit(self) -> bool:
        """Whether the step has taken all the rows that its `limit`, and `--limit`, allow."""
        return self.limit is not None and self.counts.picked - self.counts.kept >= self.limit

    @property
    def limit(self) -> int | None:
        """Rows that the step may take in this run; None: all."""
        limits = [limit for limit in (self.plan.limit, self.context.limits.row_limit) if limit is not None]
        return min(limits, default=None)

    def _sizer(self) -> Sizer:
        most = self.plan.batch or MAX_BATCH_ROWS
        return Sizer(min(self.context.limits.rows, most), self._goal(), most)

    def _prepare(self, connection: Connection) -> None:
        set_aside = rows_set_aside(connection, self.request.job, self.request.as_of)
        self.set_aside_before = self.set_aside_before or set_aside.ever
        self.request = replace(self.request, excluding=set_aside.now)
        limited = self.context.limits.row_limit is not None
        self.executor = choose(connection, self.plan, self.request, by_row=limited).executor
        if self.executor.first:
            self.sizer.size = self.executor.first
        if self.began is None and self.executor.goes_around:
            self.began = count_updates(connection, self.plan)

    def _goal(self) -> float:
        if self.context.engine.dialect.name == "sqlite":
            return SQLITE_TARGET_FACTOR * self.context.limits.batch
        if self.plan.batch_seconds is not None:
            return self.plan.batch_seconds
        return self.context.limits.batch * (1 if self.plan.only_deletes else TELLING)

    def _size(self) -> int:
        return (
            self.sizer.size
            if self.limit is None
            else min(self.sizer.size, self.limit - self.counts.picked + self.counts.kept)
        )

    def transact(self, request: Request, execute: Execute) -> Result:
        """One batch in one data transaction; its counts stand only if it was committed."""
        lock = (
            ROW_LOCK_SECONDS
            if self.executor.goes_around and execute == self.executor.execute
            else MAX_BATCH_SECONDS / 2
        )
        statement = self.context.limits.statement if self.patient or request.size == 1 else MAX_BATCH_SECONDS
        if request.waiting:
            # The time limit runs while a lock is waited for: without more of it, a lock would pass for slowness.
            lock = self.context.limits.lock_wait
            statement += lock

        def work(connection: Connection) -> Result:
            result = execute(connection, request)
            self.count(result)
            return result

        with self.counts_restored():
            result = self.attempts.commit_once(work, lock=lock, statement=statement)
        self.blocked = False
        self.skips = self.skips or result.skips
        self.context.watch(self.plan.step, self.counts)
        return result

    def count(self, result: Result) -> None:
        """What one batch did, once it is committed; see `counts_restored`."""
        self.counts.add(result.picked, result.changed, result.told, result.also, result.told_before)
        self.counts.kept += result.kept

    @contextmanager
    def counts_restored(self) -> Iterator[None]:
        """Around a transaction: when it fails, it has counted nothing."""
        before = replace(self.counts, also=dict(self.counts.also))
        try:
            yield
        except BaseException:
            for name in ("picked", "changed", "told", "also", "told_before", "kept"):
                setattr(self.counts, name, getattr(before, name))
            raise

    def answer(self, error: DBAPIError, request: Request) -> Result | None:
        """What to do about a failed batch: the result of another way around it, or None to try again."""
        fault = while_changing(error, self.attempts.tries)
        if fault is Fault.POISON:
            self._poisoned(error, request)
        elif fault is Fault.CANCELLED:
            self._cancelled(error, request)
        elif fault is Fault.LOCKED and not self.executor.goes_around and self.waits < MAX_CHILD_LOCK_WAITS:
            self._held(request)
        elif fault is Fault.LOCKED and not self.blocked:
            self.attempts.tries = max(self.attempts.tries, 1)
            try:
                return self.transact(request, self.executor.rescue)
            except DBAPIError as second:
                # Where a row is refused there, or time runs out, it is still the way, with fewer rows.
                self.blocked = classify(second) is Fault.LOCKED
                return self.answer(second, request)
        else:
            self.attempts.backoff_or_raise(error)
        return None

    def _held(self, request: Request) -> None:
        """Picking skips locked rows, so a row that hangs on one of them is held: go around that one."""
        self.waits += 1
        self.context.check()
        if request.size > 1:
            self.sizer.shrink(8, request.size)
            return
        row = self.attempts.side_transaction(lambda connection: next_subject(connection, self.plan, request))
        if row is not None:
            self.skips = True
            self.request = replace(self.request, cursor=row[1])

    def _cancelled(self, error: DBAPIError, request: Request) -> None:
        self.context.check()
        if request.size > 1:
            self.sizer.shrink(2, request.size)
        elif self.patient:
            seconds = self.context.limits.statement
            raise JobFailed(
                f"a batch of one row takes more than {seconds:g} s; {self.plan.step} needs an index"
            ) from error
        if request.size == 1 and not self.patient:
            # Not the rows but the search is slow: an index is missing. Fewer, larger batches search less often.
            self.patient = True
            self.sizer.size = min(self.context.limits.rows, self.sizer.most)

    def _poisoned(self, error: DBAPIError, request: Request) -> None:
        if self.executor.unit != "rows":
            self.pick_rows()
        elif request.size > 1:
            self.sizer.shrink(2, request.size)
        else:
            try:
                self.refusals.met(error, request)
            except DBAPIError as hindered:
                self.attempts.backoff_or_raise(hindered)
