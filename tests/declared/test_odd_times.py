"""Time columns with values that are no times, that no driver reads, or in a zone of a parent; and none at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sexton.telemetry.debt import read_debt
from sexton.testing import preview_job, run_job

from .policy_runs import run_as_previewed
from .shop import Shop

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1
CASCADE = "REFERENCES orders (id) ON DELETE CASCADE"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("zones", [False, True], ids=["one zone", "each its own"])
def test_q6_what_is_no_date_is_never_due(zones: bool, shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id integer PRIMARY KEY, ends date, tz text)")
    odd = ["2026-06-01", 1893456000, "", "1/2/2030", 2460000.5, "2026-1-1", "2026-02-31", b"2026-01-01", None]
    for value in odd:
        shop.do("INSERT INTO orders (ends, tz) VALUES (:value, 'UTC')", value=value)
    where = {"zone_column": "tz"} if zones else {"zone": "UTC"}

    assert run_as_previewed(shop, purge="orders", unit=None, event="gone", **where).total.changed == 1
    assert shop.ids("orders") == list(range(2, len(odd) + 1))


@pytest.mark.databases("sqlite")
def test_q6_an_hour_after_noon_in_words_is_no_time(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id integer PRIMARY KEY, ends text)")
    for value in ("2026-01-01 03:00:00 PM", "2026-01-01 03:00:00+02", "2026-01-01T03:00:00.5Z"):
        shop.do("INSERT INTO orders (ends) VALUES (:value)", value=value)

    assert run_as_previewed(shop, purge="orders", unit=None).total.changed == 1
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

    assert run_as_previewed(shop, purge="orders", keep="1d", keep_last=2, **more[kind]).total.changed == 0


@pytest.mark.parametrize("shops", ["id int PRIMARY KEY, code int UNIQUE", "id int, code int UNIQUE NOT NULL"])
def test_the_zone_of_a_parent_is_found_by_the_column_that_is_referred_to(shops: str, shop: Shop) -> None:
    shop.do(
        f"CREATE TABLE shops ({shops}, tz text)",
        "CREATE TABLE orders (id int PRIMARY KEY, ends date, shop int REFERENCES shops (code))",
        "INSERT INTO shops VALUES (1, 2, 'Etc/GMT+12'), (2, 1, 'Pacific/Kiritimati')",
        "INSERT INTO orders VALUES (1, '2026-06-15', 1), (2, '2026-06-15', 2)",
    )

    where = {"zone_column": "tz", "zone_parent": {"shops": "shop"}}
    assert run_as_previewed(shop, purge="orders", unit=None, **where).total.changed == 1
    assert shop.ids("orders") == [2]


@pytest.mark.databases("postgres")
@pytest.mark.parametrize(
    "action",
    [{"purge": "logins"}, {"transition": "logins", "set": {"state": "old"}}, {"warn": "logins"}],
    ids=["purge", "transition", "warn"],
)
@pytest.mark.parametrize("batch", [1, None])
def test_q6_times_that_no_driver_reads_are_taken_or_left_like_others(
    batch: int | None, action: dict[str, Any], shop: Shop
) -> None:
    """Before Christ and minus infinity are past; infinity and the year 20000 are to come."""
    times = ("-infinity", "4000-01-01 BC", "0001-01-01", "20000-01-01", "infinity")
    shop.do("CREATE TABLE logins (id int PRIMARY KEY, at timestamptz, state text)")
    for number, at in enumerate(times, 1):
        shop.do(f"INSERT INTO logins VALUES ({number}, '{at}', 'new')")
    more = {"batch": batch} if batch else {}
    job = shop.armed(by="at", max_share=1.0, **action, **more)

    before = preview_job(shop.engine, job, at=NOON).total
    outcome = run_job(shop.engine, job, at=NOON)

    # Minus infinity has no text that a key could be made of, so nobody can be told about it once: it is set aside.
    untold = 1 if "warn" in action else 0
    assert (before.picked, outcome.total.picked, outcome.total.poison) == (3, 3 - untold, untold)
    assert run_job(shop.engine, job, at=NOON).total.picked == 0


def test_q14_an_empty_table_and_one_where_nothing_has_a_time(shop: Shop) -> None:
    shop.do("CREATE TABLE logins (id int PRIMARY KEY, ends bigint)")
    job = shop.armed(purge="logins", by="ends", unit="s", unless_referenced_by={"logins": "id"})

    assert run_job(shop.engine, job, at=NOON).total.picked == 0
    shop.do("INSERT INTO logins VALUES (1, NULL), (2, NULL)")
    assert run_job(shop.engine, job, at=NOON).total.picked == 0
    assert shop.ids("logins") == [1, 2]


def test_debt_of_a_policy_without_a_time_or_in_another_order(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id int NOT NULL PRIMARY KEY, ends bigint, status text)")
    with_order = shop.job(purge="orders", by="ends", unit="s", order=["id"])
    without_time = shop.job(purge="orders", only={"status": "old"})

    assert [debt.rows for job in (with_order, without_time) for debt in read_debt(shop.engine, [job])] == [0, 0]
    shop.do(f"INSERT INTO orders VALUES (1, {PAST}, 'old'), (2, {PAST}, 'old'), (3, NULL, 'new')")
    assert [debt.rows for job in (with_order, without_time) for debt in read_debt(shop.engine, [job])] == [2, 2]
