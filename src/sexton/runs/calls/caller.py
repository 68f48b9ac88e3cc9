"""The loop of a step that calls: claim as many rows as there are free threads, wait, record what has arrived.

claim (fenced by the job's lease) ──> threads ──> answers ──> record (fenced by the claim)
    ^                                                              │
    └────────────── as long as rows are due, and time is left ─────┘
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...call_outcomes import Unknown
from ...call_state import CallState
from ...calls.claim_store import ClaimStore
from ...calls.claimed_row import ClaimedRow
from ...calls.claims_in_calls import InCalls
from ...calls.claims_in_rows import InRow
from ...errors import JobFailed, SextonError
from ...policies.call_rule import SPARE_SECONDS, Attempt, CallColumns
from ...policies.contract import Plan
from ...policies.hard_end import HardEnd
from ...run_counts import Counts
from ...statements.batch_strategy import Request
from ..context import RunContext
from ..failure import failed
from ..sizing import MAX_BATCH_SECONDS
from ..transaction_retries import TransactionRetries
from .call_threads import Answer, CallTask, CallThreads
from .claiming import Claiming, Look
from .extending import Extending
from .recorder import Recorder
from .recording import UNRECORDED, Recorded, Recording

LAST_SECONDS = 10.0
"""Seconds that calls under way have to end once somebody asked the run to stop."""

MOST_RECORDED = 1_000
"""Answers that one transaction records at most."""

IDLE_SECONDS = 1.0
"""Seconds after which the loop looks again whether it still holds the lease, and whether anything is due."""


LOUD = {CallState.GAVE_UP: "given up", CallState.UNKNOWN: "of which nobody knows whether the call was done"}
"""How rows end that a person has to look at: the run is partial."""


class Caller:
    """Executes one step that calls, inside one run."""

    def __init__(self, context: RunContext, plan: Plan) -> None:
        assert plan.call is not None
        self.context, self.plan, self.rule = context, plan, plan.call
        self.counts = context.steps.setdefault(plan.step, Counts())
        claim = context.claim
        self.request = Request(0, None, claim.as_of, claim.job, claim.run_id)
        store = store_of(plan, self.rule.state or CallColumns(), claim.job, context.engine.dialect.name)
        self.claiming = Claiming(plan, self.rule, store)
        self.recorder = Recorder(context, Recording(plan, self.rule, store), self.request, self._at)
        self.extending = Extending(context, store, self.rule.timeout, self._at)
        self.retries = TransactionRetries(context, plan.table.fullname)
        self.threads = CallThreads()
        self.began = time.monotonic()
        self.late: list[Answer] = []
        self.more = True
        self.explained = ""
        self.over: SextonError | None = None
        """Why no further call begins; raised once those under way have been recorded."""
        self.last = float("inf")
        """Monotonic time after which nothing that is under way is waited for."""

    def run(self) -> None:
        """Until nothing is due any more, or no time is left. Raises as `Batches.run` does."""
        try:
            while self._turn():
                pass
        finally:
            self.threads.close()
        self._say()
        if self.over is not None:
            raise self.over

    def _turn(self) -> bool:
        """One round; whether there is another."""
        answers = self._arrived()  # first: whoever rings after it will be heard
        self.extending.answer(self.threads.tasks)
        self._record(answers)
        self._count_all(self.recorder.record_held())
        self._ask_whether_over()
        claims = self.over is None and self.more and self._free() > 0
        if claims:
            self._claim()
        if not self.threads.tasks and not self.late and not self.recorder.held and self.threads.silent:
            return claims
        if time.monotonic() >= self.last:
            return False
        if not self.late and self.threads.silent:
            self._wait()
        return True

    def _wait(self) -> None:
        next_try = self.extending.next_try(self.threads.tasks)
        end = min(self.threads.next_end, next_try, self.last, time.monotonic() + IDLE_SECONDS)
        sources = () if self.over is not None else (self.context.stop,)
        self.threads.wait(*sources, seconds=end - time.monotonic())
        self._let_go()
        self.more = self.more or self.threads.silent  # an idle second: new rows may be due

    def _free(self) -> int:
        if self.context.left() < self.rule.timeout + SPARE_SECONDS:
            return 0
        return self.rule.concurrency - len(self.threads.tasks)

    def _at(self, monotonic: float) -> datetime:
        """The run's time at that moment: what it is frozen at, and what has passed since."""
        return self.context.claim.as_of + timedelta(seconds=max(monotonic - self.began, 0.0))

    def _ask_whether_over(self) -> None:
        """Somebody asked to stop, the time is over, the lease is lost: nothing new begins, and what is done is kept."""
        if self.over is not None:
            return
        try:
            self.context.check()
            if self.threads.tasks:
                self._keep_lease()
        except SextonError as error:
            self._end(error)

    def _end(self, error: SextonError, seconds: float = LAST_SECONDS) -> None:
        """Nothing new begins. seconds: for what is under way."""
        self.over, self.last = error, time.monotonic() + seconds
        for task in self.threads.tasks:
            task.end.cancel(str(error))

    def _keep_lease(self) -> None:
        if time.monotonic() - self.context.claim.lease.renewed < self.context.limits.renew:
            return
        self.retries.side_transaction(lambda _connection: None)  # the fence renews

    def _claim(self) -> None:
        look = Look(self.request, self._at(time.monotonic()), self._free(), self._busy())
        before = self.counts.picked

        def claim(connection: Connection) -> list[list[ClaimedRow]]:
            groups = self.claiming.claim(connection, look)
            self.counts.picked = before + sum(map(len, groups))
            return groups

        try:
            groups = self._claimed(claim)
        except SextonError as error:
            self.counts.picked = before
            self._end(error)
            return
        if groups is None:
            self.counts.picked = before
            return
        self.more = len(groups) >= look.free
        for group in groups:
            self._start(group)

    def _claimed(self, claim: Callable[[Connection], list[list[ClaimedRow]]]) -> list[list[ClaimedRow]] | None:
        """None: it did not go through, and is to be tried again."""
        try:
            return self.retries.commit_once(claim, lock=MAX_BATCH_SECONDS, statement=self.context.limits.statement)
        except DBAPIError as error:
            self.retries.backoff_or_raise(error)
            return None

    def _busy(self) -> Counter[str]:
        """Calls under way to each destination; of several, those that were let go of hold up their own alone."""
        held = () if isinstance(self.rule.destination, str) else self.threads.abandoned
        return Counter(task.destination for task in (*self.threads.tasks, *held))

    def _start(self, group: Sequence[ClaimedRow]) -> None:
        rule, now = self.rule, time.monotonic()
        lost = Unknown("its process ended before the answer came")
        self.late += [Answer(row, lost, now, began=False) for row in group if self._called_no_more(row)]
        group = [row for row in group if not self._called_no_more(row)]
        if not group:
            return
        function = rule.look_up if rule.look_up is not None and group[0].uncertain else rule.function
        ends = min(now + rule.timeout, self.context.deadline)
        end = HardEnd(ends, timeout=rule.timeout, limit=self.context.deadline, ask=self.threads.ring)
        attempts = [
            Attempt(
                row.row,
                row.call_key,
                row.attempts,
                now=self.context.claim.as_of,
                destination=row.destination,
                ends=end,
                uncertain=row.uncertain,
            )
            for row in group
        ]
        self.threads.start(CallTask(group, attempts, function, rule.batch > 1, end))

    def _called_no_more(self, row: ClaimedRow) -> bool:
        """A call for it may have been done, and that is all there will be."""
        if not row.uncertain or self.rule.look_up is not None:
            return False
        return self.rule.on_unknown == "stop" or (self.rule.on_unknown == "once" and row.spent)

    def _arrived(self) -> list[Answer]:
        """Answers to be recorded together: at most one of each row."""
        found: dict[str, Answer] = {}
        late, self.late = self.late, []
        for answer in (*late, *self.threads.answers(MOST_RECORDED)):
            if found.setdefault(answer.claimed.subject, answer) is not answer:
                self.late.append(answer)
        return list(found.values())

    def _let_go(self) -> None:
        """Calls past their hard end: their rows stay claimed until the lease ends, as they may still be done."""
        for task in self.threads.let_go(time.monotonic()):
            missing = task.rows[task.answered :]
            self.recorder.overdue(missing[:1], self._at(time.monotonic()))
            self._count({"overdue": len(missing)})
        if len(self.threads.abandoned) >= 2 * self.rule.concurrency and self.over is None:
            words = f"{len(self.threads.abandoned)} calls went on past {self.rule.timeout:g} s and cannot be ended"
            self._end(JobFailed(f"{self.plan.step}: {words}; give them a limit of their own"), 0.0)

    def _record(self, answers: list[Answer]) -> None:
        if not answers:
            return
        if not self.explained and (error := next((one.error for one in answers if one.error is not None), None)):
            self.explained = failed(self.context, error, message=False)
        self._count_all(self.recorder.record(answers))
        self.counts.call_milliseconds = round(self.threads.seconds * 1000)
        self.more = True  # a thread is free, and whoever was called may take more
        self.context.watch(self.plan.step, self.counts)

    def _count_all(self, recorded: Recorded) -> None:
        self.counts.changed += recorded.done
        self.counts.told += recorded.told
        self._count(recorded.words)

    def _count(self, words: Mapping[str, int]) -> None:
        for word, number in words.items():
            if number:
                self.counts.also[word] = self.counts.also.get(word, 0) + number

    def _say(self) -> None:
        """What history says beside the counts."""
        also, step = self.counts.also, self.plan.step
        if self.explained:
            self.context.notes.append(f"{step}: a call raised {self.explained}")
        for name, why in self.recorder.resting.items():
            self.context.notes.append(f"{step}: {name} rests: {why}")
        if number := also.get(UNRECORDED):
            answers = f"{number:,} answer{'s' * (number != 1)}"
            self.context.left_behind.append(f"{step}: {answers} could not be recorded")
        for state, words in LOUD.items():
            if number := also.get(state.value):
                self.context.left_behind.append(f"{step}: {number:,} row{'s' * (number != 1)} {words}")


def store_of(plan: Plan, columns: CallColumns, job: str, dialect: str) -> ClaimStore:
    """Where claims stand: in the product's row, if that keeps everything, or in table `calls`."""
    return InRow(plan, columns) if columns.whole else InCalls(plan, columns, job, dialect)
