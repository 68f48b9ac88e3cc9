"""Values and times in `only`: compared as what they are, or refused in one line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sexton.errors import UsageError
from sexton.testing import run_job

from .policy_runs import refusal, run_as_previewed
from .shop import Shop

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1
CASCADE = "REFERENCES orders (id) ON DELETE CASCADE"


@pytest.mark.databases("sqlite")
def test_times_in_only_are_compared_as_times(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends bigint, seen datetime)")
    for number, seen in enumerate(("2026-01-01 00:00:00", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59.999Z"), 1):
        shop.do("INSERT INTO orders VALUES (:id, :ends, :seen)", id=number, ends=PAST, seen=seen)
    limit = datetime.fromisoformat("2026-01-01T03:00:00+03:00")

    run_as_previewed(shop, purge="orders", only={"seen": {"below": limit}})
    assert shop.ids("orders") == [1, 2]
    run_as_previewed(shop, purge="orders", only={"seen": {"at_least": limit}})
    assert shop.ids("orders") == []


def test_a_number_that_no_column_holds_is_refused_in_one_line(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends bigint)")

    with pytest.raises(UsageError, match=r"only.id: 99999999999999999999999 is more than id can hold"):
        run_job(
            shop.engine, shop.job(purge="orders", by="ends", unit="s", only={"id": 99999999999999999999999}), at=NOON
        )


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

    run_as_previewed(shop, purge="orders", by=None, unit=None, only=only, zone="UTC")

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
