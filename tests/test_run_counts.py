"""Counts of a step: adding up, and the way into the run row and back."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from sexton import Counts
from sexton.run_counts import total

numbers = st.integers(0, 10**12)
counts = st.builds(
    Counts,
    picked=numbers,
    changed=numbers,
    told=numbers,
    also=st.dictionaries(st.sampled_from(["accesses", "stock"]), st.integers(1, 10**6)),
    skipped=numbers,
    poison=numbers,
)


def test_batches_add_up() -> None:
    counts = Counts()

    counts.add(5, 5, 10, {"accesses": 2})
    counts.add(3, 2, 4, {"accesses": 1, "stock": 7})

    assert counts == Counts(picked=8, changed=7, told=14, also={"accesses": 3, "stock": 7})


def test_hanging_rows_that_were_none_are_not_named() -> None:
    counts = Counts()

    counts.add(1, 1, 0, {"accesses": 0})

    assert counts.also == {}


def test_the_run_row_leaves_out_what_is_zero_and_rare() -> None:
    assert Counts(1, 1, 2).as_json() == {"picked": 1, "changed": 1, "told": 2}
    assert Counts(1, skipped=3, poison=4).as_json() == {
        "picked": 1,
        "changed": 0,
        "told": 0,
        "skipped": 3,
        "poison": 4,
    }


@given(counts)
def test_the_way_into_the_run_row_and_back(before: Counts) -> None:
    assert Counts.from_json(json.loads(json.dumps(before.as_json()))) == before


@given(counts, counts)
def test_the_total_of_steps_is_their_sum_and_leaves_them_alone(first: Counts, second: Counts) -> None:
    kept = first.as_json(), second.as_json()

    whole = total({"first": first, "second": second})

    assert whole.picked == first.picked + second.picked
    assert whole.told == first.told + second.told
    assert whole.skipped == first.skipped + second.skipped
    assert whole.poison == first.poison + second.poison
    assert whole.also.get("stock", 0) == first.also.get("stock", 0) + second.also.get("stock", 0)
    assert (first.as_json(), second.as_json()) == kept


def test_the_total_of_no_steps_is_nothing() -> None:
    assert total({}) == Counts()
