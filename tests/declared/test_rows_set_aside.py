"""Rows that the database does not let go: a grandchild, a deferred reference, a trigger; each is set aside alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sexton.testing import run_job
from tests.support.past_runs import set_aside_rows

from .policy_runs import run_as_previewed
from .shop import Shop
from .test_archive import archiving

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1
CASCADE = "REFERENCES orders (id) ON DELETE CASCADE"


@pytest.mark.parametrize("archived", [False, True], ids=["purged", "archived"])
def test_q5_a_grandchild_may_be_a_reason_to_stay(archived: bool, shop: Shop, tmp_path: Path) -> None:
    """The row that it hangs on through its parent, not the one that has the same number."""
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE items (number int PRIMARY KEY, order_id int REFERENCES orders (id))",
        "CREATE TABLE shipments (id int PRIMARY KEY, item int)",
        f"INSERT INTO orders VALUES (1, {PAST}), (2, {PAST}), (10, {PAST})",
        "INSERT INTO items VALUES (10, 1), (20, 2)",
        "INSERT INTO shipments VALUES (1, 10)",
    )
    shipments = {"shipments": {"column": "item", "action": "refuse"}}

    children = {"items": {"column": "order_id", "children": shipments}}
    if archived:
        outcome = run_job(shop.engine, archiving(shop, tmp_path, children=children), at=NOON)
    else:
        outcome = run_as_previewed(shop, purge="orders", children=children)

    assert (outcome.state, outcome.note) == ("partial", "1 row refused and set aside")
    assert (shop.ids("orders"), shop.ids("items", key="number")) == ([1], [10])
    assert "shipments refers to it" in set_aside_rows(shop.engine)[0]["error"]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("archived", [False, True], ids=["purged", "archived"])
def test_q5_a_deferred_reference_sets_one_row_aside(archived: bool, shop: Shop, tmp_path: Path) -> None:
    """Django makes all of them so: SQLite says nothing before the commit, and then not of which row."""
    shop.do(
        "CREATE TABLE orders (id integer PRIMARY KEY, ends bigint)",
        "CREATE TABLE notes (id int, o int REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED)",
        f"INSERT INTO orders VALUES (1, {PAST}), (2, {PAST}), (3, {PAST})",
        "INSERT INTO notes VALUES (1, 2)",
    )

    job = archiving(shop, tmp_path) if archived else shop.armed(purge="orders", by="ends", unit="s", max_share=1.0)
    outcome = run_job(shop.engine, job, at=NOON)

    assert (outcome.state, outcome.total.changed, outcome.total.poison) == ("partial", 2, 1)
    assert shop.ids("orders") == [2]
    assert set_aside_rows(shop.engine)[0]["error"] == "FOREIGN KEY constraint failed: notes refers to it"


@pytest.mark.parametrize("action", [{"purge": "files"}, {"transition": "files", "set": {"name": "y"}}])
def test_q5_two_rows_of_a_thousand_that_a_trigger_refuses(action: dict[str, Any], shop: Shop) -> None:
    """Set aside with the reason; the others go."""
    shop.do("CREATE TABLE files (id int PRIMARY KEY, ends bigint, name text)")
    when = "DELETE" if "purge" in action else "UPDATE"
    if shop.sqlite:
        shop.do(
            f"CREATE TRIGGER guard BEFORE {when} ON files WHEN OLD.id IN (123, 777)"
            " BEGIN SELECT RAISE(ABORT, 'frozen by accounting'); END"
        )
    else:
        shop.do(
            "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF OLD.id IN (123, 777) THEN RAISE 'frozen by accounting' USING ERRCODE = '23514'; END IF;"
            f" RETURN {'OLD' if when == 'DELETE' else 'NEW'}; END $$",
            f"CREATE TRIGGER guard BEFORE {when} ON files FOR EACH ROW EXECUTE FUNCTION guard()",
        )
    numbers = ", ".join(f"({number}, {PAST - number}, 'x')" for number in range(1000))
    shop.do(f"INSERT INTO files VALUES {numbers}")

    outcome = run_job(shop.engine, shop.armed(by="ends", unit="s", max_share=1.0, **action), at=NOON)

    assert (outcome.state, outcome.total.changed, outcome.total.poison) == ("partial", 998, 2)
    assert sorted(row["subject"] for row in set_aside_rows(shop.engine)) == ["123", "777"]
    assert all("frozen by accounting" in row["error"] for row in set_aside_rows(shop.engine))
