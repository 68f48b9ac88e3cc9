"""Record what calls came to: lock the rows, then their claims; ask again; write. All that has arrived at once.

Fenced by the claim, not by the job's lease: an answer that comes late, for a row that nobody has taken since, is kept.
A row that has moved meanwhile is left alone: whoever moved it wins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, null, select
from sqlalchemy.exc import DBAPIError

from ...call_outcomes import Again, Done
from ...call_state import CallState
from ...calls.claim_store import ClaimStore, chunks, with_keys
from ...calls.claimed_row import ClaimedRow, Verdict, verdict
from ...db.faults import Fault, describe, while_changing
from ...policies.call_rule import CallRule, RecordedCall
from ...policies.contract import Plan
from ...statements.batch_strategy import Request, parameters
from ...statements.strategy_choice import choose
from .call_threads import Answer

STILL = "sexton_still"


@dataclass(slots=True)
class Recorded:
    """What one transaction recorded. words: outcomes and how many of each, "late" among them.

    done: rows that came to their end.  told: facts put on record.
    """

    words: dict[str, int] = field(default_factory=dict)
    done: int = 0
    told: int = 0

    def count(self, word: str, number: int = 1) -> None:
        """So many more."""
        self.words[word] = self.words.get(word, 0) + number

    def add(self, other: Recorded) -> None:
        """Both together."""
        self.done, self.told = self.done + other.done, self.told + other.told
        for word, number in other.words.items():
            self.count(word, number)


class _Now(NamedTuple):
    """A row as it is now. still: it is what was called for.  claim: on it, where that stands in the row."""

    still: bool
    claim: str | None


class Recording:
    """Records for one step."""

    def __init__(self, plan: Plan, rule: CallRule, store: ClaimStore) -> None:
        self.plan, self.rule, self.store = plan, rule, store

    def record(
        self, connection: Connection, answers: Sequence[Answer], request: Request, at: Callable[[Answer], datetime]
    ) -> Recorded:
        """All of it, in the transaction at hand. DBAPIError: nothing of it.

        answers: of different rows.  at: when the call ended, by the run's time.
        """
        recorded = Recorded()
        rows = [answer.claimed for answer in answers]
        there = self._as_they_are(connection, rows, request)
        if self.store.row_claim is None:
            ours = self.store.still_ours(connection, rows)
        else:
            ours = {row.subject for row in rows if row.subject in there and there[row.subject].claim == row.token}
        written: list[tuple[ClaimedRow, Verdict]] = []
        moved: list[Answer] = []
        for answer in answers:
            claimed = answer.claimed
            if claimed.subject not in ours:
                recorded.count("late")
            elif claimed.subject not in there or not there[claimed.subject].still:
                moved.append(answer)
            else:
                written.append((claimed, self._applied(connection, answer, at(answer))))
        self._write(connection, written, request, at(answers[-1]), recorded)
        self._moved(connection, moved, request, at(answers[-1]), recorded)
        return recorded

    def _as_they_are(self, connection: Connection, rows: Sequence[ClaimedRow], request: Request) -> dict[str, _Now]:
        """Locks the rows: by subject, what each is now. Those that are gone are missing."""
        before = {row.key: row for row in rows}
        found: dict[str, _Now] = {}
        claim = null() if self.store.row_claim is None else self.store.row_claim
        for some in chunks(rows):
            asked: Select[Any] = select(
                *self.plan.key,
                self.rule.when.label(STILL),
                claim.label("sexton_claim"),
                *(column.label(f"sexton_was_{number}") for number, column in enumerate(self.rule.unchanged)),
            )
            asked = asked.where(with_keys(connection.dialect.name, self.plan, some)).order_by(*self.plan.key)
            asked = asked.with_for_update(of=self.plan.table)
            width = len(self.plan.key)
            for one in connection.execute(asked, parameters(asked, request)):
                claimed = before[tuple(one[:width])]
                was = [claimed.row._mapping[column.key] for column in self.rule.unchanged]
                found[claimed.subject] = _Now(bool(one[width]) and list(one[width + 2 :]) == was, one[width + 1])
        return found

    def _applied(self, connection: Connection, answer: Answer, at: datetime) -> Verdict:
        """The verdict; `then` is called here, and what it refuses makes one of the call's attempts."""
        outcome = answer.outcome if answer.began else Again(answer.outcome.why, counts=False)
        settled = verdict(self.rule, answer.claimed, outcome, at)
        if settled.then is None:
            return settled
        try:
            with connection.begin_nested():
                settled.then(connection)
        except Exception as error:
            if isinstance(error, DBAPIError) and while_changing(error) is not Fault.POISON:
                raise
            words = describe(error) if isinstance(error, DBAPIError) else type(error).__name__
            return verdict(self.rule, answer.claimed, Again(f"could not be recorded: {words}"), at)
        return settled

    def _write(
        self,
        connection: Connection,
        written: Sequence[tuple[ClaimedRow, Verdict]],
        request: Request,
        at: datetime,
        recorded: Recorded,
    ) -> None:
        if not written:
            return
        self.store.write(connection, written, at)
        for _, settled in written:
            recorded.count(settled.word)
            recorded.done += settled.state is CallState.DONE
        self._forget_done(connection, [row for row, settled in written if settled.state is CallState.DONE], request)
        loud = [row for row, settled in written if settled.state in (CallState.FAILED, CallState.GAVE_UP)]
        if self.rule.tell is not None and loud:
            recorded.told += self._tell(connection, loud, request)
        if self.rule.after_record is not None:
            self.rule.after_record(
                connection,
                [RecordedCall(row.row, row.call_key, one.state, one.attempts, one.closed) for row, one in written],
            )

    def _forget_done(self, connection: Connection, rows: list[ClaimedRow], request: Request) -> None:
        """Done, and no longer what is called for: nothing need be kept. One that still is rests for good."""
        if self.store.row_claim is not None or not rows:
            return
        now = self._as_they_are(connection, rows, request)
        self.store.forget(connection, [row for row in rows if row.subject not in now or not now[row.subject].still])

    def _moved(
        self, connection: Connection, moved: Sequence[Answer], request: Request, at: datetime, recorded: Recorded
    ) -> None:
        """Nothing is written about them, but what the call itself has to say for that case."""
        for answer in moved:
            recorded.count(CallState.MOVED.value)
            if isinstance(answer.outcome, Done) and answer.outcome.if_moved is not None:
                with connection.begin_nested():
                    answer.outcome.if_moved(connection)
        if moved:
            self.store.forget(connection, [answer.claimed for answer in moved])

    def _tell(self, connection: Connection, rows: Sequence[ClaimedRow], request: Request) -> int:
        """Put on record, and write a message, about these rows as they are now."""
        assert self.rule.tell is not None
        telling = replace(
            self.plan,
            due=with_keys(connection.dialect.name, self.plan, rows),
            call=None,
            messages=(self.rule.tell,),
            outbox=self.plan.outbox,
        )
        executor = choose(connection, telling, request, by_row=True).executor
        return executor.execute(connection, replace(request, size=len(rows))).told
