"""Roll-ups of roll-ups: longer windows wait for the shorter ones that they are made of, and hold what those come to."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import Engine, Index, MetaData, Table, delete, func, inspect, select

from sexton import CoarserRollup, Job, PolicyError, cron, every, rolled_up
from sexton.db.tables import own_tables
from sexton.db.watermarks import Watermark, read_watermark
from sexton.jobs.rollup_scope import EVERY_RUN, RollupScope
from sexton.runs.outcome import Outcome
from sexton.testing import preview_job, run_job
from tests.support.pace import UNHURRIED
from tests.support.sales import JOB, REPORT, STEP, Sales, at, open_sales

BERLIN = "Europe/Berlin"
DAYS, MONTHS = cron("0 0 * * *", tz=BERLIN), cron("0 0 1 * *", tz=BERLIN)
WEEKS = "weeks"


class Weeks:
    """Orders by days, and those by longer windows, in one job or two."""

    def __init__(self, engine: Engine, windows: Any = MONTHS, *, make: bool = True, **options: Any) -> None:
        self.shop = open_sales(engine, make=make)
        self.table = self.longer("sales_weeks", make=make)
        self.windows, self.options = windows, options

    def longer(self, name: str, *, make: bool = True) -> Table:
        """A table for longer windows. make: it, too."""
        table = self.shop.sums.to_metadata(MetaData(), name=name)
        table.indexes.clear()
        Index(f"{name}_window", table.c.window_start, table.c.currency, unique=True)
        if make:
            table.create(self.shop.engine)
        return table

    def work(self, **finer: Any) -> list[Any]:
        """Both policies."""
        days = self.shop.policy(**{"windows": DAYS, "close_after": "0s", **finer})
        return [days, CoarserRollup(days, self.windows, self.table, name=WEEKS, **self.options)]

    def run(self, now: str, scope: RollupScope = EVERY_RUN, **finer: Any) -> Outcome:
        """One job with both."""
        job = Job(JOB, work=self.work(**finer))
        outcome = run_job(self.shop.engine, job, at=at(now), limits=UNHURRIED, rollup=scope)
        assert (outcome.state, outcome.error) == ("succeeded", None)
        return outcome

    def kept(self, table: Table | None = None) -> list[str]:
        """Rows of the coarser sums: "start to end currency orders revenue"."""
        shop = self.shop
        return Sales(shop.engine, shop.orders, self.table if table is None else table).summary()

    def mark(self) -> Watermark:
        """Of the coarser sums."""
        with self.shop.engine.connect() as connection:
            found = read_watermark(connection, JOB, WEEKS)
        assert found is not None
        return found


def test_months_are_made_of_days_once_all_of_them_are_computed(engine: Engine) -> None:
    """In a zone whose clocks change in it; March has 743 hours there."""
    weeks = Weeks(engine)
    weeks.shop.order("2026-02-27 12:00", "INR", 1)
    weeks.shop.order("2026-02-28 23:00", "INR", 2)  # the first hour of March
    weeks.shop.order("2026-03-31 21:59", "INR", 4)  # the last one
    weeks.shop.order("2026-03-31 21:59", "EUR", 8)
    weeks.shop.order("2026-03-31 22:00", "INR", 16)

    weeks.run("2026-03-31 21:00")
    assert weeks.kept() == ["2026-01-31 23:00 to 2026-02-28 23:00 INR 1 1"]
    weeks.run("2026-03-31 22:00")

    assert weeks.kept()[1:] == [
        "2026-02-28 23:00 to 2026-03-31 22:00 EUR 1 8",
        "2026-02-28 23:00 to 2026-03-31 22:00 INR 2 6",
    ]


def test_it_waits_for_the_mark_of_the_finer_one_and_for_no_clock(engine: Engine) -> None:
    """In jobs of their own: the days stood still for a week, and the month is over."""
    weeks = Weeks(engine, job="shop.days")
    days, months = weeks.work()
    finer, coarser = Job("shop.days", work=days), Job(JOB, work=months)
    for day in ("2026-03-02", "2026-03-20", "2026-03-30"):
        weeks.shop.order(f"{day} 12:00", "INR", 1)
    run_job(engine, finer, at=at("2026-03-25 00:00"), limits=UNHURRIED)

    early = run_job(engine, coarser, at=at("2026-04-10 00:00"), limits=UNHURRIED)
    assert (early.state, early.total.changed, weeks.kept()) == ("succeeded", 0, [])

    run_job(engine, finer, at=at("2026-04-10 00:00"), limits=UNHURRIED)
    expected = preview_job(engine, coarser, at=at("2026-04-10 00:01"))
    done = run_job(engine, coarser, at=at("2026-04-10 00:01"), limits=UNHURRIED)
    assert expected.steps == done.steps
    assert weeks.kept() == ["2026-02-28 23:00 to 2026-03-31 22:00 INR 3 3"]


def test_what_changes_in_a_day_reopens_its_month_until_the_last_day_is_sealed(engine: Engine) -> None:
    """And only then may the days go: `rolled_up` takes the coarser mark as it takes any."""
    weeks = Weeks(engine, tell=REPORT)
    for day in range(1, 32):
        weeks.shop.order(f"2026-03-{day:02} 12:00", "INR", day)
    weeks.run("2026-04-02 00:00")
    weeks.shop.order("2026-03-31 12:00", "INR", 1000)

    weeks.run("2026-04-03 12:00")
    assert weeks.kept() == ["2026-02-28 23:00 to 2026-03-31 22:00 INR 32 1496"]
    assert weeks.shop.told() == ["2026-03-31T22:00: INR 31 496", "2026-03-31T22:00:1: INR 1 1000"]
    assert weeks.mark().sealed_to is None
    weeks.run("2026-04-03 22:00")
    assert weeks.mark().sealed_to == at("2026-03-31 22:00")

    by = weeks.shop.sums.c.window_start
    with engine.connect() as connection:
        gone = connection.execute(select(func.count()).where(rolled_up(by, JOB, WEEKS))).scalar_one()
    assert gone == 31


def test_a_day_that_was_computed_anew_is_in_its_month_by_the_same_command(engine: Engine) -> None:
    weeks = Weeks(engine)
    weeks.shop.order("2026-02-10 12:00", "INR", 0)  # older sums: so those of March are all there
    for day in range(1, 32):
        weeks.shop.order(f"2026-03-{day:02} 12:00", "INR", day)
    weeks.run("2026-05-02 00:00")
    weeks.shop.change(5, total_minor=5000)
    stretch = RollupScope(start=at("2026-03-05 00:00"), end=at("2026-03-06 00:00"))

    weeks.run("2026-05-02 00:00", stretch)

    assert weeks.kept(weeks.shop.sums)[5] == "2026-03-04 23:00 to 2026-03-05 23:00 INR 1 5000"
    assert weeks.kept()[1] == "2026-02-28 23:00 to 2026-03-31 22:00 INR 31 5491"


def test_minima_and_maxima_are_those_of_their_days(engine: Engine) -> None:
    weeks = Weeks(engine)
    total = weeks.shop.orders.c.total_minor
    for day, amount in ((1, 7), (2, 3), (9, 5)):
        weeks.shop.order(f"2026-03-{day:02} 12:00", "INR", amount)

    weeks.run("2026-04-02 00:00", aggregates={"orders": func.min(total), "revenue": func.max(total)})

    assert weeks.kept() == ["2026-02-28 23:00 to 2026-03-31 22:00 INR 3 7"]


@pytest.mark.parametrize(
    ("finer", "coarser"),
    [
        (cron("0 0 * * 1", tz=BERLIN), MONTHS),
        (DAYS, cron("0 0 1 * *", tz="UTC")),
        (DAYS, cron("0 0 * * *", tz="Asia/Kolkata")),
        (DAYS, every("1h")),
        (cron("0 18 * * *", tz=BERLIN), MONTHS),
    ],
)
@pytest.mark.databases("sqlite")
def test_windows_that_are_not_made_of_whole_ones_are_refused(finer: Any, coarser: Any, engine: Engine) -> None:
    """ISO weeks are no months, and days of another zone end at another time."""
    weeks = Weeks(engine, coarser, make=False)

    with pytest.raises(PolicyError, match="and none of sales does: windows have to be made of whole ones"):
        weeks.work(windows=finer)[1].plan()


@pytest.mark.databases("sqlite")
def test_windows_that_nest_only_today_are_refused_by_the_run(engine: Engine) -> None:
    """The clocks of Amsterdam were 19 minutes and 32 seconds ahead of Greenwich until 1937."""
    weeks = Weeks(engine, cron("0 0 * * *", tz="Europe/Amsterdam"))
    weeks.shop.order("1930-03-01 10:00", "INR", 1)
    job = Job(JOB, work=weeks.work(windows=every("1h")))

    outcome = run_job(engine, job, at=at("1930-03-05 00:00"), limits=UNHURRIED)

    assert "and none of sales does" in str(outcome.error)


@pytest.mark.databases("sqlite")
def test_what_cannot_be_made_of_parts_is_refused(engine: Engine) -> None:
    weeks = Weeks(engine, make=False)
    total = weeks.shop.orders.c.total_minor

    for wrong in (func.avg(total), func.count(total.distinct()), func.coalesce(func.sum(total), 0)):
        with pytest.raises(PolicyError, match=r"revenue is .* which cannot be made of shorter windows"):
            weeks.work(aggregates={"orders": func.count(), "revenue": wrong})[1].plan()
    some_rows = func.count().filter(total > 5).label("revenue")
    assert weeks.work(aggregates={"orders": func.count(), "revenue": some_rows})[1].plan()


@pytest.mark.databases("sqlite")
def test_sums_of_nobody_knows_whom_are_refused(engine: Engine) -> None:
    """The name of the job is wrong, or the finer one is no step of this one."""
    weeks = Weeks(engine)
    weeks.shop.order("2026-03-01 10:00", "INR", 1)
    weeks.run("2026-04-10 00:00")

    outcome = run_job(engine, Job("shop.other", work=weeks.work()[1]), at=at("2026-04-10 00:00"))

    assert "shop.other has computed none in a step sales" in str(outcome.error)


@pytest.mark.databases("sqlite")
def test_years_are_made_of_months_of_days(engine: Engine) -> None:
    weeks = Weeks(engine)
    years = weeks.longer("sales_years")
    work = weeks.work()
    work.append(CoarserRollup(work[1], cron("0 0 1 1 *", tz=BERLIN), years, name="years"))
    for month in range(1, 13):
        weeks.shop.order(f"2025-{month:02}-10 10:00", "INR", month)

    run_job(engine, Job(JOB, work=work), at=at("2026-01-01 00:00"), limits=UNHURRIED)

    assert weeks.kept(years) == ["2024-12-31 23:00 to 2025-12-31 23:00 INR 12 78"]


def test_another_schedule_of_the_days_is_refused_until_both_are_rebuilt(engine: Engine) -> None:
    weeks = Weeks(engine)
    weeks.shop.order("2026-03-10 10:00", "INR", 1)
    weeks.run("2026-04-02 00:00")
    hours = cron("0 * * * *", tz=BERLIN)

    refused = run_job(engine, Job(JOB, work=weeks.work(windows=hours)[1]), at=at("2026-04-02 01:00"))
    weeks.run("2026-04-02 01:00", RollupScope(rebuild=True), windows=hours)

    assert "compute them anew" in str(refused.error)
    assert weeks.kept() == ["2026-02-28 23:00 to 2026-03-31 22:00 INR 1 1"]


orders = some.tuples(some.integers(0, 60), some.sampled_from(["INR", None]), some.integers(-9, 9))
steps = some.lists(
    some.tuples(some.lists(orders, max_size=5), some.integers(0, 2), some.integers(1, 400)), min_size=1, max_size=5
)
"""Of each step: orders of so many hours ago, how many of the oldest go, and hours until the next."""


@pytest.mark.databases("sqlite", "postgres")
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(plan=steps)
def test_longer_windows_hold_what_the_shorter_ones_come_to(plan: list[Any], engine: Engine) -> None:
    """Whatever comes late or goes, after each run: a plain sum over the days, of weeks that are over for the days."""
    weeks = Weeks(engine, cron("0 0 * * 1", tz=BERLIN), make=not_made(engine))
    own, shop = own_tables(engine.dialect.name), weeks.shop
    with engine.begin() as connection:
        for table in (shop.orders, shop.sums, weeks.table, own.runs, own.watermarks):
            connection.execute(delete(table))
    now, rows = at("2026-03-20 00:00"), list[Any]()
    for arrive, leave, wait in plan:
        for hours, currency, total in arrive:
            rows.append((now - timedelta(hours=hours), currency, total))
            shop.order(*rows[-1])
        for created, currency, total in rows[:leave]:
            shop.forget(created_at=created, currency=currency, total_minor=total)
        rows = rows[leave:]
        outcome, again = (weeks.run(f"{now:%Y-%m-%d %H:%M}") for _ in range(2))
        assert (again.total.picked, again.total.changed) == (0, 0)
        assert outcome.steps[WEEKS].also.get("computed", 0) <= outcome.steps[STEP].also.get("computed", 0)

        mark = shop.mark()
        sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
        with engine.connect() as connection:
            for row in connection.execute(shop.sums.select()):
                start = weeks.windows.previous(row.window_start)
                end = weeks.windows.next(row.window_start)
                if mark is not None and end <= mark.closed_to:
                    found = sums[start, end, row.currency]
                    found[0], found[1] = found[0] + row.orders, found[1] + row.revenue
            kept = {
                (row.window_start, row.window_end, row.currency): [row.orders, row.revenue]
                for row in connection.execute(weeks.table.select())
            }
        assert kept == sums
        now += timedelta(hours=wait)


def not_made(engine: Engine) -> bool:
    """Whether an earlier example has made the tables."""
    return not inspect(engine).has_table("sales_weeks")
