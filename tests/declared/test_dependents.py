"""Children: deleted first, let go, or reason to stay; of keys of several columns, and children of children."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sexton.errors import UsageError
from sexton.runs.outcome import Outcome
from sexton.testing import preview_job, run_job
from tests.support.past_runs import set_aside_rows

from .shop import Shop

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1


@pytest.fixture
def carts(shop: Shop) -> Shop:
    """Three carts, two of them due; items, and notes about items."""
    shop.do(
        "CREATE TABLE carts (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE items (id int PRIMARY KEY, cart int REFERENCES carts (id))",
        "CREATE TABLE notes (id int PRIMARY KEY, item int NOT NULL REFERENCES items (id))",
        f"INSERT INTO carts VALUES (1, {PAST}), (2, {PAST}), (3, {PAST + 9})",
        "INSERT INTO items VALUES (1, 1), (2, 1), (3, 3)",
        "INSERT INTO notes VALUES (1, 1), (2, 1), (3, 2), (4, 3)",
    )
    return shop


def ran(shop: Shop, **written: Any) -> Outcome:
    """One run of a purge of carts."""
    return run_job(shop.engine, shop.armed(purge="carts", by="ends", unit="s", max_share=1.0, **written), at=NOON)


def test_children_of_children_go_first_and_all_are_counted(carts: Shop) -> None:
    children = {"items": {"column": "cart", "children": {"notes": "item"}}}
    job = carts.armed(purge="carts", by="ends", unit="s", max_share=1.0, children=children)

    before = preview_job(carts.engine, job, at=NOON).total
    after = run_job(carts.engine, job, at=NOON).total

    assert after == before
    assert (after.changed, after.also) == (2, {"notes": 3, "items": 2})
    assert (carts.ids("carts"), carts.ids("items"), carts.ids("notes")) == ([3], [3], [4])


def test_children_may_be_let_go(carts: Shop) -> None:
    outcome = ran(carts, children={"items": {"column": "cart", "action": "set null"}})

    assert (outcome.total.changed, outcome.total.also) == (2, {"items": 2})
    assert carts.ids("items", "cart IS NULL") == [1, 2]


def test_children_may_be_a_reason_to_stay_that_is_told_by_name(carts: Shop) -> None:
    outcome = ran(carts, children={"items": {"column": "cart", "action": "refuse"}})

    assert (outcome.state, outcome.total.changed, outcome.total.poison) == ("partial", 1, 1)
    assert carts.ids("carts") == [1, 3]
    assert "items refers to it" in set_aside_rows(carts.engine)[0]["error"]


def test_a_refusal_needs_no_reference_in_the_database(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE carts (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE payments (id int PRIMARY KEY, cart int)",
        f"INSERT INTO carts VALUES (1, {PAST}), (2, {PAST})",
        "INSERT INTO payments VALUES (1, 2)",
    )

    assert ran(shop, children={"payments": {"column": "cart", "action": "refuse"}}).total.poison == 1
    assert shop.ids("carts") == [2]


def test_a_key_of_several_columns_is_referred_to_by_as_many(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE carts (shop int, number int, ends bigint, PRIMARY KEY (shop, number))",
        "CREATE TABLE items (id int PRIMARY KEY, shop int, cart int, FOREIGN KEY (shop, cart) REFERENCES carts)",
        f"INSERT INTO carts VALUES (1, 1, {PAST}), (1, 2, {PAST + 9}), (2, 1, {PAST + 9})",
        "INSERT INTO items VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1)",
    )

    assert ran(shop, children={"items": ["shop", "cart"]}).total.also == {"items": 1}
    assert shop.ids("items") == [2, 3]


@pytest.mark.parametrize(
    ("children", "words"),
    [
        ({"items": ["cart", "id"]}, "the key of carts has 1 column, items refers to it by cart, id"),
        ({"item": "cart"}, "did you mean items?"),
        ({"items": "carts"}, "no column of items named 'carts'; did you mean cart?"),
        (
            {"items": {"column": "cart", "children": {"notes": {"column": "item", "action": "set null"}}}},
            "children: notes.item takes no NULL; delete, or refuse",
        ),
    ],
)
def test_d14_children_that_do_not_fit(children: dict[str, Any], words: str, carts: Shop) -> None:
    with pytest.raises(UsageError, match=words):
        ran(carts, children=children)
