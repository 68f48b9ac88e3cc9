"""How far a roll-up has come: what holds the mark, what seals a window, what waits for that, what starts anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, func, insert, select

from sexton import Job, PolicyError, Purge, cron, rolled_up
from sexton.db.watermarks import sealed_by
from sexton.jobs.rollup_scope import RollupScope
from sexton.testing import run_job
from tests.support.pace import UNHURRIED
from tests.support.sales import JOB, REPORT, STEP, Sales, at, open_sales


def days(shop: Sales, *, start: int = 1, end: int = 9) -> None:
    """An order at 10:00 UTC of each of these days of March; its total is the day."""
    for day in range(start, end):
        shop.order(f"2026-03-{day:02} 10:00", "INR", day)


def totals(shop: Sales) -> list[int]:
    """Revenue by window, oldest first."""
    return [int(line.split()[-1]) for line in shop.summary()]


def test_the_mark_says_what_is_closed_and_what_is_sealed(engine: Engine) -> None:
    shop = open_sales(engine)
    days(shop)

    shop.run("2026-03-08 13:00")

    mark = shop.mark()
    assert mark is not None
    assert mark.begins_at == at("2026-02-28 12:30")
    assert mark.closed_to == at("2026-03-08 12:30")
    assert mark.sealed_to == at("2026-03-05 12:30")


def test_a_sealed_window_is_never_computed_again(engine: Engine) -> None:
    """Trap 13, timescaledb#2198: a refresh after the purge of its rows would take the sums away."""
    shop = open_sales(engine)
    days(shop)
    shop.run("2026-03-08 13:00")
    before = shop.summary()
    for day in range(1, 6):
        shop.forget(total_minor=day)

    shop.run("2026-03-08 14:00")
    shop.run("2026-03-20 14:00")

    assert shop.summary() == before


def test_a_purge_waits_for_the_seal_less_an_hour(engine: Engine) -> None:
    """Test 11 of the common rules: nothing goes before its window is sealed, whatever is kept for how long."""
    shop = open_sales(engine)
    orders = shop.orders.c
    days(shop)
    shop.order("2026-03-05 11:29:59", "INR", 50)
    shop.order("2026-03-05 11:30:00", "INR", 51)
    only = rolled_up(orders.created_at, JOB, STEP)
    purge = Job("shop.purge", work=Purge(shop.orders, by=orders.created_at, keep="1h", only=only), guard=None)

    assert run_job(engine, purge, at="2026-03-08T14:00Z").total.changed == 0
    shop.run("2026-03-08 13:00")
    run_job(engine, purge, at="2026-03-08T14:00Z")

    with engine.connect() as connection:
        left = list(connection.execute(select(orders.total_minor).order_by(orders.total_minor)).scalars())
    assert left == [6, 7, 8, 51]


def test_a_longer_outage_makes_up_windows_and_seals_them_at_once(engine: Engine) -> None:
    """A window past its lateness that was never computed is not skipped: its rows are still there, as purges wait."""
    shop = open_sales(engine)
    shop.order("2026-03-01 10:00", "INR", 1)
    shop.run("2026-03-01 13:00")
    days(shop, start=2)

    shop.run("2026-03-20 13:00")

    assert totals(shop) == [1, 2, 3, 4, 5, 6, 7, 8]
    mark = shop.mark()
    assert mark is not None
    assert mark.sealed_to == at("2026-03-17 12:30")


def test_a_failure_holds_the_mark_and_keeps_what_came_before(engine: Engine) -> None:
    """A sum that does not fit: windows before it are there, none after it, and the error says which it is."""
    shop = open_sales(engine)
    days(shop)
    orders = shop.orders.c
    broken = {"orders": func.count(), "revenue": func.nullif(func.sum(orders.total_minor), 4)}  # NOT NULL says no

    outcome = run_job(engine, shop.job(aggregates=broken), at=at("2026-03-08 13:00"))

    assert outcome.state == "failed"
    assert "window 2026-03-03 12:30 to 2026-03-04 12:30 UTC cannot be written" in str(outcome.error)
    assert totals(shop) == [1, 2, 3]
    mark = shop.mark()
    assert mark is not None
    assert mark.closed_to == at("2026-03-03 12:30")
    shop.run("2026-03-08 13:00")
    assert totals(shop) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_an_interrupted_run_is_taken_up_where_it_ended(engine: Engine) -> None:
    """`--limit` ends a run after so many windows."""
    shop = open_sales(engine)
    days(shop)

    for done in (3, 6, 8):
        shop.run("2026-03-08 13:00", limits=replace(UNHURRIED, row_limit=3), foreseen=False)
        assert totals(shop) == list(range(1, done + 1))


def test_a_run_of_the_past_moves_no_mark_back(engine: Engine) -> None:
    shop = open_sales(engine)
    days(shop)
    shop.run("2026-03-08 13:00")
    before = shop.mark()

    shop.run("2026-03-05 13:00")

    after = shop.mark()
    assert before is not None
    assert after is not None
    assert (after.closed_to, after.sealed_to) == (before.closed_to, before.sealed_to)


def test_changed_at_reopens_what_was_changed_and_nothing_else(engine: Engine) -> None:
    """With a lateness of a month: of the windows older than three days only those with a changed row are computed."""
    shop = open_sales(engine)
    days(shop, end=20)
    late: dict[str, Any] = {"lateness": "30d", "changed_at": shop.orders.c.updated_at}
    shop.run("2026-03-19 13:00", **late)
    shop.change(4, updated_at=at("2026-03-19 20:00"), total_minor=400)
    shop.change(7, updated_at=at("2026-03-01 00:00"), total_minor=700)  # whoever writes so cannot be seen

    outcome = shop.run("2026-03-19 21:00", **late)

    assert outcome.total.also["computed"] == 4
    assert totals(shop)[3] == 400
    assert totals(shop)[6] == 7


def test_another_zone_is_refused_until_all_is_rebuilt(engine: Engine) -> None:
    """Sums of both would stand side by side, and orders of half an afternoon count twice."""
    shop = open_sales(engine)
    days(shop, end=4)
    shop.run("2026-03-03 13:00")
    utc = cron("0 18 * * *", tz="UTC")

    refused = run_job(engine, shop.job(windows=utc), at=at("2026-03-03 19:00"))
    with pytest.raises(PolicyError, match=r"sexton run shop\.sales --rebuild"):
        shop.preview("2026-03-03 19:00", windows=utc)
    shop.run("2026-03-03 19:00", windows=utc, scope=RollupScope(rebuild=True))

    assert "its windows are '0 18 * * * UTC' now and were '0 18 * * * Asia/Kolkata'" in str(refused.error)
    assert shop.summary() == [
        "2026-02-28 18:00 to 2026-03-01 18:00 INR 1 1",
        "2026-03-01 18:00 to 2026-03-02 18:00 INR 1 2",
        "2026-03-02 18:00 to 2026-03-03 18:00 INR 1 3",
    ]


def test_a_rebuild_keeps_sums_whose_rows_are_gone_and_leaves_no_gap(engine: Engine) -> None:
    """The old windows end where the new ones begin, with a short one in between."""
    shop = open_sales(engine)
    days(shop)
    shop.order("2026-03-05 14:00", "INR", 1000)
    shop.run("2026-03-08 13:00")
    for day in range(1, 5):
        shop.forget(total_minor=day)

    shop.run("2026-03-08 19:00", windows=cron("0 18 * * *", tz="UTC"), scope=RollupScope(rebuild=True))

    assert shop.summary() == [
        "2026-02-28 12:30 to 2026-03-01 12:30 INR 1 1",
        "2026-03-01 12:30 to 2026-03-02 12:30 INR 1 2",
        "2026-03-02 12:30 to 2026-03-03 12:30 INR 1 3",
        "2026-03-03 12:30 to 2026-03-04 12:30 INR 1 4",
        "2026-03-04 12:30 to 2026-03-05 12:30 INR 1 5",
        "2026-03-05 12:30 to 2026-03-05 18:00 INR 1 1000",
        "2026-03-05 18:00 to 2026-03-06 18:00 INR 1 6",
        "2026-03-06 18:00 to 2026-03-07 18:00 INR 1 7",
        "2026-03-07 18:00 to 2026-03-08 18:00 INR 1 8",
    ]


def test_a_rebuild_in_the_same_windows_tells_what_differs(engine: Engine) -> None:
    shop = open_sales(engine)
    days(shop, end=3)
    shop.run("2026-03-02 13:00", tell=REPORT)
    shop.change(2, total_minor=20)

    for _ in range(2):
        shop.run("2026-03-02 14:00", tell=REPORT, scope=RollupScope(rebuild=True))

    assert shop.told() == ["2026-03-02T12:30: INR 1 2", "2026-03-02T12:30:1: INR 0 18"]


def test_a_stretch_can_be_computed_again_and_the_mark_stays(engine: Engine) -> None:
    """Also what is sealed, if its rows are there; of windows with older rows nobody knows."""
    shop = open_sales(engine)
    days(shop, end=20)
    shop.run("2026-03-19 13:00")
    before = shop.mark()
    for day in (1, 3, 5, 9):
        shop.change(day, total_minor=100 * day)

    outcome = shop.run("2026-03-19 13:00", scope=RollupScope(start=at("2026-03-02 00:00"), end=at("2026-03-05 00:00")))

    assert totals(shop)[:9] == [1, 2, 300, 4, 500, 6, 7, 8, 9]
    assert outcome.total.picked == 2
    assert shop.mark() == before


def test_windows_before_the_oldest_row_are_not_computed_again(engine: Engine) -> None:
    shop = open_sales(engine)
    days(shop, end=20)
    shop.run("2026-03-19 13:00")
    for day in (1, 2, 3):
        shop.forget(total_minor=day)
    shop.order("2026-03-03 11:00", "INR", 7000)

    shop.run("2026-03-19 13:00", scope=RollupScope(start=at("2026-03-01 00:00")))

    assert totals(shop)[:4] == [1, 2, 3, 4]


def test_sums_of_windows_without_any_row_stay_whatever_is_rebuilt(engine: Engine) -> None:
    """A row of 1970 that came late does not mean that those since were never purged."""
    shop = open_sales(engine)
    days(shop, end=20)
    shop.run("2026-03-19 13:00")
    for day in range(1, 11):
        shop.forget(total_minor=day)
    shop.order("1970-01-01 00:00", "INR", 0)

    for scope in (RollupScope(rebuild=True), RollupScope(start=at("2026-03-01 00:00"))):
        shop.run("2026-03-19 13:00", scope=scope)

    assert totals(shop) == list(range(20))


def test_a_window_whose_rows_were_all_deleted_loses_its_sums_until_it_is_sealed(engine: Engine) -> None:
    """Nobody purges them before: so they were never meant to be."""
    shop = open_sales(engine)
    days(shop, end=9)
    shop.run("2026-03-08 13:00")
    shop.forget(total_minor=6)

    shop.run("2026-03-30 13:00")

    assert totals(shop) == [1, 2, 3, 4, 5, 7, 8]


def test_a_stretch_that_was_interrupted_goes_on_where_it_ended(engine: Engine) -> None:
    shop = open_sales(engine)
    days(shop, end=20)
    shop.run("2026-03-19 13:00")
    with engine.begin() as connection:
        connection.execute(
            insert(shop.orders).from_select(
                ["created_at", "currency", "total_minor"],
                select(shop.orders.c.created_at, shop.orders.c.currency, shop.orders.c.total_minor),
            )
        )
    stretch = RollupScope(start=at("2026-03-02 00:00"), end=at("2026-03-09 00:00"))

    few = replace(UNHURRIED, row_limit=3)
    rounds = [
        shop.run("2026-03-19 13:00", scope=stretch, limits=few, foreseen=False).total.also["computed"] for _ in range(3)
    ]

    assert rounds == [3, 3, 2]
    assert totals(shop)[:10] == [1, 4, 6, 8, 10, 12, 14, 16, 18, 10]


def test_a_stretch_that_nobody_takes_up_again_keeps_no_purge_waiting(engine: Engine) -> None:
    shop = open_sales(engine)
    days(shop, end=20)
    shop.run("2026-03-19 13:00")
    shop.change(5, total_minor=50)
    few = replace(UNHURRIED, row_limit=1)
    shop.run("2026-03-19 13:00", scope=RollupScope(start=at("2026-03-02 00:00")), limits=few, foreseen=False)

    shop.run("2026-03-25 13:00")

    with engine.connect() as connection:
        assert sealed_by(connection, JOB) == at("2026-03-22 12:30")
        assert sealed_by(connection, "shop.other") is None


def test_before_the_first_run_there_is_nothing_to_do_again(engine: Engine) -> None:
    shop = open_sales(engine)

    outcome = run_job(engine, shop.job(), at=at("2026-03-01 00:00"), rollup=RollupScope(start=at("2026-02-01 00:00")))

    assert "nothing was computed yet" in str(outcome.error)
