"""Each kind of time column, with rows one unit before, at and after the cutoff, NULL and far ahead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sexton.errors import PolicyError
from sexton.telemetry.debt import read_debt
from sexton.testing import preview_job, run_job
from tests.support.findings import about, examined

from .shop import Shop

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
MONTH = timedelta(days=30)
MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("written", "end", "left"),
    [
        ({}, NOON, [2, 3, 4, 5]),
        ({"boundary": "<="}, NOON, [3, 4, 5]),
        ({"keep": "30d"}, NOON - MONTH, [2, 3, 4, 5]),
        ({"keep": "30d", "boundary": "<="}, NOON - MONTH, [3, 4, 5]),
        ({"keep": "30d", "kind": "deadline"}, NOON - MONTH, [2, 3, 4, 5]),
    ],
    ids=["deadline", "deadline, inclusive", "birth", "birth, inclusive", "deadline with grace"],
)
@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_timestamps_to_the_microsecond(
    kind: str, written: dict[str, Any], end: datetime, left: list[int], shop: Shop
) -> None:
    """With zone, and naive for UTC."""
    shop.do(f"CREATE TABLE sessions (id int PRIMARY KEY, ends {'datetime' if shop.sqlite else kind})")
    for number, at in enumerate((end - MICROSECOND, end, end + MICROSECOND, None, end.replace(year=9000)), 1):
        plain = at if at is None or not (shop.sqlite or kind == "timestamp") else at.replace(tzinfo=None)
        value = str(plain) if shop.sqlite and plain is not None else plain
        shop.do("INSERT INTO sessions VALUES (:id, :at)", id=number, at=value)
    job = shop.armed(purge="sessions", by="ends", **written)

    assert preview_job(shop.engine, job, at=NOON).total.picked == 5 - len(left)
    assert run_job(shop.engine, job, at=NOON).total.changed == 5 - len(left)

    assert shop.ids("sessions") == left


@pytest.mark.parametrize(("unit", "in_second"), [("s", 1), ("ms", 1_000), ("us", 1_000_000)])
@pytest.mark.parametrize(("boundary", "left"), [("<", [2, 3, 4, 5]), ("<=", [3, 4, 5])])
def test_epochs_to_their_unit(unit: str, in_second: int, boundary: str, left: list[int], shop: Shop) -> None:
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, ends bigint)")
    end = int((NOON - MONTH).timestamp()) * in_second
    for number, at in enumerate((end - 1, end, end + 1, None, end * 100), 1):
        shop.do("INSERT INTO sessions VALUES (:id, :at)", id=number, at=at)

    run_job(shop.engine, shop.armed(purge="sessions", by="ends", keep="30d", unit=unit, boundary=boundary), at=NOON)

    assert shop.ids("sessions") == left


@pytest.mark.parametrize(("boundary", "left"), [("<", [2, 3]), ("<=", [2, 3])])
def test_an_epoch_between_two_units_is_neither_early_nor_late(boundary: str, left: list[int], shop: Shop) -> None:
    """Now is half a second past: second 0 is over, second 1 is to come."""
    shop.do("CREATE TABLE sessions (id int PRIMARY KEY, ends bigint)")
    second = int(NOON.timestamp())
    for number, at in enumerate((second, second + 1, second + 2), 1):
        shop.do("INSERT INTO sessions VALUES (:id, :at)", id=number, at=at)

    job = shop.armed(purge="sessions", by="ends", unit="s", boundary=boundary)
    run_job(shop.engine, job, at=NOON + timedelta(milliseconds=500))

    assert shop.ids("sessions") == left


@pytest.mark.parametrize(
    ("zone", "today"),
    [("Pacific/Kiritimati", "2026-06-16"), ("UTC", "2026-06-15"), ("Pacific/Pago_Pago", "2026-06-15")],
)
@pytest.mark.parametrize("boundary", ["<", "<="])
def test_dates_are_days_where_the_zone_says(zone: str, today: str, boundary: str, shop: Shop) -> None:
    """At 12:00 UTC it is tomorrow at UTC+14, and still today at UTC-11."""
    assert f"{NOON.astimezone(ZoneInfo(zone)):%Y-%m-%d}" == today
    shop.do("CREATE TABLE coupons (id int PRIMARY KEY, valid_to date)")
    day = datetime.fromisoformat(today).date()
    for number, date in enumerate((day - timedelta(days=1), day, day + timedelta(days=1), None), 1):
        shop.do("INSERT INTO coupons VALUES (:id, :at)", id=number, at=str(date) if date and shop.sqlite else date)

    run_job(shop.engine, shop.armed(purge="coupons", by="valid_to", zone=zone, boundary=boundary), at=NOON)

    assert shop.ids("coupons") == ([2, 3, 4] if boundary == "<" else [3, 4])


@pytest.mark.databases("sqlite")
def test_iso_text_in_the_ways_people_write_it(shop: Shop) -> None:
    """A blank or T, with Z or without, any number of decimals; with an offset, or in another shape, it is never due."""
    shop.do("CREATE TABLE sessions (id integer PRIMARY KEY, ends text)")
    rows = [
        *("2026-06-15 11:59:59", "2026-06-15T11:59:59Z", "2026-06-15 11:59:59.9", "2026-06-15T11:59:59.999999Z"),
        *("2026-06-15 12:00:00", "2026-06-15T12:00:00Z", "2026-06-15 12:00:00.000", "2026-06-15 12:00:00.000001"),
        *("2026-06-15T10:00:00+02:00", "2026-06-14T10:00:00-11:00", "2026-06-14", "yesterday", "", "1718000000"),
    ]
    for number, at in enumerate(rows, 1):
        shop.do("INSERT INTO sessions VALUES (:id, :at)", id=number, at=at)

    run_job(shop.engine, shop.armed(purge="sessions", by="ends"), at=NOON)
    assert shop.ids("sessions") == list(range(5, 15))
    run_job(shop.engine, shop.armed(purge="sessions", by="ends", boundary="<="), at=NOON)
    assert shop.ids("sessions") == list(range(8, 15))


@pytest.mark.parametrize(
    ("kind", "written", "words"),
    [
        ("bigint", {}, 'sessions.ends holds whole numbers; say of what since 1970: unit = "s", "ms" or "us"'),
        ("date", {}, 'sessions.ends holds dates; say where they are days: zone = "Europe/Berlin", or "UTC"'),
        ("timestamp", {"unit": "s"}, "sessions.ends holds instants; `unit` has no meaning for it"),
        ("bigint", {"unit": "s", "zone": "UTC"}, "sessions.ends holds whole numbers; `zone` has no meaning for it"),
        ("boolean", {}, "sessions.ends is BOOLEAN, which is no time; name a timestamp, a date or an epoch"),
    ],
)
def test_d14_a_column_that_is_no_time_or_says_too_little(
    kind: str, written: dict[str, str], words: str, shop: Shop
) -> None:
    shop.do(f"CREATE TABLE sessions (id int PRIMARY KEY, ends {kind})")

    with pytest.raises(PolicyError) as refused:
        run_job(shop.engine, shop.job(purge="sessions", by="ends", **written), at=NOON)

    assert str(refused.value) == f"policies.tidy: {words}"


@pytest.mark.databases("postgres")
def test_a_timestamp_without_zone_is_overdue_since_its_time_in_utc(shop: Shop) -> None:
    shop.do("CREATE TABLE visits (id int PRIMARY KEY, ends timestamp)")
    shop.do("INSERT INTO visits VALUES (1, '2026-06-01 10:00:00')")

    (found,) = read_debt(shop.engine, [shop.job(purge="visits", by="ends")])

    assert found.since == datetime(2026, 6, 1, 10, tzinfo=UTC)


@pytest.mark.databases("postgres")
def test_debt_of_rows_named_by_a_uuid_is_known(shop: Shop) -> None:
    shop.do("CREATE TABLE visits (id uuid PRIMARY KEY, seen boolean)")
    shop.do("INSERT INTO visits VALUES (gen_random_uuid(), true)")

    (found,) = read_debt(shop.engine, [shop.job(purge="visits", only={"seen": True})])

    assert (found.rows, found.since) == (1, None)


def test_rows_whose_zone_nobody_knows_are_never_due_and_doctor_counts_them(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE shops (id int PRIMARY KEY, tz text)",
        "CREATE TABLE offers (id int PRIMARY KEY, ends date, shop int)",
        "INSERT INTO shops VALUES (1, 'Europe/Berlin'), (2, 'Berlin'), (3, NULL)",
        "INSERT INTO offers VALUES (1, '2020-01-01', 1), (2, '2020-01-01', 2), (3, '2020-01-01', 3),"
        " (4, '2020-01-01', NULL), (5, NULL, NULL)",
    )
    written: dict[str, Any] = {"purge": "offers", "by": "ends", "zone_column": "tz", "zone_parent": {"shops": "shop"}}

    without = about(examined(shop.engine, shop.armed(**written)), "time zone")
    with_one = about(examined(shop.engine, shop.armed(**written, zone="UTC")), "time zone")

    assert [finding.text.partition(",")[0] for finding in (*without, *with_one)] == [
        "3 rows have no time zone that is known",
        "1 row has no time zone that is known",
    ]
    assert run_job(shop.engine, shop.armed(**written, max_share=1.0), at=NOON).total.changed == 1
    assert shop.ids("offers") == [2, 3, 4, 5]
