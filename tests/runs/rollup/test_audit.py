"""What a run says about an old window that it does not compute: that it still holds what its rows come to, or not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import Engine, delete, func, update

from sexton import PolicyError, every
from sexton.db.tables import own_tables
from sexton.jobs.rollup_scope import EVERY_RUN, RollupScope
from sexton.run_state import OutcomeCode
from sexton.runs.outcome import Outcome
from sexton.runs.rollup.audit import chosen
from sexton.runs.rollup.opening import opened
from sexton.slots.history import history
from sexton.statements.batch_strategy import Request
from sexton.statements.rollup_windows import Window
from sexton.testing import preview_job, run_job
from tests.support.pace import UNHURRIED
from tests.support.sales import JOB, Sales, at, open_sales

DRAWS = 150
"""Runs, each at another second, which draw each of twenty windows: the same draws each time."""


def days(shop: Sales, end: int = 20) -> None:
    """An order at 10:00 UTC of each of these days of March; its total is the day."""
    for day in range(1, end):
        shop.order(f"2026-03-{day:02} 10:00", "INR", day, updated_at=at(f"2026-03-{day:02} 10:00"))


def late(shop: Sales) -> dict[str, Any]:
    """Windows that stay open for long, and are computed if a row of theirs was changed."""
    return {"lateness": "15d", "changed_at": shop.orders.c.updated_at}


def spoil(shop: Sales, day: int, **values: Any) -> None:
    """Somebody else writes into the sums of the window that ends on this day of March."""
    ends = at("2026-03-01 12:30") + timedelta(days=day - 1)
    with shop.engine.begin() as connection:
        connection.execute(update(shop.sums).where(shop.sums.c.window_end == ends).values(values))


def looks(shop: Sales, now: str, **options: Any) -> dict[Window, tuple[datetime, int]]:
    """At which windows runs of different seconds look: of each the time of such a run, and how many groups differ."""
    plan = shop.policy(**options).plan()
    assert plan.rollup is not None
    found: dict[Window, tuple[datetime, int]] = {}
    with shop.engine.connect() as connection:
        for second in range(DRAWS):
            request = Request(0, None, at(now) + timedelta(seconds=second), JOB, None)
            walk = opened(connection, plan, plan.rollup, request, EVERY_RUN)
            audit = None if walk is None else chosen(walk, plan.step)
            if audit is not None and audit.window not in found:
                found[audit.window] = (request.as_of, audit.differing(connection))
    return found


def named(shop: Sales, now: str, **options: Any) -> dict[int, int]:
    """How many groups differ, by the day of March on which the window ends; only of windows where some do."""
    found = looks(shop, now, **options)
    return {window.end.day: groups for window, (_, groups) in found.items() if groups}


def run_that_looks(shop: Sales, day: int, now: str, **options: Any) -> Outcome:
    """A run, a dry one before it, that looks at the window that ends on this day of March."""
    found = looks(shop, now, **options)
    when = next(time for window, (time, _) in found.items() if window.end.day == day)
    job = shop.job(**options)
    dry = preview_job(shop.engine, job, at=when)
    outcome = run_job(shop.engine, job, at=when, limits=UNHURRIED)
    assert (dry.note, dry.steps) == (outcome.note, outcome.steps)
    return outcome


def test_each_window_that_changed_at_left_alone_is_looked_at_and_no_other(engine: Engine) -> None:
    """Rows that were changed or deleted behind the back of `changed_at`, and sums that somebody wrote."""
    shop = open_sales(engine)
    days(shop)
    shop.run("2026-03-19 13:00", **late(shop))  # sealed to the 4th, computed by every run from the 16th on
    shop.change(7, total_minor=700)
    shop.forget(total_minor=8)
    spoil(shop, 10, revenue=0)
    spoil(shop, 2, revenue=0)  # sealed: its rows may be gone
    shop.order("2026-03-12 11:00", "INR", 1, updated_at=at("2026-03-12 11:00"))
    shop.order("2026-03-12 11:00", "EUR", 1, updated_at=at("2026-03-12 11:00"))

    assert named(shop, "2026-03-19 14:00", **late(shop)) == {7: 1, 8: 1, 10: 1, 12: 2}


def test_a_run_says_so_changes_nothing_and_goes_well(engine: Engine) -> None:
    shop = open_sales(engine)
    days(shop)
    shop.run("2026-03-19 13:00", **late(shop))
    shop.change(7, total_minor=700)
    before = shop.summary()

    outcome = run_that_looks(shop, 7, "2026-03-19 14:00", **late(shop))

    again = f"sexton run {JOB} --from 2026-03-06T12:30:00Z --to 2026-03-07T12:30:00Z"
    assert outcome.note == (
        "sales: 1 group differs from the rows of the window 2026-03-06T12:30:00Z to 2026-03-07T12:30:00Z;"
        f" compute it anew: {again}"
    )
    assert (outcome.state, outcome.code, outcome.error) == ("succeeded", OutcomeCode.DRIFTED, None)
    assert (outcome.total.picked, outcome.total.changed) == (0, 0)
    assert (outcome.total.also["audited"], outcome.total.also["drifted"]) == (1, 1)
    assert shop.summary() == before
    with engine.connect() as connection:
        kept = history(connection, job=JOB, limit=1)[0]
    assert (kept.note, kept.outcome_code) == (outcome.note, OutcomeCode.DRIFTED)
    assert kept.total.also == outcome.total.also


def test_what_it_names_is_mended_by_the_command_that_it_names(engine: Engine) -> None:
    shop = open_sales(engine)
    days(shop)
    shop.run("2026-03-19 13:00", **late(shop))
    shop.change(7, total_minor=700)
    scope = RollupScope(start=at("2026-03-06 12:30"), end=at("2026-03-07 12:30"))

    mended = shop.run("2026-03-19 14:00", scope=scope, **late(shop))

    assert mended.total.also == {"computed": 1}
    assert named(shop, "2026-03-19 14:01", **late(shop)) == {}


def test_what_the_next_run_brings_in_is_no_drift(engine: Engine) -> None:
    """A row that was changed since the last run: this one computes its window, whatever window it looks at."""
    shop = open_sales(engine)
    days(shop)
    shop.run("2026-03-19 13:00", **late(shop))
    shop.change(7, total_minor=700, updated_at=at("2026-03-19 13:30"))

    assert named(shop, "2026-03-19 14:00", **late(shop)) == {}
    assert shop.run("2026-03-19 14:00", **late(shop)).total.changed == 1


def test_without_word_on_how_long_rows_are_kept_sealed_windows_are_not_looked_at(engine: Engine) -> None:
    """Trap 13: their rows may have been purged, and a difference would mean nothing."""
    shop = open_sales(engine)
    days(shop)
    shop.run("2026-03-19 13:00")
    for day in range(1, 17):
        shop.forget(total_minor=day)

    assert named(shop, "2026-03-19 14:00") == {}
    assert shop.run("2026-03-19 14:00").total.also == {"computed": 3}


def test_rows_kept_has_sealed_windows_looked_at_too_but_none_whose_rows_may_be_gone(engine: Engine) -> None:
    """Ten days of rows: those of the 9th, 12:30, and before may be gone by 13:00 of the 19th, and an hour is left."""
    shop = open_sales(engine)
    days(shop)
    shop.run("2026-03-19 13:00", rows_kept="10d")
    for day in range(1, 10):
        shop.forget(total_minor=day)
    shop.order("2026-03-12 11:00", "INR", 1)  # later than its lateness
    spoil(shop, 14, revenue=0, orders=0)
    with engine.begin() as connection:
        connection.execute(delete(shop.sums).where(shop.sums.c.revenue == 15))

    assert named(shop, "2026-03-19 13:00", rows_kept="10d") == {12: 1, 14: 1, 15: 1}


def test_a_run_of_the_past_looks_at_no_rows_that_are_gone_by_now(engine: Engine) -> None:
    shop = open_sales(engine)
    days(shop)
    shop.run("2026-03-19 13:00", rows_kept="10d")
    for day in range(1, 10):
        shop.forget(total_minor=day)

    assert named(shop, "2026-03-12 13:00", rows_kept="10d") == {}


def test_windows_of_the_hour_before_the_seal_still_have_their_rows(engine: Engine) -> None:
    """A purge leaves them: `rolled_up` ends an hour before the seal."""
    shop = open_sales(engine)
    quarters: dict[str, Any] = {"windows": every("15m"), "lateness": "2h", "close_after": "0s"}
    for minute in range(0, 240, 15):
        shop.order(at("2026-03-01 00:00") + timedelta(minutes=minute), "INR", 1)
    shop.run("2026-03-01 04:00", **quarters)

    found = looks(shop, "2026-03-01 04:00", **quarters)

    assert sorted(f"{window.start:%H:%M}" for window in found) == ["01:00", "01:15", "01:30", "01:45"]


def test_a_look_that_fails_is_said_and_fails_nothing(engine: Engine) -> None:
    """All windows are done by then. The least of whole numbers has no absolute value."""
    shop = open_sales(engine)
    orders = shop.orders.c
    options = {"aggregates": {"orders": func.count(), "revenue": func.sum(func.abs(orders.total_minor))}, **late(shop)}
    days(shop)
    shop.run("2026-03-19 13:00", **options)
    found = looks(shop, "2026-03-19 14:00", **options)
    shop.change(7, total_minor=-(2**63))

    when = next(time for window, (time, _) in found.items() if window.end.day == 7)
    outcome = run_job(engine, shop.job(**options), at=when, limits=UNHURRIED)

    assert str(outcome.note).startswith("sales: no old window could be audited: ")
    assert (outcome.state, outcome.code) == ("succeeded", None)


def test_a_stretch_and_a_rebuild_look_at_nothing_else(engine: Engine) -> None:
    shop = open_sales(engine)
    days(shop)
    shop.run("2026-03-19 13:00", rows_kept="30d")
    for scope in (RollupScope(start=at("2026-03-17 00:00")), RollupScope(rebuild=True)):
        assert "audited" not in shop.run("2026-03-19 14:00", scope=scope, rows_kept="30d").total.also


def test_rows_must_be_kept_for_longer_than_windows_are_computed(engine: Engine) -> None:
    shop = open_sales(engine, make=False)

    with pytest.raises(PolicyError, match="rows_kept is 3d, and a window is computed until 3d"):
        shop.policy(rows_kept="3d").plan()


wrongs = some.lists(some.tuples(some.integers(1, 18), some.sampled_from(["row", "gone", "sums", "late"])), max_size=6)


@pytest.mark.databases("sqlite", "postgres")
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(wrong=wrongs, kept=some.integers(4, 19))
def test_it_names_what_a_plain_model_says(wrong: list[tuple[int, str]], kept: int, engine: Engine) -> None:
    """Random changes of rows and sums: named is each window that the rows contradict, with how many groups."""
    shop = open_sales(engine)
    own = own_tables(engine.dialect.name)
    with engine.begin() as connection:
        for table in (shop.orders, shop.sums, own.runs, own.watermarks):
            connection.execute(delete(table))
    days(shop)
    shop.run("2026-03-19 13:00", rows_kept=f"{kept}d")
    rows = {day: {("INR", day)} for day in range(1, 20)}
    sums = {day: {"INR": (1, day)} for day in range(1, 20)}
    for number, (day, kind) in enumerate(wrong):
        if kind == "row":
            shop.order(f"2026-03-{day:02} 11:00", f"C{number}", 5000)
            rows[day].add((f"C{number}", 5000))
        elif kind == "late":
            shop.order(f"2026-03-{day:02} 11:00", "INR", 1000 + number)
            rows[day].add(("INR", 1000 + number))
        elif kind == "gone":
            shop.forget(total_minor=day)
            rows[day].discard(("INR", day))
        else:
            spoil(shop, day, revenue=-number)
            sums[day] = {currency: (orders, -number) for currency, (orders, _) in sums[day].items()}

    expected = {}
    for day in range(21 - kept, 17):
        fresh: dict[str, tuple[int, int]] = {}
        for currency, total in rows[day]:
            orders, revenue = fresh.get(currency, (0, 0))
            fresh[currency] = (orders + 1, revenue + total)
        # What is kept of sealed windows without rows stays, as at the first run nobody knows whether they were purged.
        differing = {one for one in {*fresh, *sums[day]} if fresh.get(one) != sums[day].get(one)} if fresh else set()
        if differing:
            expected[day] = len(differing)
    assert named(shop, "2026-03-19 13:00", rows_kept=f"{kept}d") == expected
