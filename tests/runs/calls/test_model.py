"""Rows, outcomes, a clock and crashes at random, against a model in plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from sexton import Again, Attempt, CallOutcome, Done, Down, Failed, Unknown
from sexton.db.tables import own_tables
from sexton.runs.calls.call_threads import CallThreads
from tests.support.payments import KEPT, PAID, Payments, make_payments
from tests.support.sessions import NOON

pytestmark = pytest.mark.slow

ROWS = (1, 2, 3)
LISTED = (1, 6, 6)
"""Hours; the horizon lies at half an hour, where no delay ends."""
HORIZON = 20.5

OUTCOMES: dict[str, CallOutcome] = {
    "done": Done(PAID),
    "again": Again("not yet"),
    "not counted": Again("not yet", counts=False),
    "failed": Failed("never"),
    "unknown": Unknown("cut"),
    "down": Down("refused"),
}


@dataclass
class Modelled:
    """One row as it should be. Times in hours."""

    state: str | None = None
    attempts: int = 0
    next_at: float | None = None
    first_at: float | None = None
    doubted: bool = False

    def due(self, now: float) -> bool:
        """Delays count from the end of a call, a little after the time of its run: what ends exactly now is not due."""
        if self.state == "claimed":
            return True
        return self.state in (None, "waiting") and (self.next_at is None or self.next_at < now)

    def claim(self, now: float) -> bool:
        """A claim; whether the call is made at all is up to `record`. Whether an earlier one is in doubt."""
        lost = self.state == "claimed"
        uncertain = lost or self.doubted
        self.first_at = now if self.first_at is None else self.first_at
        self.attempts += 1
        self.doubted = self.doubted or lost
        self.state = "claimed"
        return uncertain

    def record(self, now: float, outcome: str, uncertain: bool, once: bool, horizon: bool) -> None:
        """What follows."""
        assert self.first_at is not None
        number = self.attempts
        doubted = outcome == "unknown" or (uncertain and outcome in ("down", "not counted"))
        if outcome in ("down", "not counted"):
            self.attempts -= 1
        if outcome in ("done", "failed"):
            self.state = outcome
            return
        if outcome == "unknown" and once and uncertain:
            self.state = "unknown"
            return
        self.doubted = doubted
        if outcome == "down":
            self.state, self.next_at = "waiting", None
            return
        place = max(self.attempts, 1) - 1
        over = now >= self.first_at + HORIZON if horizon else number > len(LISTED)
        if over and outcome != "not counted":
            self.state = "gave_up"
            return
        end = self.first_at + HORIZON
        self.state, self.next_at = "waiting", now + LISTED[min(place, len(LISTED) - 1)]
        if horizon and now < end < self.next_at:
            self.next_at = end


class Crash(BaseException):
    """In place of kill -9: the claim is committed, and nothing follows."""


@contextmanager
def crashing() -> Iterator[None]:
    """Calls do not begin any more."""

    def die(*_: Any) -> None:
        raise Crash

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CallThreads, "start", die)
        yield


STEPS = st.lists(
    st.tuples(
        st.sampled_from([2, 7, 13]),
        st.booleans(),
        st.tuples(*[st.sampled_from(sorted(OUTCOMES)) for _ in ROWS]),
    ),
    min_size=1,
    max_size=9,
)


@pytest.mark.parametrize("kept", KEPT)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS, once=st.booleans(), horizon=st.booleans())
def test_calls_are_as_the_model_says(engine: Engine, kept: str, steps: Any, once: bool, horizon: bool) -> None:
    """A crash leaves the first row that is due claimed; its destination is its own, so nobody else rests with it."""
    shop = emptied(engine, kept)
    for number in ROWS:
        shop.add(1, start=number, shop=f"shop {number}")
    rows = {number: Modelled() for number in ROWS}
    options: dict[str, Any] = {
        "destination": shop.table.c.shop,
        "concurrency": 1,
        "retry": [f"{hours}h" for hours in LISTED],
        "on_unknown": "once" if once else "again",
        "give_up_after": "20h30m" if horizon else None,
    }
    now = 0.0

    for hours, crash, outcomes in steps:
        now += hours
        made: list[tuple[int, int, bool]] = []

        def call(attempt: Attempt, made: Any = made, outcomes: Any = outcomes) -> CallOutcome:
            made.append((attempt.row.id, attempt.number, attempt.uncertain))
            return OUTCOMES[outcomes[attempt.row.id - 1]]

        if crash:
            with crashing():
                shop.run(call, at=NOON + timedelta(hours=now), **options)
            shop.let_claims_end()
        else:
            shop.run(call, at=NOON + timedelta(hours=now), **options)
        expected = expect(rows, now, crash, outcomes, once, horizon)

        assert sorted(made) == expected
        assert {number: seen(shop, number) for number in ROWS} == {
            number: (row.state, None if row.state == "done" else row.attempts) for number, row in rows.items()
        }


def expect(
    rows: dict[int, Modelled], now: float, crash: bool, outcomes: tuple[str, ...], once: bool, horizon: bool
) -> list[tuple[int, int, bool]]:
    """Move the model on; the calls that should have been made."""
    made = []
    for number, row in rows.items():
        if not row.due(now):
            continue
        spent = row.state == "claimed" and row.doubted
        uncertain = row.claim(now)
        if once and spent:
            row.state = "unknown"  # nobody calls for it once more
            continue
        if crash:
            break
        made.append((number, row.attempts, uncertain))
        row.record(now, outcomes[number - 1], uncertain, once, horizon)
    return made


def seen(shop: Payments, number: int) -> tuple[str | None, int | None]:
    """State and attempts as they are kept; of one that is done nothing need be kept."""
    kept = shop.of(number)
    if kept.state == "done" or (kept.state is None and shop.row(number).status == "paid"):
        return "done", None
    return kept.state, kept.attempts


def emptied(engine: Engine, kept: str) -> Payments:
    """The table, and all that is kept of an example before, anew."""
    shop = make_payments(engine, kept)
    own = own_tables(engine.dialect.name)
    with engine.begin() as connection:
        for table in (shop.table, own.calls, own.destinations):
            connection.execute(delete(table))
    return shop
