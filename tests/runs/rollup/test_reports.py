"""What roll-ups tell: each window once, and later differences as what is to be added to what was told before."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Numeric, Table, Text, delete, func, insert, select

from sexton import Job, Rollup, RollupReport, UtcDateTime, cron
from sexton.db.tables import own_tables
from sexton.jobs.rollup_scope import RollupScope
from sexton.testing import run_job
from tests.support.sales import REPORT, at, open_sales


def test_ora_ana_each_window_is_told_once_under_the_end_of_its_window(engine: Engine) -> None:
    """ORA-ANA: the effect key is sales_report:{window_end}; missed days are told one by one, an empty one as empty."""
    shop = open_sales(engine)
    shop.order("2026-03-01 10:00", "INR", 100)
    shop.run("2026-03-01 13:00", tell=REPORT)
    shop.order("2026-03-02 10:00", "INR", 20)
    shop.order("2026-03-02 10:00", "EUR", 3)

    for _ in range(2):
        shop.run("2026-03-04 13:00", tell=REPORT)

    assert shop.told() == [
        "2026-03-01T12:30: INR 1 100",
        "2026-03-02T12:30: EUR 1 3, INR 1 20",
        "2026-03-03T12:30: ",
        "2026-03-04T12:30: ",
    ]


def test_a_report_says_which_window_in_which_zone_and_how_many_groups(engine: Engine) -> None:
    shop = open_sales(engine)
    shop.order("2026-03-01 10:00", "INR", 100)

    shop.run("2026-03-01 13:00", tell=RollupReport("sales_report", to="admin", payload={"shop": "tea"}))

    assert shop.payloads() == [
        (
            "sales_report",
            {
                "shop": "tea",
                "window_start": "2026-02-28T12:30:00.000000Z",
                "window_end": "2026-03-01T12:30:00.000000Z",
                "zone": "Asia/Kolkata",
                "groups": 1,
                "lines": [{"currency": "INR", "orders": 1, "revenue": 100}],
            },
        )
    ]


def test_ora_ana_refunds_and_late_orders_are_told_as_lines_of_a_correction(engine: Engine) -> None:
    """ORA-ANA: lines are recomputed less told, a group that is gone with what it had, each difference told once."""
    shop = open_sales(engine)
    orders = shop.orders.c
    sold: dict[str, Any] = {"only": orders.status == "delivered", "tell": REPORT}
    shop.order("2026-03-01 10:00", "INR", 100)
    shop.order("2026-03-01 10:00", "INR", 20)
    shop.order("2026-03-01 10:00", "USD", 5)
    shop.run("2026-03-01 13:00", **sold)
    shop.change(20, status="refunded")
    shop.change(5, status="refunded")
    shop.order("2026-03-01 11:00", "EUR", 3)

    for _ in range(2):
        shop.run("2026-03-01 14:00", **sold)
    shop.change(20, status="delivered")
    for _ in range(2):
        shop.run("2026-03-01 15:00", **sold)

    assert shop.told() == [
        "2026-03-01T12:30: INR 2 120, USD 1 5",
        "2026-03-01T12:30:1: EUR 1 3, INR -1 -20, USD -1 -5",
        "2026-03-01T12:30:2: INR 1 20",
    ]
    assert [event for event, _ in shop.payloads()] == ["sales_report", *["sales_report_correction"] * 2]


def test_what_was_told_and_corrected_adds_up_to_what_is_kept(engine: Engine) -> None:
    """Back and forth to the same sums is told each time: a key made of the values would swallow the third."""
    shop = open_sales(engine)
    shop.order("2026-03-01 10:00", "INR", 100)
    shop.run("2026-03-01 13:00", tell=REPORT)

    for status in ("refunded", "delivered", "refunded"):
        shop.change(100, status=status)
        shop.run("2026-03-01 14:00", tell=REPORT, only=shop.orders.c.status == "delivered")

    assert shop.told() == [
        "2026-03-01T12:30: INR 1 100",
        "2026-03-01T12:30:1: INR -1 -100",
        "2026-03-01T12:30:2: INR 1 100",
        "2026-03-01T12:30:3: INR -1 -100",
    ]


@pytest.mark.parametrize("rebuilt", [False, True])
def test_a_window_that_lost_its_last_row_is_corrected_too(rebuilt: bool, engine: Engine) -> None:
    """Also where no row comes after it: such a stretch is not passed over as a whole."""
    shop = open_sales(engine)
    for day in (1, 2, 3):
        shop.order(f"2026-03-0{day} 10:00", "INR", day)
        shop.run(f"2026-03-0{day} 13:00", tell=REPORT)
    shop.forget(total_minor=2)
    shop.forget(total_minor=3)

    for _ in range(2):
        shop.run("2026-03-03 14:00", tell=REPORT, scope=RollupScope(rebuild=rebuilt))

    assert shop.told()[3:] == ["2026-03-02T12:30:1: INR -1 -2", "2026-03-03T12:30:1: INR -1 -3"]
    assert shop.summary() == ["2026-02-28 12:30 to 2026-03-01 12:30 INR 1 1"]


def test_of_the_windows_of_an_old_table_only_the_newest_is_told(engine: Engine) -> None:
    """Five years of daily reports in one night would be of use to nobody."""
    shop = open_sales(engine)
    for day in range(1, 9):
        shop.order(f"2026-03-0{day} 10:00", "INR", day)

    shop.run("2026-03-08 13:00", tell=REPORT)
    shop.order("2026-03-07 10:00", "INR", 100)
    shop.run("2026-03-08 14:00", tell=REPORT)

    assert shop.told() == ["2026-03-08T12:30: INR 1 8"]
    assert "2026-03-06 12:30 to 2026-03-07 12:30 INR 2 107" in shop.summary()


def test_a_report_names_a_hundred_groups_and_says_how_many_there_are(engine: Engine) -> None:
    shop = open_sales(engine)
    for number in range(103):
        shop.order("2026-03-01 10:00", f"C{number:03}", 1)
    shop.run("2026-03-01 13:00", tell=REPORT)
    shop.forget(total_minor=1)
    shop.run("2026-03-01 14:00", tell=REPORT)

    for _, payload in shop.payloads():
        assert (payload["groups"], len(payload["lines"])) == (103, 100)
        assert payload["lines"][0]["currency"] == "C000"


def test_decimals_are_exact_and_other_values_stand_as_they_are(engine: Engine) -> None:
    metadata = MetaData()
    readings = Table(
        "readings",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("taken_at", UtcDateTime),
        Column("amount", Numeric(12, 2, asdecimal=True)),
        Column("note", Text),
    )
    kept = Table(
        "reading_days",
        metadata,
        Column("window_start", UtcDateTime),
        Column("window_end", UtcDateTime),
        Column("amount", Numeric(12, 2, asdecimal=True)),
        Column("latest", UtcDateTime),
        Column("note", Text),
    )
    metadata.create_all(engine)
    columns = readings.c
    work = Rollup(
        readings,
        by=columns.taken_at,
        into=kept,
        aggregates={
            "amount": func.sum(columns.amount),
            "latest": func.max(columns.taken_at),
            "note": func.max(columns.note),
        },
        windows=cron("0 0 * * *"),
        tell=RollupReport("readings"),
    )

    def add(hour: int, amount: str, note: str) -> None:
        with engine.begin() as connection:
            row: dict[str, Any] = {"taken_at": at(f"2026-03-01 {hour:02}:00"), "amount": Decimal(amount), "note": note}
            connection.execute(insert(readings).values(row))

    add(1, "0.25", "a")
    run_job(engine, Job("shop.readings", work=work), at="2026-03-02T01:00Z", raise_errors=True)
    add(2, "0.50", "b")
    run_job(engine, Job("shop.readings", work=work), at="2026-03-02T02:00Z", raise_errors=True)

    with engine.connect() as connection:
        assert connection.execute(select(kept.c.amount, kept.c.note)).one() == (Decimal("0.75"), "b")
    first, second = (payload["lines"][0] for _, payload in open_sales(engine, make=False).payloads())
    assert first == {"amount": "0.25", "latest": "2026-03-01T01:00:00.000000Z", "note": "a"}
    assert second == {"amount": "0.50", "latest": "2026-03-01T02:00:00.000000Z", "note": "b"}


@pytest.mark.databases("sqlite")
def test_a_dry_run_shows_the_windows_that_differ(engine: Engine) -> None:
    shop = open_sales(engine)
    shop.order("2026-03-01 10:00", "INR", 1)
    shop.order("2026-03-02 10:00", "INR", 1)
    shop.run("2026-03-02 13:00")
    shop.order("2026-03-01 10:00", "INR", 1)

    found = shop.preview("2026-03-02 14:00").samples["sales"].rows

    assert found == [{"window_start": "2026-02-28T12:30Z", "window_end": "2026-03-01T12:30Z"}]


def test_nothing_is_told_again_when_its_effect_is_forgotten(engine: Engine) -> None:
    """Effects are kept for 400 days; a rebuild, or a lateness of years, goes further back."""
    shop = open_sales(engine)
    for day in range(1, 5):
        shop.order(f"2026-03-0{day} 10:00", "INR", day)
        shop.run(f"2026-03-0{day} 13:00", tell=REPORT)
    before = shop.told()
    with engine.begin() as connection:
        connection.execute(delete(own_tables(engine.dialect.name).effects))

    shop.run("2026-03-04 14:00", tell=REPORT)
    shop.run("2026-03-04 14:00", tell=REPORT, scope=RollupScope(rebuild=True))
    shop.run("2026-03-05 13:00", tell=REPORT)

    assert shop.told() == [*before, "2026-03-05T12:30: "]
