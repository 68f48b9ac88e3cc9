"""Instants: what Python gives, what the database keeps, what comes back; and parameters that carry their meaning."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import Column, DateTime, Engine, Integer, MetaData, Table, Text, insert, select, text

from sexton import ago, ahead, now, today
from sexton.db.column_types import NaiveUtc, UtcDateTime, is_naive, is_time
from sexton.db.time_parameters import instant, instant_values, parse_instant_name
from sexton.jobs.span import Span

AWARE = [
    datetime(2026, 6, 15, 12, 0, tzinfo=UTC),
    datetime(2026, 6, 15, 12, 0, 0, 1, tzinfo=UTC),
    datetime(2026, 6, 15, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=-11))),
    datetime(2027, 10, 31, 1, 30, tzinfo=ZoneInfo("Asia/Jerusalem")),
    datetime(2027, 10, 31, 1, 30, fold=1, tzinfo=ZoneInfo("Asia/Jerusalem")),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1, 1, 2, tzinfo=UTC),
    datetime(9999, 12, 30, tzinfo=UTC),
]
NAIVE: Any = NaiveUtc()
ZONED: Any = UtcDateTime()
PLAIN: Any = DateTime()
offsets = some.integers(-36500 * 86_400_000, 36500 * 86_400_000).map(lambda number: timedelta(milliseconds=number))

times = some.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001 (made aware where used)


@pytest.fixture
def moments(engine: Engine) -> Table:
    """A table with an instant of each kind."""
    table = Table(
        "moments",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("zoned", UtcDateTime),
        Column("naive", NaiveUtc),
    )
    table.create(engine)
    return table


def test_an_instant_comes_back_as_the_same_instant_in_utc(engine: Engine, moments: Table) -> None:
    rows = [{"id": number, "zoned": at, "naive": at} for number, at in enumerate(AWARE)]
    with engine.begin() as connection:
        connection.execute(insert(moments), [*rows, {"id": 99, "zoned": None, "naive": None}])
        kept = connection.execute(select(moments.c.zoned, moments.c.naive).order_by(moments.c.id)).all()

    expected = [at.astimezone(UTC) for at in AWARE]
    assert [row.zoned for row in kept[:-1]] == [row.naive for row in kept[:-1]] == expected
    assert all(row.zoned.tzinfo is UTC for row in kept[:-1])
    assert tuple(kept[-1]) == (None, None)


@pytest.mark.parametrize("kind", [UtcDateTime(), NaiveUtc()])
def test_a_time_without_zone_names_no_instant_and_is_refused(engine: Engine, kind: UtcDateTime) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        kind.process_bind_param(datetime(2026, 6, 15), engine.dialect)  # noqa: DTZ001


@pytest.mark.databases("sqlite")
def test_sqlite_keeps_one_form_that_sorts_as_time(engine: Engine, moments: Table) -> None:
    with engine.begin() as connection:
        connection.execute(insert(moments), [{"id": number, "zoned": at} for number, at in enumerate(AWARE)])
        kept = connection.execute(text("SELECT zoned FROM moments ORDER BY zoned")).scalars().all()

    assert kept == [f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}".rjust(26, "0") for at in sorted(AWARE)]


@pytest.mark.databases("postgres")
def test_a_naive_column_is_written_and_read_as_utc_whatever_the_session_says(engine: Engine, moments: Table) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL timezone = 'Pacific/Auckland'"))
        connection.execute(insert(moments), [{"id": 1, "naive": AWARE[0], "zoned": AWARE[0]}])
        raw = connection.execute(text("SELECT naive::text FROM moments")).scalar()
        kept = connection.execute(select(moments.c.naive, moments.c.zoned)).one()

    assert raw == "2026-06-15 12:00:00"
    assert tuple(kept) == (AWARE[0], AWARE[0])


def test_which_types_hold_instants_and_which_of_them_keep_no_zone() -> None:
    assert [is_time(kind) for kind in (UtcDateTime(), NaiveUtc(), DateTime(), Text(), Integer())] == [
        True,
        True,
        True,
        False,
        False,
    ]
    kinds = (UtcDateTime(), NaiveUtc(), DateTime(), DateTime(timezone=True), Text())
    assert [is_naive(kind) for kind in kinds] == [False, True, True, False, False]


@given(offsets)
def test_the_name_of_an_instant_says_where_it_lies(offset: timedelta) -> None:
    for like in (None, NAIVE, ZONED):
        meaning = parse_instant_name(instant(offset, like).key)
        assert meaning is not None
        assert meaning[0] == Span(length=offset)


@given(
    offsets.filter(lambda offset: abs(offset) < timedelta(days=9000)),
    times,
)
def test_values_are_the_runs_time_moved_by_what_the_name_says(offset: timedelta, local: datetime) -> None:
    at = local.replace(tzinfo=UTC)
    name = instant(offset).key

    assert instant_values([name, "sexton_job", "nowhere"], at) == {name: at + offset}


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        (now(), "now"),
        (now(NAIVE), "now_naive"),
        (ago("30d"), "now_minus_30d"),
        (ago("720h"), "now_minus_30d"),
        (ago("90m"), "now_minus_90m"),
        (ahead("15d"), "now_plus_15d"),
        (ahead("15d", PLAIN), "now_plus_15d_naive"),
        (ago("0s"), "now"),
        (today("UTC"), "now_date_555443"),
    ],
)
def test_names_are_as_people_would_say_them(parameter: object, name: str) -> None:
    assert getattr(parameter, "key", None) == name


def test_today_is_the_date_of_the_zone() -> None:
    """T2.2: half past midnight in Israel is still yesterday in UTC."""
    at = datetime(2026, 6, 14, 21, 30, tzinfo=UTC)
    here, there = today("Asia/Jerusalem").key, today("UTC").key

    assert instant_values([here, there], at) == {here: date(2026, 6, 15), there: date(2026, 6, 14)}


@pytest.mark.parametrize("name", ["later", "now_", "now_minus_", "nowadays", "now_minus_30d_naive_x", "sexton_now", ""])
def test_other_names_are_no_instants(name: str) -> None:
    assert parse_instant_name(name) is None
