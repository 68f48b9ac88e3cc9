"""Budgets: never more than N calls in any W, however many processes ask."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Barrier, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text, update

from sexton.calls.budgets import MOST_INSTANTS, free_permits, next_permit, permits
from sexton.db.tables import own_tables
from sexton.policies.call import parse_rate
from sexton.policies.call_rule import Rate
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON


def taken(engine: Engine, wanted: int, *rates: str, after: float = 0, name: str = "gateway") -> int:
    """Ask for permits `after` seconds past noon, in a transaction of its own."""
    with engine.begin() as connection:
        at = NOON + timedelta(seconds=after)
        return permits(connection, name, [parse_rate(rate) for rate in rates], wanted, at)


def seconds_until_next(engine: Engine, *rates: str, after: float = 0, name: str = "gateway") -> float:
    """When one more may begin, in seconds past noon."""
    with engine.begin() as connection:
        at = NOON + timedelta(seconds=after)
        return (next_permit(connection, name, [parse_rate(rate) for rate in rates], at) - NOON).total_seconds()


def test_the_whole_budget_may_begin_at_once_and_again_when_its_time_is_over(engine: Engine) -> None:
    """Trap 5 of `outside`: one row decides for all, not one for each worker."""
    given = [taken(engine, 30, "20/10m", after=after) for after in (0, 300, 599.999, 600)]

    assert given == [20, 0, 0, 20]


def test_what_was_taken_bit_by_bit_comes_back_bit_by_bit(engine: Engine) -> None:
    given = [taken(engine, wanted, "5/1m", after=after) for wanted, after in ((2, 0), (2, 20), (9, 40), (9, 59))]
    later = [taken(engine, 9, "5/1m", after=after) for after in (60, 79, 80, 99, 100)]

    assert given == [2, 2, 1, 0]
    assert later == [2, 0, 2, 0, 1]


def test_a_minute_and_an_hour_hold_together(engine: Engine) -> None:
    """What one of the two refuses is not taken from the other either. (M5)"""
    given = [taken(engine, 10, "3/1m", "5/1h", after=after) for after in (0, 30, 60, 120, 3599, 3600, 3660)]

    assert given == [3, 0, 2, 0, 0, 3, 2]


def test_of_two_rates_for_the_same_time_the_lower_one_holds(engine: Engine) -> None:
    assert taken(engine, 10, "7/1m", "4/60s") == 4


@pytest.mark.parametrize(("after", "next_at"), [(0, 60), (59, 60), (60, 60), (75, 75)])
def test_when_the_next_call_may_begin(after: float, next_at: float, engine: Engine) -> None:
    taken(engine, 2, "2/1m")

    assert seconds_until_next(engine, "2/1m", after=after) == next_at


def test_the_next_call_waits_for_the_slowest_of_several_rates(engine: Engine) -> None:
    taken(engine, 2, "2/1m", "3/1h")
    assert seconds_until_next(engine, "2/1m", "3/1h", after=10) == 60
    taken(engine, 1, "2/1m", "3/1h", after=70)

    assert seconds_until_next(engine, "2/1m", "3/1h", after=80) == 3600


def test_a_budget_that_nobody_has_used_is_whole(engine: Engine) -> None:
    assert seconds_until_next(engine, "2/1m", after=5) == 5
    assert taken(engine, 5) == 5
    assert taken(engine, 0, "2/1m") == 0
    assert taken(engine, 2, "2/1m", name="one") == taken(engine, 2, "2/1m", name="two") == 2


def test_permits_that_were_not_committed_were_not_taken(engine: Engine) -> None:
    with engine.connect() as connection:
        assert permits(connection, "gateway", [parse_rate("2/1m")], 2, NOON) == 2
        connection.rollback()

    assert taken(engine, 2, "2/1m") == 2


def test_another_number_counts_what_was_begun_under_the_old_one(engine: Engine) -> None:
    taken(engine, 3, "5/1m")

    assert taken(engine, 9, "2/1m") == 0
    assert taken(engine, 9, "10/1m") == 7


@pytest.mark.parametrize("back", [1, 59, 61, 3600, 366 * 86400])
def test_a_clock_that_is_set_back_gives_no_permit_twice_and_does_not_shut_for_ever(back: float, engine: Engine) -> None:
    """L12: at worst the time it was set back by, and no more than two lengths, are waited for."""
    taken(engine, 2, "2/1m", after=0)

    wait = min(back, 60) + 60
    assert [taken(engine, 2, "2/1m", after=after - back) for after in (0, 30)] == [0, 0]
    assert taken(engine, 2, "2/1m", after=wait - back) == 2


def test_a_clock_that_stands_a_little_behind_counts_from_the_later_time(engine: Engine) -> None:
    """Two processes ask for the time, and get the lock in the other order."""
    taken(engine, 1, "2/1m", after=10)
    taken(engine, 1, "2/1m", after=9)

    assert [taken(engine, 2, "2/1m", after=after) for after in (69.5, 70)] == [0, 2]


@pytest.mark.parametrize("left", ['"text"', "[1, 2]", "[[1, -5]]", "{}", "null", '[["x", 1]]', "[[true, 1]]"])
def test_a_row_that_somebody_wrote_over_stops_nothing(left: str, engine: Engine) -> None:
    """SEC-2"""
    taken(engine, 2, "2/1m")
    name = own_tables(engine.dialect.name).budgets.fullname
    value = ":left" if engine.dialect.name == "sqlite" else "CAST(:left AS json)"
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {name} SET taken = {value}"), {"left": left})

    assert taken(engine, 2, "2/1m") == 2


def test_a_large_budget_keeps_a_small_row(engine: Engine) -> None:
    budgets = own_tables(engine.dialect.name).budgets
    with engine.begin() as connection:
        for second in range(0, 5400, 20):
            permits(connection, "gateway", [parse_rate("5000/1h")], 3, NOON + timedelta(seconds=second))
        kept, over_at = connection.execute(select(budgets.c.taken, budgets.c.over_at)).one()

    assert len(kept) <= MOST_INSTANTS + 1
    assert over_at == NOON + timedelta(seconds=5380 + 3600)


def test_permits_of_a_large_budget_come_back_at_most_a_fiftieth_of_the_time_late(engine: Engine) -> None:
    for second in range(100):
        taken(engine, 1, "100/100s", after=second)

    assert [taken(engine, 9, "100/100s", after=after) for after in (100.9, 101, 102.9, 103)] == [0, 2, 0, 2]


class Model:
    """A list of all calls."""

    def __init__(self, rates: Sequence[Rate]) -> None:
        self.rates = rates
        self.calls: deque[tuple[datetime, int]] = deque()

    def within(self, at: datetime, length: timedelta) -> int:
        return sum(number for then, number in self.calls if then + length > at)

    def free(self, at: datetime, wanted: int, *, longer: float = 1.0) -> int:
        left = (rate.number - self.within(at, rate.period * longer) for rate in self.rates)
        return max(min(wanted, *left), 0)


RATES = st.lists(
    st.builds(Rate, st.integers(1, 120), st.sampled_from([timedelta(seconds=s) for s in (1, 60, 600, 3600)])),
    min_size=1,
    max_size=2,
    unique_by=lambda rate: rate.period,
)
REQUESTS = st.lists(
    st.tuples(st.sampled_from([0, 0.001, 0.5, 1, 7, 59.9, 60, 300, 600, 3600]), st.integers(0, 90)), max_size=25
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rates=RATES, requests=REQUESTS)
def test_no_window_has_more_than_the_rate_and_no_permit_is_kept_back(
    engine: Engine, rates: list[Rate], requests: list[tuple[float, int]]
) -> None:
    """Against a list of all calls: as many as it, if each instant is kept; else never more, and 2 % of W behind."""
    model, at = Model(rates), NOON
    exact = all(rate.number <= MOST_INSTANTS for rate in rates)
    with engine.connect() as connection:
        for pause, wanted in requests:
            at += timedelta(seconds=pause)
            least = model.free(at, wanted, longer=1.0 if exact else 1.02)
            foreseen = next_permit(connection, "any", rates, at), free_permits(connection, "any", rates, wanted, at)

            number = permits(connection, "any", rates, wanted, at)

            assert least <= number <= model.free(at, wanted)
            assert foreseen[1] == number
            assert (foreseen[0] == at) is (number > 0) or not wanted
            model.calls.append((at, number))
        connection.rollback()


@given(requests=st.lists(st.tuples(st.floats(-90, 90), st.integers(1, 5)), max_size=25))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@pytest.mark.databases("sqlite")
def test_no_window_of_real_time_has_more_whichever_way_the_clock_is_set(
    engine: Engine, requests: list[tuple[float, int]]
) -> None:
    """Real time goes on by a second between requests; the clock says something else, but is never set forward."""
    rates = [Rate(4, timedelta(minutes=1))]
    model, real, clock = Model(rates), NOON, NOON
    with engine.connect() as connection:
        for shift, wanted in requests:
            passed = timedelta(seconds=max(shift, 1.0))
            real, clock = real + passed, clock + (passed if shift > 0 else timedelta(seconds=shift))

            number = permits(connection, "any", rates, wanted, clock)

            assert number <= model.free(real, wanted)
            model.calls.append((real, number))
        connection.rollback()


def test_several_processes_at_once_never_get_more_than_there_are(engine: Engine) -> None:
    """Each on a connection of its own, all of them at the same moment. (trap 5)"""
    together, got = Barrier(4), list[int]()

    def ask() -> None:
        together.wait(PATIENCE)
        for _ in range(10):
            got.append(taken(engine, 1, "25/10m", "30/1h"))

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(got), sum(got)) == (40, 25)
    assert taken(engine, 30, "30/1h", after=600) == 5


@pytest.mark.databases("postgres")
def test_who_finds_nothing_left_waits_for_nobody(engine: Engine) -> None:
    taken(engine, 2, "2/1m")
    budgets = own_tables("postgresql").budgets
    with engine.connect() as rival, engine.connect() as connection:
        rival.execute(update(budgets).values(over_at=NOON))
        connection.execute(text("SET LOCAL lock_timeout = '1ms'"))

        assert permits(connection, "gateway", [parse_rate("2/1m")], 2, NOON + timedelta(seconds=1)) == 0
        assert next_permit(connection, "gateway", [parse_rate("2/1m")], NOON) == NOON + timedelta(minutes=1)
