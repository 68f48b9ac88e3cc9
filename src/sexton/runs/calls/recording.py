"""Record what calls came to: lock the rows, then their claims; ask again; write. All that has arrived at once.

Fenced by the claim, not by the job's lease: an answer that comes late, for a row that nobody has taken since, is kept.
A row that has moved meanwhile is left alone: whoever moved it wins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Select, null, select
from sqlalchemy.exc import DBAPIError

from ...call_outcomes import Again, Done, Then, Unknown
from ...call_state import CallState
from ...calls.claim_store import ClaimStore, chunks, with_keys
from ...calls.claimed_row import ClaimedRow, Verdict, code_of, not_recorded, verdict
from ...db.faults import Fault, describe, while_changing
from ...policies.call_rule import CallColumns, CallRule, RecordedCall
from ...policies.contract import Plan
from ...statements.batch_strategy import Request, parameters
from ...statements.strategy_choice import choose
from .call_threads import Answer

STILL_DUE = "sexton_still"

UNRECORDED = "unrecorded"
"""Counts calls that were made, and of which nothing could be written."""

SCHEDULE = frozenset(("attempts", "next_at", "error", "status"))
"""Parts of a row's schedule, by their names in `CallColumns`."""

NOTHING: frozenset[str] = frozenset()
"""No part of it, as of nearly all rows."""


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


@dataclass(frozen=True, slots=True)
class _Standing:
    """A row when it is recorded. still: it is what was called for.  status: what its column for it says, if any.

    theirs: parts of its schedule that somebody has changed since the claim.  claim: on it, where that stands in it.
    """

    still: bool
    status: Any
    theirs: frozenset[str]
    claim: str | None = None


def _standing(
    claimed: ClaimedRow, own: CallColumns, found: Sequence[Any], read: Sequence[Column[Any]], unchanged: int
) -> _Standing:
    """found: whether it is still called for, the claim, and values of the columns read: those that must be unchanged,
    so many; then of the schedule."""
    was = claimed.row._mapping
    still, claim, *values = found
    still = bool(still) and all(
        now == was[column.key] for column, now in zip(read[:unchanged], values[:unchanged], strict=True)
    )
    theirs, status = NOTHING, None
    for column, now in zip(read[unchanged:], values[unchanged:], strict=True):
        if column is own.attempts and now != claimed.attempts:
            theirs |= {"attempts"}
        elif column is own.next_at and now != was[column.key]:
            theirs |= {"next_at"}
        elif column is own.status:
            status = now
    return _Standing(still, status, theirs, claim)


def _refused(connection: Connection, then: Then) -> str | None:
    """Write what belongs to the record; why that cannot be, in words without secrets. DBAPIError: try all again."""
    try:
        with connection.begin_nested():
            then(connection)
    except Exception as error:
        if not isinstance(error, DBAPIError):
            return type(error).__name__
        if while_changing(error) is not Fault.POISON:
            raise
        return describe(error)
    return None


class Recording:
    """Records for one step."""

    def __init__(self, plan: Plan, rule: CallRule, store: ClaimStore) -> None:
        self.plan, self.rule, self.store = plan, rule, store

    def record(
        self, connection: Connection, answers: Sequence[Answer], request: Request, at: Callable[[Answer], datetime]
    ) -> Recorded:
        """All of it, in the transaction at hand. Whatever it raises: nothing of it.

        answers: of different rows.  at: when the call ended, by the run's time.
        """
        recorded = Recorded()
        rows = [answer.claimed for answer in answers]
        there = self._as_they_are(connection, rows, request)
        ours = self._ours(connection, rows, there)
        written: list[tuple[ClaimedRow, Verdict]] = []
        moved: list[Answer] = []
        for answer in answers:
            claimed = answer.claimed
            standing = there.get(claimed.subject)
            if claimed.subject not in ours:
                recorded.count("late")
            elif standing is None or not standing.still or standing.status not in (None, CallState.CLAIMED):
                moved.append(answer)
            else:
                settled = self._applied(connection, answer, at(answer))
                settled = replace(settled, theirs=standing.theirs) if standing.theirs else settled
                written.append((claimed, settled))
        self._write(connection, written, request, at(answers[-1]), recorded)
        self._moved(connection, moved, at(answers[-1]), recorded)
        return recorded

    def _ours(
        self, connection: Connection, rows: Sequence[ClaimedRow], there: Mapping[str, _Standing]
    ) -> Collection[str]:
        """The subjects that nobody else has taken. A row that is there no more was taken by nobody."""
        if self.store.row_claim is None:
            return self.store.still_ours(connection, rows)
        return [row.subject for row in rows if row.subject not in there or there[row.subject].claim == row.token]

    def _as_they_are(
        self, connection: Connection, rows: Sequence[ClaimedRow], request: Request
    ) -> dict[str, _Standing]:
        """Locks the rows: by subject, how each stands now. Those that are gone are missing."""
        before = {row.key: row for row in rows}
        found: dict[str, _Standing] = {}
        own = self.rule.state or CallColumns()
        schedule = [column for column in (own.attempts, own.next_at, own.status) if column is not None]
        read = [*self.rule.unchanged, *schedule]
        claim = null() if self.store.row_claim is None else self.store.row_claim
        for some in chunks(rows):
            asked: Select[Any] = select(
                *self.plan.key,
                self.rule.when.label(STILL_DUE),
                claim.label("sexton_claim"),
                *(column.label(f"sexton_now_{number}") for number, column in enumerate(read)),
            )
            asked = asked.where(with_keys(connection.dialect.name, self.plan, some)).order_by(*self.plan.key)
            asked = asked.with_for_update(of=self.plan.table)
            width = len(self.plan.key)
            for one in connection.execute(asked, parameters(asked, request)):
                claimed = before[tuple(one[:width])]
                found[claimed.subject] = _standing(claimed, own, one[width:], read, len(self.rule.unchanged))
        return found

    def _applied(self, connection: Connection, answer: Answer, at: datetime) -> Verdict:
        """The verdict; `then` is called here, and what it refuses makes one of the call's attempts."""
        outcome = answer.outcome
        if not answer.began and not isinstance(outcome, Unknown):
            outcome = Again(outcome.why, counts=False)
        settled = verdict(self.rule, answer.claimed, outcome, at)
        refused = None if settled.then is None else _refused(connection, settled.then)
        return settled if refused is None else verdict(self.rule, answer.claimed, not_recorded(outcome, refused), at)

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
                [RecordedCall(row.row, row.call_key, one.state, one.attempts, one.closed, at) for row, one in written],
            )

    def _forget_done(self, connection: Connection, rows: list[ClaimedRow], request: Request) -> None:
        """Done, and no longer what is called for: nothing need be kept. One that still is rests for good."""
        if self.store.row_claim is not None or not rows:
            return
        now = self._as_they_are(connection, rows, request)
        over = [row for row in rows if row.subject not in now or not now[row.subject].still]
        self.store.forget(connection, over)

    def _moved(self, connection: Connection, moved: Sequence[Answer], at: datetime, recorded: Recorded) -> None:
        """Nothing is written about them, but what the call itself has to say for that case."""
        for answer in moved:
            recorded.count(CallState.MOVED.value)
            outcome, claimed = answer.outcome, answer.claimed
            refused = None
            if isinstance(outcome, Done) and outcome.if_moved is not None:
                refused = _refused(connection, outcome.if_moved)
            if refused is None or self.store.row_claim is not None:
                self.store.forget(connection, [claimed])
            else:
                error = f"it had moved, and that could not be recorded: {refused}"
                kept = Verdict(CallState.MOVED, code_of(outcome), claimed.attempts, error=error, theirs=SCHEDULE)
                self.store.write(connection, [(claimed, kept)], at)
            if refused is not None:
                recorded.count(UNRECORDED)

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
