"""What a second hostile review found: keys that are none, rows that would be lost, conditions that meant otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sexton.errors import PolicyError, SettingsError, UsageError
from sexton.runs.outcome import Outcome
from sexton.telemetry.debt import read_debt
from sexton.testing import preview_job, run_job
from tests.support.past_runs import set_aside_rows

from .shop import Shop
from .test_archive import archiving, files

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1
FUTURE = PAST + 10**6
CASCADE = "REFERENCES orders (id) ON DELETE CASCADE"


def given(written: dict[str, Any]) -> dict[str, Any]:
    """Settings without those that are None."""
    return {name: value for name, value in written.items() if value is not None}


def ran(shop: Shop, **written: Any) -> Outcome:
    """One run by itself; the dry run before it counts the same."""
    job = shop.armed(**given({"max_share": 1.0, "by": "ends", "unit": "s", **written}))
    before = preview_job(shop.engine, job, at=NOON).total
    outcome = run_job(shop.engine, job, at=NOON)
    assert (outcome.total.picked, outcome.total.changed, outcome.total.poison) == (
        before.picked,
        before.changed,
        before.poison,
    )
    return outcome


def refusal(shop: Shop, **written: Any) -> str:
    """Why it cannot run."""
    with pytest.raises(UsageError) as refused:
        run_job(shop.engine, shop.job(**given({"by": "ends", "unit": "s", **written})), at=NOON)
    return str(refused.value)


@pytest.mark.parametrize("index", ["lower(email), ten", "ten) WHERE (email = 'a'"])
def test_a_unique_index_on_an_expression_or_a_part_names_no_rows(index: str, shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (id int, email text NOT NULL, ten int NOT NULL, ends bigint)",
        f"CREATE UNIQUE INDEX orders_once ON orders ({index})",
        f"INSERT INTO orders VALUES (1, 'a', 1, {PAST}), (2, 'b', 1, {FUTURE}), (3, 'c', 1, {FUTURE})",
    )

    assert ran(shop, purge="orders", limit=1).total.changed == 1
    assert shop.ids("orders") == [2, 3]


@pytest.mark.databases("sqlite")
def test_rows_without_any_name_are_refused(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (rowid int, _rowid_ int, oid int, ends bigint)")

    assert "rows of orders have no name" in refusal(shop, purge="orders")


def test_children_that_belong_to_another_table_are_refused(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE users (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (id))",
    )

    words = "items.order_id refers to orders, not to users"
    assert words in refusal(shop, purge="users", children={"items": "order_id"}).replace("public.", "")
    assert words in refusal(shop, purge="users", unless_referenced_by={"items": "order_id"}).replace("public.", "")


@pytest.mark.databases("postgres")
def test_children_of_a_partitioned_table_are_those_of_its_partitions(shop: Shop, tmp_path: Path) -> None:
    shop.do(
        "CREATE TABLE orders (id int, ends bigint, PRIMARY KEY (id, ends)) PARTITION BY RANGE (ends)",
        f"CREATE TABLE old PARTITION OF orders FOR VALUES FROM (0) TO ({FUTURE - 1})",
        "CREATE TABLE items (id int PRIMARY KEY, o int, e bigint,"
        " FOREIGN KEY (o, e) REFERENCES orders (id, ends) ON DELETE CASCADE)",
        f"INSERT INTO orders VALUES (1, {PAST})",
        f"INSERT INTO items VALUES (7, 1, {PAST})",
    )

    with pytest.raises(PolicyError, match="items refers to old by o, e with ON DELETE CASCADE"):
        run_job(shop.engine, archiving(shop, tmp_path, archive="old"), at=NOON)
    children = {"items": {"column": ["o", "e"]}}
    assert run_job(shop.engine, archiving(shop, tmp_path, archive="old", children=children), at=NOON).total.also == {
        "items": 1
    }


def test_an_archive_of_rows_that_cascade_among_themselves_is_refused(shop: Shop, tmp_path: Path) -> None:
    shop.do(
        f"CREATE TABLE orders (id int PRIMARY KEY, ends bigint, parent int {CASCADE})",
        f"INSERT INTO orders VALUES (1, {PAST}, NULL), (2, {FUTURE}, 1), (3, {FUTURE}, 2), (4, {PAST}, NULL)",
    )

    with pytest.raises(PolicyError, match="ON DELETE CASCADE"):
        run_job(shop.engine, archiving(shop, tmp_path, children={"orders": "parent"}), at=NOON)
    kept = {"orders": "parent"}
    assert run_job(shop.engine, archiving(shop, tmp_path, unless_referenced_by=kept), at=NOON).total.changed == 1
    assert shop.ids("orders") == [1, 2, 3]
    assert len(files(tmp_path)) == 1


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
        outcome = ran(shop, purge="orders", children=children)

    assert (outcome.state, outcome.error) == ("partial", "1 row refused and set aside")
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


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("zones", [False, True], ids=["one zone", "each its own"])
def test_q6_what_is_no_date_is_never_due(zones: bool, shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id integer PRIMARY KEY, ends date, tz text)")
    odd = ["2026-06-01", 1893456000, "", "1/2/2030", 2460000.5, "2026-1-1", "2026-02-31", b"2026-01-01", None]
    for value in odd:
        shop.do("INSERT INTO orders (ends, tz) VALUES (:value, 'UTC')", value=value)
    where = {"zone_column": "tz"} if zones else {"zone": "UTC"}

    assert ran(shop, purge="orders", unit=None, event="gone", **where).total.changed == 1
    assert shop.ids("orders") == list(range(2, len(odd) + 1))


@pytest.mark.databases("sqlite")
def test_q6_an_hour_after_noon_in_words_is_no_time(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id integer PRIMARY KEY, ends text)")
    for value in ("2026-01-01 03:00:00 PM", "2026-01-01 03:00:00+02", "2026-01-01T03:00:00.5Z"):
        shop.do("INSERT INTO orders (ends) VALUES (:value)", value=value)

    assert ran(shop, purge="orders", unit=None).total.changed == 1
    assert shop.ids("orders") == [1, 2]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("kind", ["int", "text", "date"])
def test_the_newest_are_not_those_without_a_time(kind: str, shop: Shop) -> None:
    shop.do(f"CREATE TABLE orders (id integer PRIMARY KEY, ends {kind})")
    days: dict[str, list[Any]] = {
        "int": [100, 200],
        "text": ["2026-01-01 00:00:00", "2026-01-02 00:00:00"],
        "date": ["2026-01-01"] * 2,
    }
    for value in (*days[kind], "never", "unknown", b"\x00"):
        shop.do("INSERT INTO orders (ends) VALUES (:value)", value=value)
    more: dict[str, dict[str, Any]] = {
        "int": {"unit": "s"},
        "text": {"unit": None},
        "date": {"unit": None, "zone": "UTC"},
    }

    assert ran(shop, purge="orders", keep="1d", keep_last=2, **more[kind]).total.changed == 0


@pytest.mark.parametrize(
    ("only", "left"),
    [
        ("day < CURRENT_DATE", [3, 4]),
        ("day < (CURRENT_DATE)", [3, 4]),
        ("day < CURRENT_DATE - interval '1 day'", [2, 3, 4]),
    ],
)
def test_the_day_is_that_of_the_run(only: str, left: list[int], shop: Shop) -> None:
    """At noon, of 13 to 16 June."""
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, day date)")
    for number in range(1, 5):
        shop.do(f"INSERT INTO orders VALUES ({number}, '2026-06-{12 + number}')")

    ran(shop, purge="orders", by=None, unit=None, only=only, zone="UTC")

    assert shop.ids("orders") == left


@pytest.mark.parametrize(
    "only", ["at < CURRENT_DATE - interval '1 day'", "at < (CURRENT_DATE)", "day < CURRENT_DATE - interval '3 hours'"]
)
def test_a_day_is_no_instant(only: str, shop: Shop) -> None:
    shop.do(f"CREATE TABLE orders (id int PRIMARY KEY, day date, at {'datetime' if shop.sqlite else 'timestamptz'})")

    assert "CURRENT_DATE" in (said := refusal(shop, purge="orders", by=None, unit=None, only=only)) or "now()" in said


@pytest.mark.databases("postgres")
def test_rows_as_values_are_not_asked_for_null(shop: Shop) -> None:
    """(1, NULL) is neither NULL nor not NULL."""
    shop.do("CREATE TYPE pair AS (a int, b int)", "CREATE TABLE orders (id int PRIMARY KEY, a int, b int, c pair)")

    for only in ("(a, b) IS NOT NULL", "c IS NOT NULL", "(a, b) IS NULL"):
        assert "neither NULL nor not" in refusal(shop, purge="orders", by=None, unit=None, only=only)


@pytest.mark.parametrize("shops", ["id int PRIMARY KEY, code int UNIQUE", "id int, code int UNIQUE NOT NULL"])
def test_the_zone_of_a_parent_is_found_by_the_column_that_is_referred_to(shops: str, shop: Shop) -> None:
    shop.do(
        f"CREATE TABLE shops ({shops}, tz text)",
        "CREATE TABLE orders (id int PRIMARY KEY, ends date, shop int REFERENCES shops (code))",
        "INSERT INTO shops VALUES (1, 2, 'Etc/GMT+12'), (2, 1, 'Pacific/Kiritimati')",
        "INSERT INTO orders VALUES (1, '2026-06-15', 1), (2, '2026-06-15', 2)",
    )

    where = {"zone_column": "tz", "zone_parent": {"shops": "shop"}}
    assert ran(shop, purge="orders", unit=None, **where).total.changed == 1
    assert shop.ids("orders") == [2]


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


def test_debt_of_a_policy_without_a_time_or_in_another_order(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id int NOT NULL PRIMARY KEY, ends bigint, status text)")
    with_order = shop.job(purge="orders", by="ends", unit="s", order=["id"])
    without_time = shop.job(purge="orders", only={"status": "old"})

    assert [debt.rows for job in (with_order, without_time) for debt in read_debt(shop.engine, [job])] == [0, 0]
    shop.do(f"INSERT INTO orders VALUES (1, {PAST}, 'old'), (2, {PAST}, 'old'), (3, NULL, 'new')")
    assert [debt.rows for job in (with_order, without_time) for debt in read_debt(shop.engine, [job])] == [2, 2]


@pytest.mark.databases("sqlite")
def test_the_number_of_a_row_is_never_null(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id INTEGER PRIMARY KEY, ends bigint)", f"INSERT INTO orders VALUES (1, {PAST})")
    shop.do("CREATE TABLE odd (id INTEGER PRIMARY KEY DESC, ends bigint)")

    assert ran(shop, purge="orders", order=["id"]).total.changed == 1
    assert "may be NULL" in refusal(shop, purge="odd", order=["id"])


def test_policies_do_not_wait_for_each_other(shop: Shop) -> None:
    from sexton.app import App
    from sexton.config import Settings

    one = {"purge": "orders", "by": "ends", "unit": "s"}
    policies = {"a": {**one, "before": "b"}, "b": {**one, "before": "c"}, "c": {**one, "before": "a"}}

    with pytest.raises(SettingsError, match=r"policies.a.before: they wait for each other: a before b before c"):
        App(Settings(database=shop.database, policies=policies))


def test_exactly_the_share_is_no_flood(shop: Shop) -> None:
    """29 % of 100 are 28.999999999999996 in binary."""
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends bigint)")
    for number in range(100):
        shop.do(f"INSERT INTO orders VALUES ({number}, {PAST if number < 29 else FUTURE})")

    outcome = run_job(shop.engine, shop.armed(allowed=0, purge="orders", by="ends", unit="s", max_share=0.29), at=NOON)

    assert (outcome.state, outcome.total.changed) == ("succeeded", 29)
