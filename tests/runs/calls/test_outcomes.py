"""What each outcome does to its row: the state that follows, the attempts, the delay; whoever keeps them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from sexton import Again, Done, Down, Failed, Gone, Unknown
from tests.support.payments import DAY, HOUR, MINUTE, PAID, Payments, Script
from tests.support.sessions import NOON

SLACK = timedelta(minutes=3)
"""What a run may take on a busy machine; delays in these tests are longer."""


def assert_about(instant: datetime | None, expected: datetime) -> None:
    """A delay counts from the end of the attempt, which is a little after the beginning of the run."""
    assert instant is not None
    assert expected <= instant <= expected + SLACK


def test_done_writes_its_values_and_leaves_nothing_behind(shop: Payments) -> None:
    shop.add(5)
    gateway = Script()

    run = shop.run(gateway)

    assert (run.state, run.total.picked, run.total.changed) == ("succeeded", 5, 5)
    assert set(shop.statuses().values()) == {"paid"}
    assert sorted(gateway.made) == [(one, f"payment:{one}", 1) for one in range(1, 6)]
    assert shop.rows_of_calls() == {}
    assert shop.claimed() == 0


def test_done_while_when_stays_true_rests_for_good(shop: Payments) -> None:
    shop.add(1)
    gateway = Script(otherwise=Done())

    shop.run(gateway)
    shop.run(gateway, at=NOON + 30 * DAY)

    assert gateway.made == [(1, "payment:1", 1)]
    assert shop.of(1).state == "done"


def test_again_waits_for_the_list_and_keeps_its_key(shop: Payments) -> None:
    shop.add(1)
    gateway = Script({1: [Again("not yet")]})

    shop.run(gateway, retry=["1h", "6h"])
    first = shop.of(1)
    shop.run(gateway, at=NOON + 59 * MINUTE, retry=["1h", "6h"])
    shop.run(gateway, at=NOON + 64 * MINUTE, retry=["1h", "6h"])
    second = shop.of(1)
    last = shop.run(gateway, at=NOON + 8 * HOUR, retry=["1h", "6h"])

    assert gateway.made == [(1, "payment:1", 1), (1, "payment:1", 2), (1, "payment:1", 3)]
    assert (first.state, first.attempts, first.error) == ("waiting", 1, "not yet")
    assert_about(first.next_at, NOON + HOUR)
    assert_about(second.next_at, NOON + 64 * MINUTE + 6 * HOUR)
    assert (shop.of(1).state, shop.of(1).attempts) == ("gave_up", 3)
    assert last.state == "partial"
    assert "1 row given up" in (last.note or "")


def test_a_horizon_gives_one_last_call_and_then_up(shop: Payments) -> None:
    shop.add(1)
    gateway = Script({1: [Again("not yet")]})
    options: dict[str, Any] = {"retry": ["1h", "1d"], "give_up_after": "30h", "gave_up": {"status": "needs_review"}}
    seen = []

    for hours in (0, 2, 27, 29, 31, 60):
        shop.run(gateway, at=NOON + hours * HOUR, **options)
        seen.append((len(gateway.made), shop.statuses()[1]))

    # 0 h and 2 h by the list, 27 h by its last delay, which repeats; 30 h is the horizon.
    assert seen == [
        (1, "pending"),
        (2, "pending"),
        (3, "pending"),
        (3, "pending"),
        (4, "needs_review"),
        (4, "needs_review"),
    ]
    assert shop.of(1).state in ("gave_up", None)


def test_down_gives_the_attempt_back_and_never_gives_up(shop: Payments) -> None:
    """G5: the row is as it was but for the attempt that was given back, however long the other side is away."""
    shop.add(1)
    gateway = Script({1: [Down("refused")] * 9 + [Done(PAID)]})
    options: dict[str, Any] = {"retry": ["1h"], "give_up_after": "2h"}

    for days in range(9):
        run = shop.run(gateway, at=NOON + days * DAY, **options)
        assert (run.state, shop.of(1).state, shop.of(1).attempts) == ("succeeded", "waiting", 0)
        assert ("rests: refused" in (run.note or "")) == (days == 0)  # one incident, however long it lasts
    shop.run(gateway, at=NOON + 10 * DAY, **options)

    assert gateway.made == [(1, "payment:1", 1)] * 10
    assert shop.statuses() == {1: "paid"}


def test_after_a_rest_past_the_horizon_there_is_one_call_before_it_is_given_up(shop: Payments) -> None:
    shop.add(1)
    gateway = Script({1: [Down("refused"), Again("not yet")]})
    options: dict[str, Any] = {"retry": ["1h"], "give_up_after": "2h"}

    shop.run(gateway, **options)
    shop.run(gateway, at=NOON + DAY, **options)

    assert [one[0] for one in gateway.made] == [1, 1]
    assert shop.of(1).state == "gave_up"


def test_who_is_down_is_called_once_and_the_others_keep_their_attempts(shop: Payments) -> None:
    """G1: refused by the gateway as a whole: no row loses an attempt, and nobody storms it."""
    shop.add(20)
    gateway = Script(otherwise=Down("refused"))

    run = shop.run(gateway, concurrency=1)

    assert len(gateway.made) == 1
    assert {shop.of(one).attempts for one in range(1, 21)} == {0}
    assert run.total.also == {"down": 1}
    assert shop.claimed() == 0


@pytest.mark.parametrize(("outcome", "state"), [(Failed("wrong currency"), "failed"), (Gone("closed"), "gone")])
def test_final_outcomes_are_final(shop: Payments, outcome: Failed | Gone, state: str) -> None:
    shop.add(1)
    gateway = Script(otherwise=outcome)

    endings: dict[str, Any] = {state: {"amount": 0}}
    shop.run(gateway, **endings)
    shop.run(gateway, at=NOON + 30 * DAY)

    assert gateway.made == [(1, "payment:1", 1)]
    assert (shop.of(1).state, shop.of(1).attempts, shop.of(1).error) == (state, 1, outcome.why)
    assert shop.row(1).amount == 0


def test_again_that_does_not_count_leaves_the_attempts_alone(shop: Payments) -> None:
    """Waiting for somebody else eats no attempt (oban#476)."""
    shop.add(1)
    gateway = Script({1: [Again("a dependency", counts=False)]})

    for hours in range(0, 20, 2):
        shop.run(gateway, at=NOON + hours * HOUR, retry=["1h"])

    assert gateway.made == [(1, "payment:1", 1)] * 10
    assert (shop.of(1).state, shop.of(1).attempts) == ("waiting", 0)


def test_unknown_is_called_again_with_the_same_key_and_knows_that_it_is_uncertain(shop: Payments) -> None:
    shop.add(1)
    gateway = Script({1: [Unknown("cut"), Done(PAID)]})

    first = shop.run(gateway, retry=["1h"])
    shop.run(gateway, at=NOON + 2 * HOUR, retry=["1h"])

    assert gateway.made == [(1, "payment:1", 1), (1, "payment:1", 2)]
    assert gateway.uncertain == [1]
    assert first.total.also == {"uncertain": 1}


def test_unknown_with_once_is_called_one_more_time(shop: Payments) -> None:
    shop.add(1)
    gateway = Script(otherwise=Unknown("cut"))
    options: dict[str, Any] = {"retry": ["1h", "1h", "1h"], "on_unknown": "once", "unknown": {"status": "needs_review"}}

    for hours in (0, 2, 4, 6):
        shop.run(gateway, at=NOON + hours * HOUR, **options)

    assert len(gateway.made) == 2
    assert shop.statuses() == {1: "needs_review"}


def test_unknown_with_stop_is_for_a_person(shop: Payments) -> None:
    shop.add(1)
    gateway = Script(otherwise=Unknown("cut"))

    run = shop.run(gateway, on_unknown="stop")
    shop.run(gateway, at=NOON + DAY, on_unknown="stop")

    assert len(gateway.made) == 1
    assert shop.of(1).state == "unknown"
    assert run.state == "partial"


def test_a_claim_that_ended_without_a_word_is_unknown_with_stop(shop: Payments) -> None:
    shop.add(1)
    shop.run(Script(otherwise=Unknown("cut")), retry=["1h"])  # as if its process had died: the next one is told so
    gateway, look_up = Script(), Script(otherwise=Done(PAID))

    shop.run(gateway, at=NOON + 2 * HOUR, on_unknown="stop", look_up=look_up, retry=["1h"])

    assert (gateway.made, look_up.made) == ([], [(1, "payment:1", 2)])
    assert shop.statuses() == {1: "paid"}


def test_looking_up_goes_on_until_somebody_has_answered(shop: Payments) -> None:
    """A charge is not made a second time because the question about the first one came to nothing."""
    shop.add(1)
    gateway = Script({1: [Unknown("cut"), Done(PAID)]})
    nothing = [Down("refused"), Again("503", fault=True), RuntimeError("a bug"), Unknown("cut")]
    look_up = Script({1: [*nothing, Again("it was not made")]})

    for days in range(7):
        shop.run(gateway, at=NOON + days * DAY, look_up=look_up, on_unknown="stop", retry=["1h"], give_up_after="30d")

    assert len(look_up.made) == 5
    assert len(gateway.made) == 2
    assert shop.statuses() == {1: "paid"}


def test_what_the_other_side_asks_for_counts_up_to_a_day(shop: Payments) -> None:
    """G6: Retry-After of an hour, of years, of nonsense."""
    asked = {1: 7200.0, 2: 1e14, 3: float("inf"), 4: float("nan"), 5: -5.0, 6: 1.0}
    shop.add(len(asked))

    shop.run(Script({one: [Again("busy", after=after)] for one, after in asked.items()}), retry=["1h"])

    expected = {1: 2 * HOUR, 2: DAY, 3: DAY, 4: HOUR, 5: HOUR, 6: HOUR}
    for one, delay in expected.items():
        assert_about(shop.of(one).next_at, NOON + delay)
