"""A row that is called for, from its claim to its record: what was known, what came of it, what is written."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from ..call_outcomes import Again, CallOutcome, Done, Down, Failed, Gone, Then, Unknown
from ..call_state import CallState
from ..policies.call_rule import CallRule

UNKNOWN_CODE = CallState.UNKNOWN.value

UNCERTAIN = "uncertain"
"""Counts calls that may have been done, and are made again."""


WITHOUT_LIST = timedelta(minutes=1)
"""The rest after a call that was no attempt, where no delay is given at all."""


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """A row that is ours to call for. row: its columns, and ours.  key: values of its key.  subject: the key as text.

    call_key: the stable id.  attempts: this one counted.  uncertain: an earlier one may have been done.
    token: of the claim; whoever has taken the row since has another one.
    spent: the call that was made once more, as an earlier one may have been done, had no answer either.
    """

    row: Row[Any]
    key: tuple[Any, ...]
    subject: str
    call_key: str
    destination: str
    attempts: int
    first_at: datetime
    token: str
    uncertain: bool = False
    spent: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is written about a row after a call. next_at: of a row that waits; None: at once, or never.

    values: of the row itself.  then: more to write.  code: what the call came to, one word; or that an earlier one
    may have been done, if this one has not told.  counted: the word by which it is counted, where that is not `code`.
    theirs: parts of the schedule that a person has changed since the claim, and that stay as they are.
    """

    state: CallState
    code: str
    attempts: int
    next_at: datetime | None = None
    error: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    then: Then | None = None
    counted: str = ""
    theirs: frozenset[str] = frozenset()

    @property
    def closed(self) -> bool:
        """Whether nothing comes after it."""
        return self.state is not CallState.WAITING

    @property
    def word(self) -> str:
        """As it is counted: how the row ended, or what the call came to; one that may have been done is uncertain."""
        if self.closed:
            return self.state.value
        return self.counted or (UNCERTAIN if self.code == UNKNOWN_CODE else self.code)


def code_of(outcome: CallOutcome) -> str:
    """The outcome as one word."""
    return type(outcome).__name__.lower()


def verdict(
    rule: CallRule,
    claimed: ClaimedRow,
    outcome: CallOutcome,
    at: datetime,
    chance: Callable[[], float] = random.random,
) -> Verdict:
    """What follows from the outcome of a call that ended `at`, by the run's time; chance: see `CallDelays.after`."""
    settled = _settled(rule, claimed, outcome, at, chance)
    if claimed.uncertain and not settled.closed and _says_nothing(outcome):
        return replace(settled, code=UNKNOWN_CODE, counted=settled.word)
    return settled


def not_recorded(outcome: CallOutcome, why: str) -> CallOutcome:
    """Instead of an outcome that the database refuses. What was done out there, and is not on record, nobody knows."""
    words = f"could not be recorded: {why}"
    return Unknown(words) if isinstance(outcome, Done | Unknown) else Again(words)


def _says_nothing(outcome: CallOutcome) -> bool:
    """Whether the other side has not said a word about the row: what was uncertain before still is."""
    return isinstance(outcome, Down) or (isinstance(outcome, Again) and (outcome.fault or not outcome.counts))


def _settled(
    rule: CallRule, claimed: ClaimedRow, outcome: CallOutcome, at: datetime, chance: Callable[[], float]
) -> Verdict:
    code = code_of(outcome)
    if isinstance(outcome, Done):
        return Verdict(CallState.DONE, code, claimed.attempts, None, outcome.why or None, outcome.values, outcome.then)
    if isinstance(outcome, Failed | Gone):
        state = CallState.FAILED if isinstance(outcome, Failed) else CallState.GONE
        values = {**rule.endings.get(state, {}), **outcome.values}
        return Verdict(state, code, claimed.attempts, None, outcome.why or None, values, outcome.then)
    if isinstance(outcome, Down) and outcome.last:
        return _ended(rule, CallState.GAVE_UP, code, claimed, outcome.why)
    if isinstance(outcome, Down) and outcome.counts:
        return _again(rule, claimed, Again(outcome.why, outcome.after), at, chance, code=code)
    if isinstance(outcome, Down):
        return Verdict(CallState.WAITING, code, claimed.attempts - 1, None, outcome.why or None)
    if isinstance(outcome, Unknown):
        return _unknown(rule, claimed, outcome, at, chance)
    again = _again(rule, claimed, outcome, at, chance)
    return replace(again, values={**again.values, **outcome.values}, then=outcome.then)


def _unknown(
    rule: CallRule, claimed: ClaimedRow, outcome: Unknown, at: datetime, chance: Callable[[], float]
) -> Verdict:
    stops = rule.on_unknown == "stop" or (rule.on_unknown == "once" and claimed.uncertain)
    if stops and rule.look_up is None:
        return _ended(rule, CallState.UNKNOWN, UNKNOWN_CODE, claimed, outcome.why)
    return _again(rule, claimed, Again(outcome.why), at, chance, code=UNKNOWN_CODE)


def _again(
    rule: CallRule, claimed: ClaimedRow, outcome: Again, at: datetime, chance: Callable[[], float], code: str = ""
) -> Verdict:
    code = code or code_of(outcome)
    attempts = claimed.attempts if outcome.counts else claimed.attempts - 1
    end = None if rule.horizon is None else claimed.first_at + rule.horizon
    rest = rule.delays.after(max(attempts, 1), outcome.after, chance)
    if outcome.counts and (rest is None or (end is not None and at >= end)):
        return _ended(rule, CallState.GAVE_UP, code, claimed, outcome.why)
    if rest is None:  # no attempt, so it goes on, with the last delay there is
        rest = rule.delays.listed[-1] if rule.delays.listed else WITHOUT_LIST
    next_at = at + rest
    if end is not None and at < end < next_at:
        next_at = end  # one last call, and then no more
    return Verdict(CallState.WAITING, code, attempts, next_at, outcome.why or None)


def _ended(rule: CallRule, state: CallState, code: str, claimed: ClaimedRow, why: str) -> Verdict:
    return Verdict(state, code, claimed.attempts, None, why or None, rule.endings.get(state, {}))
