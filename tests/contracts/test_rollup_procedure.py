"""Roll-ups inside PostgreSQL and from Python: the same sums, marks, effects, messages, counts, notes and history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Engine, Index, MetaData, Numeric, Table, func, insert, select, update

from sexton import CoarserRollup, Job, Rollup, RollupReport, UtcDateTime, cron, every
from sexton.db.column_types import NaiveUtc
from sexton.db.connect import open_database
from sexton.db.tables import own_tables
from sexton.engines.pg_cron.not_compilable import NotCompilable
from sexton.runs.runner import RunOptions
from sexton.slots.due_run import DueRun
from sexton.testing import run_job
from tests.support.databases import Databases
from tests.support.inside import install, run_inside
from tests.support.pace import UNHURRIED
from tests.support.sales import JOB, REPORT, STEP, Sales, at, open_sales

pytestmark = pytest.mark.databases("postgres15")

BERLIN = "Europe/Berlin"

Work = Callable[[Sales], Any]


class Twins:
    """Two shops with the very same rows; the jobs of one are run by Python, those of the other inside."""

    def __init__(self, python: Engine, inside: Engine) -> None:
        self.python, self.inside = open_sales(python), open_sales(inside)

    def both(self, act: Callable[[Sales], object]) -> None:
        """Do the same to both."""
        act(self.python)
        act(self.inside)

    def order(self, created: str, currency: str = "INR", total: int = 1, **more: Any) -> None:
        """One order in each."""
        self.both(lambda shop: shop.order(created, currency, total, **more))

    def run(self, now: str, work: Work, name: str = JOB) -> Any:
        """A run of each, and that nothing differs; the newest row of history."""
        jobs = [Job(name, work=work(shop)) for shop in (self.python, self.inside)]
        run_job(self.python.engine, jobs[0], at=at(now), limits=UNHURRIED)
        run_inside(self.inside.engine, jobs[1], DueRun(name, None, at(now)), RunOptions(limits=UNHURRIED))
        python, inside = what_is_there(self.python), what_is_there(self.inside)
        for part, rows in python.items():
            assert inside[part] == rows, f"{part} as of {now}"
        return python["runs"][-1]


def what_is_there(shop: Sales) -> dict[str, list[Any]]:
    """All that runs leave, by table, but for who ran them, when, and in how many transactions."""
    ours = own_tables("postgresql")
    fact, event, mark, run = ours.effects.c, ours.outbox_events.c, ours.watermarks.c, ours.runs.c
    marks = [column for column in mark if column.name != "updated_at"]
    asked = {
        "effects": select(fact.key, fact.job, fact.subject, fact.created_at, fact.form).order_by(fact.key),
        "messages": select(event.key, event.event_type, event.recipient, event.payload, event.created_at).order_by(
            event.id
        ),
        "marks": select(*marks).order_by(mark.job, mark.step),
        "runs": select(
            run.job, run.state, run.as_of, run.counts, run.picked, run.changed, run.told, run.skipped, run.error,
            run.note, run.outcome_code,
        ).order_by(run.id),
    }  # fmt: skip
    with shop.engine.connect() as connection:
        tables = connection.exec_driver_sql(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'sales%%' ORDER BY 1"
        ).scalars()
        found = {part: [*connection.execute(statement)] for part, statement in asked.items()}
        for name in tables:
            rows = connection.exec_driver_sql(f"SELECT to_jsonb(t) FROM {name} t").scalars()
            found[name] = sorted(rows, key=str)
    return found


@pytest.fixture
def twins(databases: Databases, database_kind: str) -> Iterator[Twins]:
    """Two databases."""
    with ExitStack() as stack:
        engines = []
        for _ in range(2):
            engines.append(open_database(stack.enter_context(databases.fresh(database_kind, migrated=True))))
            stack.callback(engines[-1].dispose)
        yield Twins(*engines)


@pytest.mark.parametrize(
    ("zone", "changes"),
    [
        ("Asia/Jerusalem", ("2026-03-27 00:00", "2026-10-24 23:00")),
        ("America/New_York", ("2026-03-08 07:00", "2026-11-01 06:00")),
    ],
)
def test_days_over_both_changes_of_clocks_are_told_and_corrected_alike(
    zone: str, changes: tuple[str, str], twins: Twins
) -> None:
    """With rows that come late, rows that go, and days without any."""

    def work(shop: Sales) -> Any:
        report = RollupReport("sales_report", to="admin", payload={"shop": "tea", "window_end": "ours"})
        return shop.policy(windows=cron("30 2 * * *", tz=zone), tell=report, close_after="0s")

    twins.run("2026-03-01 00:00", work)  # without a row
    twins.order("2025-12-01 00:00", total=70)
    for change in changes:
        moment = at(change)
        for hours in (-49, -1, 0, 1, 2, 26, 100):
            twins.order(f"{moment + timedelta(hours=hours):%Y-%m-%d %H:%M}", "INR" if hours % 2 else "USD", hours)
        twins.run(f"{moment + timedelta(hours=12):%Y-%m-%d %H:%M}", work)
        twins.order(f"{moment + timedelta(hours=1.5):%Y-%m-%d %H:%M}", "EUR", 5)
        twins.order(f"{moment - timedelta(hours=30):%Y-%m-%d %H:%M}", "INR", 7)
        twins.both(lambda shop: shop.forget(total_minor=2))
        for hours in (20, 21, 40, 120, 121):
            twins.run(f"{moment + timedelta(hours=hours):%Y-%m-%d %H:%M}", work)
        twins.both(lambda shop: shop.forget(total_minor=100))
        last = twins.run(f"{moment + timedelta(hours=140):%Y-%m-%d %H:%M}", work)
    assert last.told > 0
    events = {event for event, _ in twins.inside.payloads()}
    assert events == {"sales_report", "sales_report_correction"}


def longer(shop: Sales, name: str) -> Table:
    """A table for the sums of longer windows."""
    table = shop.sums.to_metadata(MetaData(), name=name)
    table.indexes.clear()
    Index(f"{name}_window", table.c.window_start, table.c.currency, unique=True)
    return table


def test_months_of_days_are_the_same_in_one_job_and_in_two(twins: Twins) -> None:
    """And each refuses what the other refuses, in the same words: months whose days are computed by nobody."""
    for name in ("sales_months", "sales_years"):
        twins.both(lambda shop, name=name: longer(shop, name).create(shop.engine))  # type: ignore[misc]

    def days(shop: Sales, tz: str = BERLIN) -> Rollup:
        return shop.policy(windows=cron("0 0 * * *", tz=tz), close_after="0s")

    def months(shop: Sales, **options: Any) -> CoarserRollup:
        into, windows = longer(shop, "sales_months"), cron("0 0 1 * *", tz=BERLIN)
        return CoarserRollup(days(shop), windows, into, name="months", tell=REPORT, **options)

    def whole(shop: Sales) -> list[Any]:
        first = months(shop)
        years = CoarserRollup(first, cron("0 0 1 1 *", tz=BERLIN), longer(shop, "sales_years"), name="years")
        return [days(shop), first, years]

    for day in range(1, 32, 3):
        twins.order(f"2026-03-{day:02} 12:00", "INR", day)
    twins.order("2025-06-01 12:00", "USD", 9)
    for now in ("2026-03-30 12:00", "2026-03-31 22:00", "2026-04-02 00:00"):
        twins.run(now, whole)
    twins.order("2026-03-31 12:00", "INR", 1000)
    for now in ("2026-04-02 12:00", "2026-04-10 00:00"):
        twins.run(now, whole)
    twins.run("2026-04-10 01:00", lambda shop: months(shop, job=JOB), "shop.months")
    assert [line.split()[-1] for line in Sales(*parts(twins.inside, "sales_years")).summary()] == ["9"]

    refused = twins.run("2026-04-10 02:00", lambda shop: months(shop, job="shop.nobody"), "shop.other")
    assert "shop.nobody has computed none in a step sales" in refused.error
    refused = twins.run("2026-04-10 02:00", lambda shop: days(shop, "UTC"))
    assert "summaries of both would stand side by side" in refused.error


def parts(shop: Sales, sums: str) -> tuple[Engine, Table, Table]:
    """Of a shop that looks at other sums."""
    return shop.engine, shop.orders, longer(shop, sums)


@pytest.mark.parametrize("windows", [cron("0 18 * * *", tz="Asia/Kolkata"), every("12h")])
def test_each_run_looks_at_the_same_old_window_and_says_the_same_of_it(windows: Any, twins: Twins) -> None:
    """Drawn by job, step and time: also which code and which note."""

    def work(shop: Sales) -> Any:
        return shop.policy(windows=windows, lateness="15d", changed_at=shop.orders.c.updated_at, rows_kept="30d")

    for day in range(1, 20):
        twins.order(f"2026-03-{day:02} 10:00", total=day, updated_at=at(f"2026-03-{day:02} 10:00"))
    twins.run("2026-03-19 13:00", work)
    twins.both(spoil)
    twins.both(lambda shop: shop.change(12, updated_at=at("2026-03-19 13:30"), total_minor=1200))
    said = [twins.run(f"2026-03-19 14:{minute:02}", work) for minute in range(12)]
    assert {run.outcome_code for run in said} == {None, "drifted"}
    assert all(run.counts[STEP]["also"]["audited"] == 1 for run in said)


def spoil(shop: Sales) -> None:
    """Somebody writes into half of the sums."""
    with shop.engine.begin() as connection:
        odd = shop.sums.c.revenue % 2 == 1
        connection.execute(update(shop.sums).where(odd).values(revenue=-1))


def test_a_window_that_cannot_be_written_holds_the_mark_in_the_same_words(twins: Twins) -> None:
    """With a row of 1970, from which a stretch of 56 years is passed over as one."""

    def work(shop: Sales) -> Any:
        total = func.nullif(func.sum(shop.orders.c.total_minor), 14)  # NOT NULL says no
        return shop.policy(aggregates={"orders": func.count(), "revenue": total}, tell=REPORT)

    twins.order("1970-01-01 00:00", total=70)
    for day in range(1, 20):
        twins.order(f"2026-03-{day:02} 10:00", total=day)
    for now in ("2026-03-19 13:00", "2026-03-19 14:00"):
        refused = twins.run(now, work)
        assert refused.state == "failed"
        assert "window 2026-03-13 12:30 to 2026-03-14 12:30 UTC cannot be written: 23502" in refused.error
    twins.both(lambda shop: shop.change(14, total_minor=15))
    assert twins.run("2026-03-19 15:00", work).state == "succeeded"
    assert len(twins.inside.summary()) == 20


def test_decimals_and_times_without_a_zone_stand_in_messages_as_python_writes_them(twins: Twins) -> None:
    """Down to the smallest: 0.0000000000 is no 0E-10."""
    metadata = MetaData()
    readings = Table(
        "readings",
        metadata,
        Column("id", BigInteger, primary_key=True),
        Column("taken_at", NaiveUtc()),
        Column("amount", Numeric(20, 10)),
    )
    kept = Table(
        "sales_readings",
        metadata,
        Column("window_start", NaiveUtc(), nullable=False),
        Column("window_end", NaiveUtc(), nullable=False),
        Column("amount", Numeric(20, 10)),
        Column("latest", NaiveUtc()),
        Column("share", Numeric(20, 10, asdecimal=False)),
    )
    twins.both(lambda shop: metadata.create_all(shop.engine))

    def work(_shop: Sales) -> Any:
        values = readings.c
        sums = {
            "amount": func.sum(values.amount),
            "latest": func.max(values.taken_at),
            "share": func.avg(values.amount),
        }
        windows = cron("0 0 * * *", tz="Asia/Kolkata")
        return Rollup(readings, values.taken_at, kept, sums, windows, tell=RollupReport("readings"), name="readings")

    def add(*rows: tuple[str, str | None]) -> None:
        values = [{"taken_at": at(time), "amount": amount} for time, amount in rows]
        twins.both(lambda shop: fill(shop.engine, readings, values))

    add(("2026-03-01 03:00", "0.0000000001"), ("2026-03-01 04:00", "-0.0000000001"))
    twins.run("2026-03-02 00:00", work)
    add(("2026-03-01 05:00", "12345678.5"))
    twins.run("2026-03-02 01:00", work)
    add(("2026-03-02 05:00", None))
    twins.run("2026-03-03 00:00", work)
    lines = [payload["lines"][0] for _, payload in twins.inside.payloads()]
    assert [line["amount"] for line in lines] == ["0.0000000000", "12345678.5000000000", None]


def fill(engine: Engine, table: Table, rows: list[dict[str, Any]]) -> None:
    with engine.begin() as connection:
        connection.execute(insert(table), rows)


def test_a_value_whose_form_in_a_message_only_python_knows_is_refused(engine: Engine) -> None:
    """By name; without messages it is summed up like any other."""
    metadata = MetaData()
    shop = open_sales(engine)
    kept = Table(
        "sales_latest",
        metadata,
        Column("window_start", UtcDateTime(), nullable=False),
        Column("window_end", UtcDateTime(), nullable=False),
        Column("orders", Numeric(12)),
    )
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE sales_latest ALTER COLUMN orders TYPE bigint")
    options: dict[str, Any] = {"into": kept, "group": [], "aggregates": {"orders": func.count()}}
    with pytest.raises(
        NotCompilable, match=r"^shop\.sales, step sales: .* it tells of orders, a int8 declared Numeric"
    ):
        install(engine, shop.job(tell=REPORT, **options))
    assert install(engine, shop.job(**options)).body
