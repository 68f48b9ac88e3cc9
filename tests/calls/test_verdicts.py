"""What follows from an outcome, against a plain model; and the delays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Row, literal

from sexton import Again, CallOutcome, Done, Down, Failed, Gone, PolicyError, Unknown
from sexton.call_state import CallState
from sexton.calls.claimed_row import ClaimedRow, Verdict, verdict
from sexton.policies.call_rule import CallDelays, CallRule
from tests.support.payments import DAY, HOUR
from tests.support.sessions import NOON

SECOND = timedelta(seconds=1)


def delays(written: Any, *, jitter: float = 0.0, repeats: bool = False) -> CallDelays:
    return CallDelays.parse(written, jitter, "retry", repeats=repeats)


def rests(what: CallDelays, attempts: int, **options: Any) -> list[float | None]:
    """Seconds after each attempt."""
    found = [what.after(number, **options) for number in range(1, attempts + 1)]
    return [None if one is None else one.total_seconds() for one in found]


def test_a_list_is_exact_and_ends() -> None:
    assert rests(delays(["1h", "6h", "24h"]), 5) == [3600, 21600, 86400, None, None]


def test_the_last_of_a_list_repeats_where_there_is_a_horizon() -> None:
    assert rests(delays(["1h", "6h"], repeats=True), 4) == [3600, 21600, 21600, 21600]


def test_doubled_delays_stop_at_their_cap_and_never_overflow() -> None:
    doubled = delays("30s*2^n<=1h")

    assert rests(doubled, 9) == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert doubled.after(10**6) == HOUR


@pytest.mark.parametrize("written", ["30s*2^n<=", "30s", "30s*3^n", "2^n", ""])
def test_what_is_no_list_is_refused_with_what_would_be(written: str) -> None:
    with pytest.raises(PolicyError, match=r'write \["1m", "5m"\], or "30s\*2\^n<=1h"'):
        delays(written)


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 3240), (0.5, 3600), (1.0, 3960)])
def test_jitter_is_a_share_on_both_sides(chance: float, seconds: float) -> None:
    assert rests(delays(["1h"], jitter=0.1), 1, chance=lambda: chance) == [seconds]


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        *((None, 60), (0, 60), (30, 60), (float("nan"), 60), (-1e300, 60)),
        *((90, 90), (86_401, 86_400), (1e14, 86_400), (float("inf"), 86_400)),
    ],
)
def test_g6_what_is_asked_for_counts_within_a_day(asked: float | None, seconds: float) -> None:
    assert rests(delays(["1m"]), 1, asked=asked) == [seconds]


LISTS: tuple[list[str], ...] = (["1m"], ["1h", "6h"], ["1h", "6h", "24h"], [])
"""Delays that examples draw from; all in hours, so that a model can be read by eye."""


@dataclass(frozen=True)
class Situation:
    """One call: what is written in the policy, what is known of the row, when it ended, what it came to."""

    listed: list[str]
    horizon: timedelta | None
    on_unknown: str
    looks_up: bool
    attempts: int
    age: timedelta
    uncertain: bool
    outcome: CallOutcome


OUTCOMES = st.one_of(
    st.builds(Done),
    st.builds(Again, after=st.none() | st.floats(), counts=st.booleans(), fault=st.booleans()),
    st.builds(Failed),
    st.builds(Gone),
    st.builds(Unknown),
    st.builds(Down, after=st.none() | st.floats(), last=st.booleans()),
)

SITUATIONS = st.builds(
    Situation,
    listed=st.sampled_from(LISTS),
    horizon=st.none() | st.sampled_from([HOUR, 30 * HOUR, 7 * DAY]),
    on_unknown=st.sampled_from(["again", "once", "stop"]),
    looks_up=st.booleans(),
    attempts=st.integers(1, 6),
    age=st.integers(0, 200).map(lambda hours: hours * HOUR),
    uncertain=st.booleans(),
    outcome=OUTCOMES,
)


def judged(situation: Situation) -> Verdict:
    rule = CallRule(
        function=cast(Any, None),
        key=literal("key"),
        when=literal(True),
        destination="gateway",
        delays=delays(situation.listed, repeats=situation.horizon is not None),
        timeout=10.0,
        horizon=situation.horizon,
        on_unknown=situation.on_unknown,
        look_up=cast(Any, print) if situation.looks_up else None,
    )
    row = ClaimedRow(
        row=cast(Row[Any], None),
        key=(1,),
        subject="1",
        call_key="key",
        destination="gateway",
        attempts=situation.attempts,
        first_at=NOON - situation.age,
        token="token",
        uncertain=situation.uncertain,
    )
    return verdict(rule, row, situation.outcome, NOON, lambda: 0.5)


def expected_state(one: Situation) -> CallState:
    """In plain words."""
    outcome = one.outcome
    if isinstance(outcome, Done | Failed | Gone):
        return {Done: CallState.DONE, Failed: CallState.FAILED, Gone: CallState.GONE}[type(outcome)]
    if isinstance(outcome, Down) or (isinstance(outcome, Again) and not outcome.counts):
        return CallState.GAVE_UP if isinstance(outcome, Down) and outcome.last else CallState.WAITING
    if isinstance(outcome, Unknown) and not one.looks_up:
        stops = {"again": False, "once": one.uncertain, "stop": True}
        if stops[one.on_unknown]:
            return CallState.UNKNOWN
    over = one.attempts > len(one.listed)
    if one.horizon is not None:
        over = one.age >= one.horizon or not one.listed
    return CallState.GAVE_UP if over else CallState.WAITING


@given(SITUATIONS)
@example(Situation([], None, "again", False, 1, HOUR, False, Again(counts=False)))
@example(Situation(["1h"], HOUR, "again", False, 1, 0 * HOUR, True, Again(after=1e308)))
def test_verdicts_are_those_of_the_model(one: Situation) -> None:
    found = judged(one)

    untouched = isinstance(one.outcome, Down) or (isinstance(one.outcome, Again) and not one.outcome.counts)
    given_back = untouched and not found.closed
    assert found.state is expected_state(one)
    assert found.attempts == one.attempts - given_back
    if found.closed:
        assert found.next_at is None
    elif isinstance(one.outcome, Down):
        assert found.next_at is None  # at once, as soon as the destination is back
    else:
        assert_waits(one, found.next_at)


def assert_waits(one: Situation, next_at: datetime | None) -> None:
    """Never sooner than now, never later than a day, and one last call at the horizon."""
    assert next_at is not None
    end = None if one.horizon is None else NOON - one.age + one.horizon
    assert NOON < next_at <= NOON + DAY
    if end is not None and end > NOON:
        assert next_at <= end


@given(SITUATIONS)
def test_a_call_that_may_have_been_done_stays_uncertain_until_somebody_has_answered(one: Situation) -> None:
    found = judged(one)

    outcome = one.outcome
    silent = isinstance(outcome, Down) or (isinstance(outcome, Again) and (outcome.fault or not outcome.counts))
    if not found.closed:
        assert (found.code == "unknown") == (isinstance(outcome, Unknown) or (silent and one.uncertain))
