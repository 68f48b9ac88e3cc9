"""Foreign keys decide what children are: by the columns referred to, in any order, of any depth, of any table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sexton.testing import run_job

from .policy_runs import refusal, run_as_previewed
from .shop import Shop

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1
CASCADE = "REFERENCES orders (id) ON DELETE CASCADE"


def test_children_hang_on_what_their_foreign_key_says_not_on_the_key(shop: Shop) -> None:
    """Order 1 has the number 2: the item of number 2 is its own, that of number 1 is not."""
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, no int UNIQUE, ends bigint)",
        "CREATE TABLE items (id int PRIMARY KEY, order_no int REFERENCES orders (no))",
        "CREATE TABLE notes (id int PRIMARY KEY, item int REFERENCES items (id))",
        f"INSERT INTO orders VALUES (1, 2, {PAST}), (2, 1, {PAST + 9})",
        "INSERT INTO items VALUES (1, 1), (2, 2)",
        "INSERT INTO notes VALUES (1, 1), (2, 2)",
    )

    run_as_previewed(shop, purge="orders", children={"items": {"column": "order_no", "children": {"notes": "item"}}})

    assert (shop.ids("orders"), shop.ids("items"), shop.ids("notes")) == ([2], [1], [1])


def test_keepers_hold_what_their_foreign_key_says(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, no int UNIQUE, ends bigint)",
        "CREATE TABLE pay (id int PRIMARY KEY, order_no int REFERENCES orders (no))",
        f"INSERT INTO orders VALUES (1, 2, {PAST}), (2, 1, {PAST})",
        "INSERT INTO pay VALUES (1, 2)",
    )

    run_as_previewed(shop, purge="orders", unless_referenced_by={"pay": "order_no"})

    assert shop.ids("orders") == [1]


def test_a_composite_foreign_key_in_another_order(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (no int, region int, ends bigint, PRIMARY KEY (no, region))",
        "CREATE TABLE items (id int PRIMARY KEY, region int, no int, FOREIGN KEY (region, no)"
        " REFERENCES orders (region, no))"
        if shop.sqlite
        else "CREATE TABLE items (id int PRIMARY KEY, region int, no int)",
        f"INSERT INTO orders VALUES (1, 2, {PAST}), (2, 1, {PAST + 9})",
    )
    if not shop.sqlite:
        shop.do(
            "CREATE UNIQUE INDEX ON orders (region, no)",
            "ALTER TABLE items ADD FOREIGN KEY (region, no) REFERENCES orders (region, no)",
        )
    shop.do("CREATE UNIQUE INDEX orders_region_no ON orders (region, no)")
    shop.do("INSERT INTO items VALUES (1, 2, 1), (2, 1, 2)")

    run_as_previewed(shop, purge="orders", children={"items": ["region", "no"]})

    assert (shop.ids("orders", key="no"), shop.ids("items")) == ([2], [2])


def test_children_that_belong_to_another_table_are_refused(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE users (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (id))",
    )

    words = "items.order_id refers to orders, not to users"
    assert words in refusal(shop, purge="users", children={"items": "order_id"}).replace("public.", "")
    assert words in refusal(shop, purge="users", unless_referenced_by={"items": "order_id"}).replace("public.", "")


def test_a_child_table_that_hangs_on_two_others_loses_both_and_is_counted_whole(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE a (id int PRIMARY KEY, o int)",
        "CREATE TABLE b (id int PRIMARY KEY, o int)",
        "CREATE TABLE shots (id int PRIMARY KEY, a int, b int)",
        f"INSERT INTO orders VALUES (1, {PAST})",
        "INSERT INTO a VALUES (1, 1)",
        "INSERT INTO b VALUES (1, 1)",
        "INSERT INTO shots VALUES (1, 1, NULL), (2, NULL, 1), (3, NULL, NULL)",
    )
    children = {
        "a": {"column": "o", "children": {"shots": "a"}},
        "b": {"column": "o", "children": {"shots": "b"}},
    }

    assert run_as_previewed(shop, purge="orders", children=children).total.also == {"shots": 2, "a": 1, "b": 1}
    assert shop.ids("shots") == [3]


def test_q14_a_reference_that_is_null_keeps_nothing_and_frees_nothing(shop: Shop) -> None:
    """`NOT IN (…, NULL)` is never true, so whoever writes it deletes nothing for ever."""
    shop.do(
        "CREATE TABLE logins (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE notes (id int PRIMARY KEY, login int)",
        f"INSERT INTO logins VALUES (1, {PAST}), (2, {PAST})",
        "INSERT INTO notes VALUES (1, NULL), (2, 2)",
    )
    written: dict[str, Any] = {"purge": "logins", "by": "ends", "unit": "s", "max_share": 1.0}

    run_job(shop.engine, shop.armed(**written, unless_referenced_by={"notes": "login"}), at=NOON)

    assert shop.ids("logins") == [2]
