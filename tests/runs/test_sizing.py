"""How many rows the next batch takes: grows and shrinks by what was measured, within bounds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sexton.runs.sizing import MAX_BATCH_SECONDS, Sizer

GOAL = 0.012


def settle(cost: Callable[[int], float], sizer: Sizer, batches: int = 40) -> list[int]:
    """Sizes of the coming batches when a batch of n rows takes cost(n) seconds."""
    sizes = []
    for _ in range(batches):
        sizes.append(sizer.size)
        sizer.measured(sizer.size, cost(sizer.size))
    return sizes


def by_row(seconds: float) -> Callable[[int], float]:
    """Every row takes this long."""
    return lambda size: size * seconds


def test_a_batch_as_long_as_aimed_for_stays_as_it_is() -> None:
    sizer = Sizer(500, GOAL)

    sizer.measured(500, GOAL)

    assert sizer.size == 500


def test_a_quick_batch_makes_the_next_one_larger_fourfold_at_most() -> None:
    twice, much = Sizer(500, GOAL), Sizer(500, GOAL)

    twice.measured(500, GOAL / 2)
    much.measured(500, GOAL / 1000)

    assert (twice.size, much.size) == (1000, 2000)


def test_a_slow_batch_makes_the_next_one_smaller_fourfold_at_most() -> None:
    half, much = Sizer(500, GOAL), Sizer(500, GOAL)

    half.measured(500, GOAL * 2)
    much.measured(500, GOAL * 1000)

    assert (half.size, much.size) == (250, 125)


@pytest.mark.parametrize("row", [0.000_002, 0.000_05, 0.001, 0.011], ids=["2 us", "50 us", "1 ms", "11 ms"])
def test_it_settles_where_a_batch_takes_what_is_aimed_for(row: float) -> None:
    sizes = settle(by_row(row), Sizer(500, GOAL))

    assert 0.5 * GOAL < sizes[-1] * row < 2 * GOAL


def test_it_follows_when_rows_become_slower() -> None:
    sizer = Sizer(500, GOAL)
    settle(by_row(0.000_01), sizer)

    sizes = settle(by_row(0.001), sizer)

    assert sizes[-1] == 12


def test_a_row_that_takes_longer_than_aimed_for_is_still_taken() -> None:
    sizer = Sizer(500, GOAL)

    sizes = settle(by_row(1.0), sizer)

    assert sizes[-1] == 1


def test_nothing_measured_is_never_an_error() -> None:
    sizer = Sizer(1, GOAL)

    sizer.measured(1, 0.0)

    assert sizer.size == 4


def test_there_is_a_most() -> None:
    sizes = settle(by_row(0.0), Sizer(500, GOAL, most=10_000))

    assert sizes[-1] == 10_000


def test_shrinking_ends_at_one_row() -> None:
    sizer = Sizer(5, GOAL)
    sizes = []
    for _ in range(4):
        sizer.shrink(2, sizer.size)
        sizes.append(sizer.size)

    assert sizes == [2, 1, 1, 1]


def with_fixed_cost(fixed: float, row: float = 0.000_02) -> Callable[[int], float]:
    """A search without an index takes `fixed` seconds, however many rows are then changed."""
    return lambda size: fixed + size * row


def test_when_the_search_costs_more_than_the_rows_batches_are_not_made_ever_smaller() -> None:
    """With a table scan of 20 ms a batch, single rows would scan the table a row; four scans long is aimed for."""
    sizes = settle(with_fixed_cost(0.020), Sizer(500, GOAL))

    assert min(sizes[8:]) > 500  # two batches confirm it, so that a hiccup is not taken for a scan


@pytest.mark.parametrize("fixed", [0.020, 0.100, 0.240], ids=["20 ms", "100 ms", "240 ms"])
def test_even_then_a_batch_stays_below_the_ceiling_where_that_can_be(fixed: float) -> None:
    cost = with_fixed_cost(fixed)
    sizes = settle(cost, Sizer(500, GOAL))

    assert all(cost(size) < max(MAX_BATCH_SECONDS, fixed * 1.1) for size in sizes[5:])


@given(
    start=st.integers(1, 100_000),
    measurements=st.lists(st.floats(0, 100, allow_nan=False), max_size=50),
)
def test_whatever_is_measured_the_size_stays_within_bounds(start: int, measurements: list[float]) -> None:
    sizer = Sizer(start, GOAL)
    for seconds in measurements:
        before = sizer.size
        sizer.measured(before, seconds)
        assert 1 <= sizer.size <= 100_000
        assert before // 4 - 1 <= sizer.size <= before * 4
