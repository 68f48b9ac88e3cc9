"""Warnings and messages, limit, order, batch, calendar months, zones by row, and policies that wait for another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from sexton.app import App
from sexton.config import Settings
from sexton.db.tables import own_tables
from sexton.declared.policy_fingerprint import definition_of
from sexton.errors import SettingsError, UsageError
from sexton.guard.arming import arm
from sexton.run_state import OutcomeCode
from sexton.slots.history import notices
from sexton.testing import preview_job, run_job

from .shop import Shop, settings_of

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def stored(shop: Shop, at: datetime | None) -> Any:
    """An instant for a naive column."""
    plain = None if at is None else at.replace(tzinfo=None)
    return str(plain) if shop.sqlite and plain is not None else plain


def table(shop: Shop, times: Sequence[datetime | None], name: str = "trials") -> None:
    """Rows numbered from 1 with these times."""
    shop.do(f"CREATE TABLE {name} (id int PRIMARY KEY, ends timestamp, mail text, rank int NOT NULL DEFAULT 0)")
    for number, at in enumerate(times, 1):
        values = {"id": number, "ends": stored(shop, at), "mail": f"{number}@x.org", "rank": -number}
        shop.do(f"INSERT INTO {name} VALUES (:id, :ends, :mail, :rank)", **values)


def told(shop: Shop) -> list[tuple[str, str | None, Any]]:
    """All messages in order."""
    with shop.engine.connect() as connection:
        own = "sexton_outbox_events" if shop.sqlite else "sexton.outbox_events"
        rows = connection.execute(text(f"SELECT event_type, recipient, payload FROM {own} ORDER BY id"))
        return [(row[0], row[1], row[2]) for row in rows]


def test_a_warning_goes_out_once_in_its_window_and_again_when_the_time_moves(shop: Shop) -> None:
    week = 7 * DAY
    tick = timedelta(microseconds=1)
    table(shop, [NOON - tick, NOON, NOON + week - tick, NOON + week, None])
    job = shop.armed(warn="trials", by="ends", ahead="7d", to="mail", message=["id", "ends"], event="trial_ends")

    assert preview_job(shop.engine, job, at=NOON).total.told == 2
    outcome = run_job(shop.engine, job, at=NOON)

    assert (outcome.total.picked, outcome.total.changed, outcome.total.told) == (2, 0, 2)
    assert [row[:2] for row in told(shop)] == [("trial_ends", "2@x.org"), ("trial_ends", "3@x.org")]
    with shop.engine.connect() as connection:
        assert notices(connection)[1][0][2] == {
            "id": 2,
            "ends": "2026-06-15 12:00:00" if shop.sqlite else "2026-06-15T12:00:00.000000Z",
        }
    assert run_job(shop.engine, job, at=NOON).total.told == 0
    shop.do("UPDATE trials SET ends = :at WHERE id = 2", at=stored(shop, NOON + DAY))
    assert run_job(shop.engine, job, at=NOON).total.told == 1


def test_a_warning_after_a_time_and_a_purge_that_tells(shop: Shop) -> None:
    table(shop, [NOON - 91 * DAY, NOON - DAY])

    assert run_job(shop.engine, shop.armed(warn="trials", by="ends", keep="90d"), at=NOON).total.told == 1
    purge = shop.armed(purge="trials", by="ends", keep="90d", event="gone", max_share=1.0)
    outcome = run_job(shop.engine, purge, at=NOON)

    assert (outcome.total.changed, outcome.total.told) == (1, 1)
    assert [row[0] for row in told(shop)] == ["tidy", "gone"]


def test_limit_and_order_are_obeyed_and_predicted(shop: Shop) -> None:
    table(shop, [NOON - DAY] * 9)
    job = shop.armed(purge="trials", by="ends", limit=2, order=["rank"], max_share=0.3)

    assert preview_job(shop.engine, job, at=NOON).total.changed == 2
    assert run_job(shop.engine, job, at=NOON).total.changed == 2
    assert shop.ids("trials") == [1, 2, 3, 4, 5, 6, 7]
    assert run_job(shop.engine, job, at=NOON).total.changed == 2


def test_an_order_by_what_may_be_null_is_refused(shop: Shop) -> None:
    table(shop, [])

    with pytest.raises(UsageError, match=r"order: trials.mail may be NULL"):
        run_job(shop.engine, shop.job(purge="trials", by="ends", order=["mail"]), at=NOON)


@pytest.mark.parametrize("action", [{"purge": "trials"}, {"transition": "trials", "set": {"mail": "x"}}])
def test_c4_no_batch_is_larger_than_asked(action: dict[str, Any], shop: Shop) -> None:
    table(shop, [NOON - DAY] * 25)
    job = shop.armed(**action, by="ends", batch=4, max_share=1.0)

    outcome = run_job(shop.engine, job, at=NOON)

    assert outcome.total.changed == 25
    own = "sexton_runs" if shop.sqlite else "sexton.runs"
    with shop.engine.connect() as connection:
        batches = connection.execute(text(f"SELECT batches FROM {own} ORDER BY id DESC LIMIT 1")).scalar_one()
    assert batches >= 7


@pytest.mark.parametrize(
    ("now", "keep", "gone"),
    [
        ("2026-03-31T12:00", "1 month", [1]),
        ("2026-03-31T12:01", "1 month", [1, 2]),
        ("2028-03-31T12:01", "1 month", [1, 2, 3]),
        ("2026-02-28T12:01", "1 month", []),
        ("2027-02-28T12:01", "1 year", [1, 2]),
        ("2026-08-31T12:01", "6months", [1, 2]),
    ],
)
def test_months_are_those_of_the_calendar_and_clipped(now: str, keep: str, gone: list[int], shop: Shop) -> None:
    """On 31 March a month ago is 28 February at the same time; 2028 has a 29th."""
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    noon = datetime(2026, 2, 28, 12, tzinfo=UTC)
    table(shop, [noon - timedelta(microseconds=1), noon, noon.replace(year=2028, day=29)])

    run_job(shop.engine, shop.armed(purge="trials", by="ends", keep=keep, max_share=1.0), at=at)

    assert shop.ids("trials") == [number for number in (1, 2, 3) if number not in gone]


@pytest.mark.parametrize(("now", "gone"), [("2026-03-31T10:00", [1]), ("2026-03-31T22:30", [1, 2, 3])])
def test_months_before_a_date_are_counted_where_it_is_a_day(now: str, gone: list[int], shop: Shop) -> None:
    """At 22:30 UTC it is 1 April in Berlin, and a month ago 1 March."""
    shop.do("CREATE TABLE coupons (id int PRIMARY KEY, valid_to date)")
    for number, day in enumerate(("2026-02-27", "2026-02-28", "2026-02-28", "2026-03-01"), 1):
        value = day if shop.sqlite else datetime.fromisoformat(day).date()
        shop.do("INSERT INTO coupons VALUES (:id, :at)", id=number, at=value)
    job = shop.armed(purge="coupons", by="valid_to", keep="1 month", zone="Europe/Berlin", max_share=1.0)

    run_job(shop.engine, job, at=datetime.fromisoformat(now).replace(tzinfo=UTC))

    assert shop.ids("coupons") == [number for number in (1, 2, 3, 4) if number not in gone]


ZONES = ("Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin", "Nowhere/Land", None)


@pytest.mark.parametrize("parent", [False, True], ids=["own column", "the parent's"])
@pytest.mark.parametrize(("zone", "unknown"), [(None, []), ("Pacific/Kiritimati", [5])])
def test_dates_in_the_zone_of_each_row_at_one_instant(
    parent: bool, zone: str | None, unknown: list[int], shop: Shop
) -> None:
    """Customers at UTC+14 and UTC-11: at 11:00 UTC it is the 16th, the 15th and the 15th at 00:00 there."""
    at = datetime(2026, 6, 15, 11, tzinfo=UTC)
    assert [f"{at.astimezone(ZoneInfo(name)):%d %H}" for name in ZONES[:3] if name] == ["16 01", "15 00", "15 13"]
    shop.do("CREATE TABLE shops (id int PRIMARY KEY, timezone text)")
    shop.do("CREATE TABLE coupons (id int PRIMARY KEY, valid_to date, timezone text, shop int)")
    for number, name in enumerate(ZONES, 1):
        shop.do("INSERT INTO shops VALUES (:id, :zone)", id=number, zone=name)
        for day in (13, 14, 15, 16):
            on = date(2026, 6, day)
            shop.do(
                "INSERT INTO coupons VALUES (:id, :day, :zone, :shop)",
                id=number * 100 + day,
                day=str(on) if shop.sqlite else on,
                zone=None if parent else name,
                shop=number,
            )
    where = {"zone_parent": {"shops": "shop"}} if parent else {}
    written: dict[str, Any] = {
        "purge": "coupons",
        "by": "valid_to",
        "zone_column": "timezone",
        "max_share": 1.0,
        **where,
    }
    if zone:
        written["zone"] = zone
    job = shop.armed(**written)

    assert preview_job(shop.engine, job, at=at).total.picked == run_job(shop.engine, job, at=at).total.changed

    last = {1: 15, 2: 14, 3: 14, 4: 0, 5: 15 if unknown else 0}
    left = [number * 100 + day for number in last for day in (13, 14, 15, 16) if day > last[number]]
    assert shop.ids("coupons") == left


def jobs_of(shop: Shop, **policies: dict[str, Any]) -> dict[str, Any]:
    """Jobs of several policies, all armed."""
    settings = {name: settings_of(written) for name, written in policies.items()}
    with shop.engine.begin() as connection:
        for name, one in settings.items():
            arm(connection, name, definition_of(one, settings), allowed=10**9, by="a test")
    registry = App(Settings(database=shop.database, policies=policies)).registry
    return {name: registry.get(f"policies.{name}") for name in policies}


def test_q10_a_policy_waits_until_another_has_been_through_each_row_however_late_it_came(shop: Shop) -> None:
    table(shop, [NOON - 3 * DAY, NOON - 3 * DAY])
    written: dict[str, Any] = {"by": "ends", "keep": "1d", "max_share": 1.0}
    jobs = jobs_of(
        shop,
        mark={"transition": "trials", "set": {"mail": "seen"}, **written},
        tidy={"purge": "trials", "before": "mark", **written},
    )

    assert run_job(shop.engine, jobs["tidy"], at=NOON).total.changed == 0
    assert run_job(shop.engine, jobs["mark"], at=NOON).total.changed == 2
    shop.do("INSERT INTO trials VALUES (3, :at, 'late', 0)", at=stored(shop, NOON - 2 * DAY))
    assert run_job(shop.engine, jobs["tidy"], at=NOON).total.changed == 2
    assert shop.ids("trials") == [3]
    assert run_job(shop.engine, jobs["mark"], at=NOON).total.changed == 1
    assert run_job(shop.engine, jobs["tidy"], at=NOON).total.changed == 1


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize(("code", "gone"), [(None, 1), (OutcomeCode.ONLY_COUNTED, 0), (OutcomeCode.REST_UNKNOWN, 0)])
def test_a_note_on_a_good_run_stops_no_policy_that_waits_for_it(
    code: OutcomeCode | None, gone: int, shop: Shop
) -> None:
    """It rested for replicas, say, and took all there was. What took nothing is told by its code."""
    table(shop, [NOON - 3 * DAY], "raw")
    table(shop, [])
    jobs = jobs_of(
        shop,
        mark={"transition": "trials", "by": "ends", "keep": "1d", "set": {"mail": "x"}},
        tidy={"purge": "raw", "by": "ends", "before": "mark", "max_share": 1.0},
    )
    run_job(shop.engine, jobs["mark"], at=NOON)
    runs = own_tables(shop.engine.dialect.name).runs
    with shop.engine.begin() as connection:
        connection.execute(runs.update().values(note="rested for replicas", outcome_code=code))

    assert run_job(shop.engine, jobs["tidy"], at=NOON).total.changed == gone


def test_q10_on_another_table_the_mark_leaves_an_hour_for_late_commits(shop: Shop) -> None:
    hour = timedelta(hours=1)
    table(shop, [NOON - DAY - hour, NOON - DAY - hour - timedelta(microseconds=1)], "raw")
    table(shop, [])
    jobs = jobs_of(
        shop,
        mark={"transition": "trials", "by": "ends", "keep": "1d", "set": {"mail": "x"}},
        tidy={"purge": "raw", "by": "ends", "before": "mark", "max_share": 1.0},
    )
    run_job(shop.engine, jobs["mark"], at=NOON)

    run_job(shop.engine, jobs["tidy"], at=NOON)

    assert shop.ids("raw") == [1]


@pytest.mark.databases("sqlite")
def test_a_policy_waits_for_one_that_there_is(shop: Shop) -> None:
    with pytest.raises(SettingsError, match=r"policies.tidy.before: there is no other policy 'mark'"):
        shop.job(purge="trials", by="ends", before="mark")


@pytest.mark.parametrize(
    ("only", "left"),
    [({"seen": {"older_than": "3d"}}, [2, 3, 4]), ({"seen": {"newer_than": "3d"}}, [1, 4])],
)
def test_conditions_on_another_time(only: dict[str, Any], left: list[int], shop: Shop) -> None:
    shop.do("CREATE TABLE trials (id int PRIMARY KEY, ends timestamp, seen timestamp)")
    tick = timedelta(microseconds=1)
    for number, seen in enumerate((NOON - 3 * DAY - tick, NOON - 3 * DAY, NOON, None), 1):
        values = {"id": number, "ends": stored(shop, NOON - DAY), "seen": stored(shop, seen)}
        shop.do("INSERT INTO trials VALUES (:id, :ends, :seen)", **values)

    run_job(shop.engine, shop.armed(purge="trials", by="ends", only=only, max_share=1.0), at=NOON)

    assert shop.ids("trials") == left


def test_now_as_a_new_value_is_set_once(shop: Shop) -> None:
    shop.do("CREATE TABLE trials (id int PRIMARY KEY, ends timestamp, state text, ended_at timestamp)")
    for number, ended in enumerate((None, NOON - DAY), 1):
        values = {"id": number, "ends": stored(shop, NOON - DAY), "ended": stored(shop, ended)}
        shop.do("INSERT INTO trials VALUES (:id, :ends, 'open', :ended)", **values)
    written: dict[str, Any] = {"transition": "trials", "by": "ends", "max_share": 1.0}
    once = shop.armed(**written, set={"ended_at": {"now": True}}, only={"ended_at": {"null": True}})

    assert run_job(shop.engine, once, at=NOON).total.changed == 1
    assert run_job(shop.engine, once, at=NOON + DAY).total.changed == 0
    with shop.engine.connect() as connection:
        (at,) = connection.execute(text("SELECT ended_at FROM trials WHERE id = 1")).one()
    assert str(at).startswith("2026-06-15 12:00:00")
    both = shop.armed(**written, set={"state": "over", "ended_at": {"now": True}})
    assert run_job(shop.engine, both, at=NOON).total.changed == 2
    assert run_job(shop.engine, both, at=NOON).total.changed == 0


def test_without_a_time_conditions_alone_decide(shop: Shop) -> None:
    table(shop, [NOON, NOON, None])

    outcome = run_job(shop.engine, shop.armed(purge="trials", only="rank < -1", max_share=1.0), at=NOON)

    assert outcome.total.changed == 2
    assert shop.ids("trials") == [1]


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ({"keep_last": 2, "per": ["mail"]}, [2, 3, 5, 6, 7]),
        ({"keep_last": 1, "per": ["mail"]}, [3, 6, 7]),
        ({"keep_last": 1, "per": ["mail"], "keep": "3d"}, [2, 3, 5, 6, 7]),
        ({"keep_last": 2}, [3, 6, 7]),
    ],
)
def test_the_newest_of_each_group_stay(written: dict[str, Any], left: list[int], shop: Shop) -> None:
    """Of one time the higher key is newer; NULL is a group; a row without a time is never due, and counts as none."""
    shop.do("CREATE TABLE trials (id int PRIMARY KEY, ends timestamp, mail text)")
    rows = [("a", 4), ("a", 2), ("a", 1), (None, 9), (None, 2), (None, 1), ("a", None)]
    for number, (mail, days) in enumerate(rows, 1):
        at = None if days is None else NOON - days * DAY
        shop.do("INSERT INTO trials VALUES (:id, :ends, :mail)", id=number, ends=stored(shop, at), mail=mail)

    run_job(shop.engine, shop.armed(purge="trials", by="ends", max_share=1.0, **written), at=NOON)

    assert shop.ids("trials") == left


def test_a_dry_run_shows_rows_messages_and_why_a_run_would_not_do_that(shop: Shop) -> None:
    table(shop, [NOON - 2 * DAY] + [NOON - DAY] * 29)
    written: dict[str, Any] = {"purge": "trials", "by": "ends", "event": "gone", "to": "mail", "message": ["id"]}

    shadow = preview_job(shop.engine, shop.job(**written), at=NOON)
    flood = preview_job(shop.engine, shop.armed(**written, allowed=0, max_share=0.0), at=NOON)
    calm = preview_job(shop.engine, shop.armed(**written, max_share=1.0), at=NOON)

    sample = calm.samples["tidy"]
    assert [row["id"] for row in sample.rows] == [str(number) for number in range(1, 21)]
    assert sample.messages == [("gone", f"{number}@x.org", {"id": number}) for number in (1, 2, 3)]
    assert (calm.total.picked, calm.total.told, calm.note) == (30, 30, None)
    assert "only counted, as it is not armed" in (shadow.note or "")
    assert "more than 0 rows are due" in (flood.note or "")
