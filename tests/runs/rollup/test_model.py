"""Random rows, late rows, deletions and clocks over both clock changes, against sums in plain Python."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import Engine, delete

from sexton import cron
from sexton.db.tables import own_tables
from sexton.testing import preview_job, run_job
from tests.support.pace import UNHURRIED
from tests.support.sales import REPORT, Sales, at, open_sales

few, many = (
    settings(max_examples=number, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
    for number in (8, 60)
)

CHANGES = {
    "Asia/Kolkata": ("2026-03-08 00:00",),  # its clocks never change
    "America/New_York": ("2026-03-08 07:00", "2026-11-01 06:00"),
    "Asia/Jerusalem": ("2026-03-27 00:00", "2026-10-24 23:00"),
}
HOURS = (0, 2, 18)
LATENESS = timedelta(days=3)

Group = tuple[datetime, datetime, str | None]


@dataclass(frozen=True)
class Order:
    """A row as the model sees it. place: hours from the change of clocks."""

    place: float
    currency: str | None
    total: int


orders = some.builds(
    Order,
    some.sampled_from([hours + step for hours in range(-60, 61, 6) for step in (-1 / 3600, 0, 0.5)]),
    some.sampled_from(["INR", "USD", None]),
    some.integers(-1000, 1000),
)
steps = some.lists(
    some.tuples(some.lists(orders, max_size=5), some.integers(0, 3), some.integers(1, 40)), min_size=1, max_size=5
)
"""Of each step: orders that come, how many of the oldest go, and hours until the run."""


@pytest.fixture
def shop(engine: Engine) -> Sales:
    """One database for all examples; each fills it anew."""
    return open_sales(engine)


def edges(zone: str, hour: int, around: datetime) -> list[datetime]:
    """Each day's local hour as the clock rule has it: in a gap at its end, of two the first; by local time alone."""
    rules, found = ZoneInfo(zone), []
    for day in range(-8, 9):
        local = (around + timedelta(days=day)).astimezone(rules).replace(hour=hour, minute=0, second=0, microsecond=0)
        instant = local.replace(fold=0).astimezone(UTC)
        if instant.astimezone(rules).hour != hour:  # skipped: the first instant after the gap
            instant = local.replace(fold=1).astimezone(UTC) + timedelta(hours=1)
            while (instant - timedelta(minutes=30)).astimezone(rules).utcoffset() == instant.astimezone(
                rules
            ).utcoffset():
                instant -= timedelta(minutes=30)
        found.append(instant)
    return sorted(set(found))


def sums(
    rows: list[tuple[datetime, str | None, int]], bounds: list[datetime], to: datetime
) -> dict[Group, tuple[int, int]]:
    """What has to be kept: of each closed window and currency, the number of orders and their total."""
    found: dict[Group, list[int]] = defaultdict(list)
    for created, currency, total in rows:
        end = next(edge for edge in bounds if edge > created)
        start = max(edge for edge in bounds if edge <= created)
        if end <= to:
            found[start, end, currency].append(total)
    return {group: (len(totals), sum(totals)) for group, totals in found.items()}


def kept(shop: Sales) -> dict[Group, tuple[int, int]]:
    with shop.engine.connect() as connection:
        rows = connection.execute(shop.sums.select()).all()
    assert len(rows) == len({(row.window_start, row.currency) for row in rows})
    return {(row.window_start, row.window_end, row.currency): (row.orders, row.revenue) for row in rows}


def told(shop: Sales) -> dict[Group, tuple[int, int]]:
    """What reports and corrections come to, without groups that cancel out."""
    found: dict[Group, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for _, payload in shop.payloads():
        window = tuple(datetime.fromisoformat(payload[name]) for name in ("window_start", "window_end"))
        for line in payload["lines"]:
            group = (window[0], window[1], line["currency"])
            found[group] = (found[group][0] + line["orders"], found[group][1] + line["revenue"])
    return {group: values for group, values in found.items() if values != (0, 0)}


def empty(shop: Sales) -> None:
    own = own_tables(shop.engine.dialect.name)
    with shop.engine.begin() as connection:
        for table in (shop.orders, shop.sums, own.effects, own.outbox_events, own.runs, own.watermarks):
            connection.execute(delete(table))


cases = some.sampled_from(
    [(zone, change, hour) for zone, found in CHANGES.items() for change in found for hour in HOURS]
)


@pytest.mark.databases("sqlite", "postgres15")
@few
@given(case=cases, plan=steps)
def test_sums_are_those_of_the_rows_whatever_came_late_or_went(
    case: tuple[str, str, int], plan: list[tuple[list[Order], int, int]], shop: Sales
) -> None:
    """Run twice is run once, a dry run foresees it, and what was told adds up to what is kept."""
    compare(shop, *case, plan)


@pytest.mark.databases("sqlite")
@pytest.mark.slow
@many
@given(case=cases, plan=steps)
def test_the_same_with_many_more_of_them(
    case: tuple[str, str, int], plan: list[tuple[list[Order], int, int]], shop: Sales
) -> None:
    compare(shop, *case, plan)


def compare(shop: Sales, zone: str, change: str, hour: int, plan: list[tuple[list[Order], int, int]]) -> None:
    """Play it out, and look after each run."""
    empty(shop)
    around = at(change)
    bounds = edges(zone, hour, around)
    job = shop.job(windows=cron(f"0 {hour} * * *", tz=zone), close_after="0s", tell=REPORT)
    rows: list[tuple[datetime, str | None, int]] = []
    now = around - timedelta(hours=40)
    first: datetime | None = None

    for arrive, leave, wait in plan:
        now += timedelta(hours=wait)
        # Who comes later than the lateness is lost to a sealed window, as is who leaves it then.
        alive = [around + timedelta(hours=one.place) for one in arrive]
        fresh = [(created, one.currency, one.total) for created, one in zip(alive, arrive, strict=True)]
        fresh = [
            row for row in fresh if row[0] > now - LATENESS + timedelta(days=1) and (first is None or row[0] >= first)
        ]
        for created, currency, total in fresh:
            shop.order(created, currency, total)
        rows += fresh
        for created, currency, total in rows[:leave]:
            if created > now - LATENESS + timedelta(days=1):
                shop.forget(created_at=created, currency=currency, total_minor=total)
                rows = [row for row in rows if row != (created, currency, total)]
        expected = preview_job(shop.engine, job, at=now)
        outcome, again = (run_job(shop.engine, job, at=now, limits=UNHURRIED) for _ in range(2))
        mark = shop.mark()
        first = None if mark is None else mark.begins_at

        assert outcome.state == again.state == "succeeded"
        assert (again.total.picked, again.total.changed, again.total.told) == (0, 0, 0)
        assert expected.steps == outcome.steps
        closed = max(edge for edge in bounds if edge <= now)
        assert kept(shop) == (sums(rows, bounds, closed) if mark is not None else {})
        if mark is not None:
            since = {group: values for group, values in kept(shop).items() if group[1] > mark.told_from}
            assert told(shop) == {group: values for group, values in since.items() if values != (0, 0)}
