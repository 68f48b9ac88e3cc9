"""Windows of roll-ups: where they begin and end, which are computed when, and that each comes from its rows alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, func

from sexton import cron, every
from tests.support.sales import at, open_sales

HOUR = timedelta(hours=1)


def test_ora_ana_a_window_reaches_from_one_evening_to_the_next(engine: Engine) -> None:
    """ORA-ANA: orders after 18:00 belong to the next day, and none is lost; 18:00 in Kolkata is 12:30 UTC."""
    shop = open_sales(engine)
    shop.order("2026-03-01 12:29:59.999999", "INR", 100)
    shop.order("2026-03-01 12:30:00", "INR", 20)
    shop.order("2026-03-02 12:29:59.999999", "INR", 3)

    shop.run("2026-03-02 12:35")

    assert shop.summary() == [
        "2026-02-28 12:30 to 2026-03-01 12:30 INR 1 100",
        "2026-03-01 12:30 to 2026-03-02 12:30 INR 2 23",
    ]


def test_a_window_is_computed_five_minutes_after_its_end_and_not_before(engine: Engine) -> None:
    shop = open_sales(engine)
    shop.order("2026-03-01 10:00", "INR", 100)

    assert shop.run("2026-03-01 12:34:59").total.changed == 0
    assert shop.run("2026-03-01 12:35").total.changed == 1


def test_without_rows_nothing_is_computed_and_no_mark_is_set(engine: Engine) -> None:
    shop = open_sales(engine)

    assert shop.run("2026-03-01 12:35").total.picked == 0
    assert shop.mark() is None


def test_run_twice_is_run_once(engine: Engine) -> None:
    shop = open_sales(engine)
    shop.order("2026-03-01 10:00", "INR", 100)
    shop.run("2026-03-04 00:00")
    before = shop.summary()

    again = shop.run("2026-03-04 00:00")

    assert (again.total.picked, again.total.changed) == (0, 0)
    assert shop.summary() == before


def test_late_rows_reopen_their_window(engine: Engine) -> None:
    shop = open_sales(engine)
    shop.order("2026-03-01 10:00", "INR", 100)
    shop.run("2026-03-02 00:00")
    shop.order("2026-03-01 11:00", "INR", 7)
    shop.order("2026-03-01 11:00", "EUR", 8)

    outcome = shop.run("2026-03-02 06:00")

    assert (outcome.total.picked, outcome.total.changed) == (1, 2)
    assert shop.summary() == [
        "2026-02-28 12:30 to 2026-03-01 12:30 EUR 1 8",
        "2026-02-28 12:30 to 2026-03-01 12:30 INR 2 107",
    ]


def test_a_group_whose_rows_are_gone_goes_too(engine: Engine) -> None:
    """An upsert alone would leave it there for ever."""
    shop = open_sales(engine)
    shop.order("2026-03-01 10:00", "INR", 100)
    shop.order("2026-03-01 10:00", "EUR", 5)
    shop.order("2026-03-01 10:00", None, 6)
    shop.run("2026-03-02 00:00")
    shop.forget(currency="EUR")
    shop.forget(currency=None)

    shop.run("2026-03-02 06:00")

    assert shop.summary() == ["2026-02-28 12:30 to 2026-03-01 12:30 INR 1 100"]


def test_null_is_a_group_of_its_own_that_is_not_written_twice(engine: Engine) -> None:
    """A unique index holds any number of NULLs, so that nothing but the statement keeps it single."""
    shop = open_sales(engine)
    shop.order("2026-03-01 10:00", None, 1)
    shop.order("2026-03-01 10:00", "", 2)
    shop.run("2026-03-02 00:00")
    shop.order("2026-03-01 10:00", None, 4)

    shop.run("2026-03-02 06:00")

    assert shop.summary() == [
        "2026-02-28 12:30 to 2026-03-01 12:30 None 2 5",
        "2026-02-28 12:30 to 2026-03-01 12:30  1 2",
    ]


def test_missed_windows_are_each_made_up(engine: Engine) -> None:
    """A week without a run: seven windows, and not one of seven days."""
    shop = open_sales(engine)
    shop.order("2026-03-01 10:00", "INR", 1)
    shop.run("2026-03-01 13:00")
    for day in range(2, 9):
        shop.order(f"2026-03-0{day} 10:00", "INR", day)

    outcome = shop.run("2026-03-08 13:00")

    assert outcome.total.changed == 7
    assert [line.rpartition(" ")[2] for line in shop.summary()] == ["1", "2", "3", "4", "5", "6", "7", "8"]


def test_sums_without_groups_are_one_row_and_none_where_there_was_nothing(engine: Engine) -> None:
    """An empty window has no row: that it was computed is what the mark says, and NULL is no sum."""
    shop = open_sales(engine)
    orders = shop.orders.c
    whole = {"orders": func.count(), "revenue": func.sum(orders.total_minor)}
    shop.order("2026-03-01 10:00", "INR", 1)
    shop.order("2026-03-01 10:00", "EUR", 2)
    shop.order("2026-03-03 10:00", "EUR", 4)

    shop.run("2026-03-03 13:00", group=[], aggregates=whole)

    assert shop.summary() == [
        "2026-02-28 12:30 to 2026-03-01 12:30 None 2 3",
        "2026-03-02 12:30 to 2026-03-03 12:30 None 1 4",
    ]


def test_an_expression_can_be_a_group_and_a_condition_leaves_rows_out(engine: Engine) -> None:
    shop = open_sales(engine)
    orders = shop.orders.c
    named = func.coalesce(orders.currency, "unknown").label("currency")
    shop.order("2026-03-01 10:00", None, 1)
    shop.order("2026-03-01 10:00", "INR", 2, status="cancelled")

    shop.run("2026-03-02 00:00", group=[named], only=orders.status.in_(["delivered"]))

    assert shop.summary() == ["2026-02-28 12:30 to 2026-03-01 12:30 unknown 1 1"]


@pytest.mark.parametrize(
    ("zone", "short", "long"),
    [
        ("America/New_York", ("2026-03-08 05:00", "2026-03-09 04:00"), ("2026-11-01 04:00", "2026-11-02 05:00")),
        ("Asia/Jerusalem", ("2026-03-26 22:00", "2026-03-27 21:00"), ("2026-10-24 21:00", "2026-10-25 22:00")),
    ],
)
def test_days_on_which_clocks_change_have_23_and_25_hours(
    zone: str, short: tuple[str, str], long: tuple[str, str], engine: Engine
) -> None:
    """timescaledb#9136: a window is [slot, slot), whatever lies in between; SQL is given instants only."""
    shop = open_sales(engine)
    for start, end in (short, long):
        for moment in (at(start) - HOUR, at(start), at(end) - HOUR, at(end)):
            shop.order(moment, "USD", 1)

    shop.run("2026-12-01 00:00", windows=cron("0 0 * * *", tz=zone))

    kept = shop.summary()
    for (start, end), hours in ((short, 23), (long, 25)):
        assert f"{start} to {end} USD 2 2" in kept
        assert at(end) - at(start) == hours * HOUR
    assert sum(int(line.split()[-1]) for line in kept) == 8


def test_weeks_begin_on_monday_and_hours_are_even(engine: Engine) -> None:
    shop = open_sales(engine)
    shop.order("2026-03-01 23:59", "INR", 1)  # a Sunday
    shop.order("2026-03-02 00:00", "INR", 2)

    shop.run("2026-03-10 00:00", windows=cron("0 0 * * 1", tz="UTC"))
    assert shop.summary() == [
        "2026-02-23 00:00 to 2026-03-02 00:00 INR 1 1",
        "2026-03-02 00:00 to 2026-03-09 00:00 INR 1 2",
    ]


def test_even_intervals_are_windows_too(engine: Engine) -> None:
    shop = open_sales(engine)
    shop.order("2026-03-01 10:59", "INR", 1)
    shop.order("2026-03-01 11:00", "INR", 2)

    shop.run("2026-03-01 12:05", windows=every("1h"))

    assert shop.summary() == [
        "2026-03-01 10:00 to 2026-03-01 11:00 INR 1 1",
        "2026-03-01 11:00 to 2026-03-01 12:00 INR 1 2",
    ]


def test_the_first_run_begins_with_the_oldest_row_and_passes_over_empty_years(engine: Engine) -> None:
    """A row of 1970 among those of today costs a few windows, and not twenty thousand."""
    shop = open_sales(engine)
    shop.order(None, "INR", 1)
    shop.order("1970-01-01 00:00", "INR", 1)
    shop.order("2026-03-01 10:00", "INR", 2)

    outcome = shop.run("2026-03-20 00:00")

    assert outcome.total.also["computed"] <= 5
    assert shop.summary() == [
        "1969-12-31 12:30 to 1970-01-01 12:30 INR 1 1",
        "2026-02-28 12:30 to 2026-03-01 12:30 INR 1 2",
    ]


@pytest.mark.databases("postgres")
def test_times_out_of_reach_stop_nothing(engine: Engine) -> None:
    """Neither -infinity nor infinity is in a window that could be computed."""
    shop = open_sales(engine)
    shop.order("2026-03-01 10:00", "INR", 2)
    with engine.begin() as connection:
        for odd in ("-infinity", "infinity", "4000-01-01 BC"):
            connection.exec_driver_sql(
                f"INSERT INTO orders (created_at, currency, total_minor) VALUES ('{odd}', 'X', 1)"
            )

    shop.run("2026-03-02 00:00")

    assert shop.summary() == ["2026-02-28 12:30 to 2026-03-01 12:30 INR 1 2"]
