"""Tables that a policy may be about, and what names their rows: keys, unique indexes, places, bytes, NULL."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from sexton.errors import UsageError
from sexton.testing import run_job
from tests.support.past_runs import set_aside_rows

from .policy_runs import refusal, run_as_previewed
from .shop import Shop
from .test_archive import archiving

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1
FUTURE = PAST + 10**6
CASCADE = "REFERENCES orders (id) ON DELETE CASCADE"


@pytest.mark.databases("postgres")
def test_an_index_whose_building_failed_is_no_key(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE rows_ (no int NOT NULL, ends bigint)",
        "CREATE UNIQUE INDEX rows_no ON rows_ (no)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'rows_no'::regclass",
        "DROP INDEX rows_no",
        "CREATE UNIQUE INDEX rows_no ON rows_ (no)",
    )
    shop.do("UPDATE pg_index SET indisvalid = false, indisunique = true WHERE indexrelid = 'rows_no'::regclass")

    job = shop.armed(purge="rows_", by="ends", unit="s")

    (plan,) = [step.plan() for step in [job.load(shop.engine)] if hasattr(step, "plan")]
    assert [column.name for column in plan.key] == ["ctid"]


@pytest.mark.databases("postgres")
def test_a_table_that_others_inherit_from_is_refused(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint)", "CREATE TABLE heirs (extra text) INHERITS (orders)"
    )

    with pytest.raises(UsageError, match="other tables inherit from orders; write a policy for each of them"):
        run_job(shop.engine, shop.job(purge="orders", by="ends", unit="s"), at=NOON)


def test_our_own_tables_are_nobodys(shop: Shop) -> None:
    own = "sexton_runs" if shop.sqlite else "sexton.runs"

    with pytest.raises(UsageError, match=r"is Sexton's own"):
        run_job(shop.engine, shop.job(purge=own, by="started_at", keep="1d"), at=NOON)


@pytest.mark.parametrize("name", ["picked", "facts", "aside", "noticed", "newer", "sexton", "keys"])
def test_tables_may_have_the_names_that_statements_use(name: str, shop: Shop, tmp_path: Path) -> None:
    shop.do(f"CREATE TABLE {name} (id int PRIMARY KEY, ends bigint, grp int)")
    for number in range(4):
        shop.do(f"INSERT INTO {name} VALUES ({number}, {PAST - number}, 1)")

    assert run_as_previewed(shop, warn=name).total.told == 4
    assert run_as_previewed(shop, transition=name, set={"grp": 2}, event="changed").total.changed == 4
    assert run_as_previewed(shop, purge=name, keep_last=3, per=["grp"]).total.changed == 1
    assert run_job(shop.engine, archiving(shop, tmp_path, archive=name, limit=2), at=NOON).total.changed == 2
    assert run_as_previewed(shop, purge=name).total.changed == 1


@pytest.mark.databases("sqlite")
def test_a_table_with_a_quote_in_its_name_is_archived(shop: Shop, tmp_path: Path) -> None:
    shop.do('CREATE TABLE "a""b" ("k""" int PRIMARY KEY, ends bigint)', f'INSERT INTO "a""b" VALUES (1, {PAST})')

    assert run_job(shop.engine, archiving(shop, tmp_path, archive='a"b'), at=NOON).total.changed == 1


@pytest.mark.databases("sqlite")
def test_a_key_that_is_null_stands_in_nobodys_way(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id text PRIMARY KEY, ends bigint)")
    for number, key in enumerate((None, None, None, "a", "b")):
        shop.do("INSERT INTO orders VALUES (:key, :ends)", key=key, ends=PAST - 9 + number)

    assert run_as_previewed(shop, purge="orders", batch=2).total.changed == 2
    with shop.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar_one() == 3


@pytest.mark.parametrize("index", ["lower(email), ten", "ten) WHERE (email = 'a'"])
def test_a_unique_index_on_an_expression_or_a_part_names_no_rows(index: str, shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (id int, email text NOT NULL, ten int NOT NULL, ends bigint)",
        f"CREATE UNIQUE INDEX orders_once ON orders ({index})",
        f"INSERT INTO orders VALUES (1, 'a', 1, {PAST}), (2, 'b', 1, {FUTURE}), (3, 'c', 1, {FUTURE})",
    )

    assert run_as_previewed(shop, purge="orders", limit=1).total.changed == 1
    assert shop.ids("orders") == [2, 3]


@pytest.mark.databases("sqlite")
def test_rows_without_any_name_are_refused(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (rowid int, _rowid_ int, oid int, ends bigint)")

    assert "rows of orders have no name" in refusal(shop, purge="orders")


@pytest.mark.databases("sqlite")
def test_keys_of_bytes(shop: Shop, tmp_path: Path) -> None:
    shop.do(
        "CREATE TABLE orders (id blob PRIMARY KEY, ends bigint)",
        "CREATE TABLE notes (o blob REFERENCES orders (id))",
        f"INSERT INTO orders VALUES (X'00ff', {PAST}), (X'c328', {PAST})",
        "INSERT INTO notes VALUES (X'c328')",
    )

    outcome = run_job(
        shop.engine, shop.armed(purge="orders", by="ends", unit="s", max_share=1.0, event="gone"), at=NOON
    )

    assert (outcome.total.changed, outcome.total.poison) == (1, 1)
    assert set_aside_rows(shop.engine)[0]["subject"] == "c328"


@pytest.mark.databases("sqlite")
def test_the_number_of_a_row_is_never_null(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id INTEGER PRIMARY KEY, ends bigint)", f"INSERT INTO orders VALUES (1, {PAST})")
    shop.do("CREATE TABLE odd (id INTEGER PRIMARY KEY DESC, ends bigint)")

    assert run_as_previewed(shop, purge="orders", order=["id"]).total.changed == 1
    assert "may be NULL" in refusal(shop, purge="odd", order=["id"])


def test_q14_ids_at_the_ends_of_their_type(shop: Shop) -> None:
    last, first = 2**63 - 1, -(2**63)
    shop.do("CREATE TABLE logins (id bigint PRIMARY KEY, ends bigint)")
    for number in (first, -1, 0, last):
        shop.do(f"INSERT INTO logins VALUES ({number}, {PAST})")

    outcome = run_job(shop.engine, shop.armed(purge="logins", by="ends", unit="s", batch=1, max_share=1.0), at=NOON)

    assert outcome.total.changed == 4
