"""An incident is opened once, told once, reminded of daily and closed, whoever assesses and however many do."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Engine, delete, event, func, select, text

from sexton import every
from sexton.app import App
from sexton.config import Settings
from sexton.config.alert_settings import AlertSettings
from sexton.db.tables import own_tables
from sexton.telemetry.assessment import assess, assess_jobs
from sexton.telemetry.incidents import REFUSES, channel_broke, channel_works, open_incidents
from sexton.testing import run_job
from tests.support.patience import PATIENCE

from .past import HOURLY, ONE_CHANNEL, Past, at

CANARY = "qXcanaryX7"
TWO = AlertSettings(channels=("log", "email"))


def test_bj26_one_message_at_open_one_at_close_none_between(past: Past) -> None:
    """BJ-26.1, BJ-26.6"""
    past.ran_hourly("15 10:00", 3, "failed", error="boom")
    assert past.events("15 12:05") == [("open", "failing")]
    assert past.events("15 12:06") == []

    past.ran("15 13:00", "failed", error="boom")
    assert past.events("15 13:05") == []

    past.ran("15 14:00")
    assert past.events("15 14:05") == [("close", "failing")]
    assert past.events("15 14:06") == []
    assert past.keys() == ["1:open:log", "1:close:log"]


def test_a_message_says_what_since_when_why_and_what_to_type(past: Past) -> None:
    """BJ-26.5"""
    past.ran_hourly("15 10:00", 3, "failed", error="boom")
    past.assess("15 12:05")
    past.ran("15 13:00")
    past.assess("15 13:05")

    opened, closed = (row.message for row in past.messages())
    assert opened == {
        "title": "failing: shop.hourly",
        "text": "shop.hourly failed 3 times in a row",
        "job": "shop.hourly",
        "facts": {"since": "2026-06-15 10:00 UTC", "last error": "boom"},
        "command": "sexton show 3",
    }
    assert closed["title"] == "over: failing: shop.hourly"
    assert closed["text"] == "shop.hourly ran well again; it was wrong for 1 hour"
    assert closed["command"] == "sexton history shop.hourly"


def test_an_open_incident_is_told_again_once_a_day_with_the_text_of_that_day(past: Past) -> None:
    past.ran_hourly("15 10:00", 3, "failed")
    past.assess("15 12:05")
    past.ran_hourly("15 13:00", 3, "failed")

    assert past.events("16 12:04", late_after="9d") == []
    (happened,) = past.assess("16 12:05", replace(TWO, late_after="9d"))
    assert (happened.what, happened.text) == ("remind", "shop.hourly failed 6 times in a row")
    assert past.events("16 12:06", late_after="9d") == []
    assert past.events("17 12:05", late_after="9d") == [("remind", "failing")]
    assert past.keys()[-1] == "1:remind:2026-06-17:log"


def test_a_new_incident_of_the_same_kind_is_told_again(past: Past) -> None:
    past.ran_hourly("15 01:00", 3, "failed")
    past.assess("15 03:05")
    past.ran("15 04:00")
    past.assess("15 04:05")
    past.ran_hourly("15 05:00", 3, "failed")

    assert past.events("15 07:05") == [("open", "failing")]
    assert len({row.key for row in past.messages()}) == 3


def test_each_channel_gets_its_own_message(past: Past) -> None:
    past.ran_hourly("15 10:00", 3, "failed")
    past.assess("15 12:05", TWO)

    assert [row.channel for row in past.messages()] == ["log", "email"]
    assert past.keys() == ["1:open:log", "1:open:email"]


def test_several_things_can_be_wrong_at_once(past: Past) -> None:
    past.ran_hourly("15 10:00", 3, "failed")

    assert past.events("15 20:00") == [("open", "failing"), ("open", "late")]


def test_two_who_assess_at_once_tell_once(past: Past) -> None:
    """The second one waits for the first, and finds it done."""
    past.ran_hourly("15 10:00", 3, "failed")
    told: list[tuple[str, str]] = []
    together = threading.Barrier(4)

    def one() -> None:
        together.wait(PATIENCE)
        told.extend(past.events("15 12:05"))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert told == [("open", "failing")]
    assert len(past.messages()) == 1


@contextmanager
def counted_writes(engine: Engine) -> Iterator[list[str]]:
    """The statements that change something, as they are executed."""
    writes: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if re.match(r"(?i)insert|update|delete|begin immediate", statement):
            writes.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield writes
    event.remove(engine, "before_cursor_execute", note)


def test_watching_writes_only_when_there_is_something_to_tell(past: Past) -> None:
    """Users win: on SQLite a transaction that may write keeps all others from writing."""
    past.ran_hourly("15 10:00", 2, "failed")
    with counted_writes(past.engine) as writes:
        assert assess_jobs(past.engine, [HOURLY], ONE_CHANNEL, at("15 11:05")) == []
        assert writes == []

        past.ran("15 12:00", "failed")
        assert [done.what for done in assess_jobs(past.engine, [HOURLY], ONE_CHANNEL, at("15 12:05"))] == ["open"]

        writes.clear()
        assert assess_jobs(past.engine, [HOURLY], ONE_CHANNEL, at("15 12:06")) == []
        assert writes == []
    assert len(past.messages()) == 1


def test_one_who_read_earlier_and_wrote_later_opens_and_closes_nothing(past: Past) -> None:
    past.ran_hourly("15 10:00", 3, "failed")
    past.assess("15 12:05")
    assert past.assess("15 12:04", jobs=[replace(HOURLY, name="shop.other")]) == []

    past.ran("15 13:00")
    past.assess("15 13:05")
    with past.engine.begin() as connection:
        connection.execute(delete(own_tables(connection.dialect.name).runs).where(text("state = 'succeeded'")))
    assert past.assess("15 13:04") == []


def test_what_is_rolled_back_was_not_told(past: Past) -> None:
    past.ran_hourly("15 10:00", 3, "failed")
    with past.engine.connect() as connection:
        assert len(assess(connection, [HOURLY], TWO, at("15 12:05"))) == 1
        connection.rollback()

    assert past.messages() == []
    assert past.events("15 12:06") == [("open", "failing")]


def test_an_incident_of_a_job_that_is_gone_is_closed(past: Past) -> None:
    past.ran_hourly("15 10:00", 3, "failed")
    past.assess("15 12:05")

    (happened,) = past.assess("15 12:06", jobs=[replace(HOURLY, name="shop.other", schedule=every("1h"))])
    assert happened.text.startswith("shop.hourly is no longer defined")


def test_rep_35_an_incident_stays_open_while_its_job_may_be_in_a_module_that_cannot_be_loaded(past: Past) -> None:
    past.ran_hourly("15 10:00", 3, "failed")
    past.assess("15 12:05")
    others = [replace(HOURLY, name="shop.other", schedule=every("1h"))]
    broken = {"own.py": "own.py:3: NameError: name 'x' is not defined"}

    opened = assess_jobs(past.engine, others, ONE_CHANNEL, at("15 12:06"), broken)
    closed = assess_jobs(past.engine, [HOURLY], ONE_CHANNEL, at("15 12:08"), {})

    assert [(event.what, event.job, event.kind) for event in opened] == [("open", "own.py", "unloaded")]
    assert [(event.what, event.job, event.kind) for event in closed] == [("close", "own.py", "unloaded")]
    facts = [row.message["facts"].get("last error") for row in past.messages()]
    assert broken["own.py"] in facts


@pytest.mark.parametrize(
    "error",
    [
        f"cannot reach postgresql://shop:{CANARY}@db/shop",
        f"503 for https://x.test/?token={CANARY}",
        f"bad answer to {{'user': 'app', 'password': '{CANARY}'}}",
        f'bad answer to {{"api_key": "{CANARY} {CANARY}", "n": 1}}',
        f"refused: Authorization: Bearer {CANARY}, later",
        f"401 with bearer {CANARY}",
    ],
)
def test_x1_an_error_with_a_secret_is_told_without_it(past: Past, error: str) -> None:
    past.ran_hourly("15 10:00", 3, "failed", error=error)
    past.assess("15 12:05")

    (row,) = past.messages()
    assert "***" in row.message["facts"]["last error"]
    assert CANARY not in str(row)


def test_g5_a_channel_that_refuses_gets_only_the_daily_reminder(past: Past) -> None:
    with past.engine.begin() as connection:
        broke = channel_broke(connection, "email", REFUSES, "401", TWO.channels, at("15 09:00"))
        again = channel_broke(connection, "email", REFUSES, "401", TWO.channels, at("15 09:01"))
    assert broke is not None
    assert again is None

    past.ran_hourly("15 10:00", 3, "failed")
    past.assess("15 12:05", TWO)
    past.assess("16 09:00", replace(TWO, late_after="9d"))

    assert [(row.channel, row.message["title"]) for row in past.messages()] == [
        ("log", "alerts are refused: email"),
        ("log", "failing: shop.hourly"),
        ("log", "still: alerts are refused: email"),
        ("email", "still: alerts are refused: email"),
    ]


def test_a_broken_channel_that_is_used_no_more_is_closed(past: Past) -> None:
    with past.engine.begin() as connection:
        channel_broke(connection, "slack", REFUSES, "401", ("log", "slack"), at("15 09:00"))

    (event,) = past.assess("15 09:01")

    assert (event.what, event.kind) == ("close", REFUSES)
    assert event.text.startswith("slack is no longer among the channels")
    assert past.assess("17 09:01") == []


def test_a_channel_that_works_again_is_told_so(past: Past) -> None:
    with past.engine.begin() as connection:
        channel_broke(connection, "email", REFUSES, "401", TWO.channels, at("15 09:00"))
        channel_works(connection, "email", TWO.channels, at("15 10:00"))
        channel_works(connection, "email", TWO.channels, at("15 10:01"))
        assert open_incidents(connection) == []

    assert [(row.channel, row.message["title"]) for row in past.messages()[1:]] == [
        ("log", "over: alerts are refused: email"),
        ("email", "over: alerts are refused: email"),
    ]


@pytest.mark.databases("sqlite", "postgres18")
def test_housekeeping_deletes_closed_incidents_and_their_messages_never_open_ones(past: Past) -> None:
    past.ran_hourly("15 01:00", 3, "failed")
    past.assess("15 03:05")
    past.ran("15 04:00")
    past.assess("15 04:05")
    past.ran_hourly("15 05:00", 3, "failed")
    past.assess("15 07:05")
    settings = replace(Settings(), database=past.engine.url.render_as_string(hide_password=False))
    job = App(settings).registry.get("sexton.housekeeping")

    early = run_job(past.engine, job, at=at("15 08:00"))
    kept = count(past.engine)
    late = run_job(past.engine, job, at=at("15 08:00").replace(year=2027, month=10))

    assert (early.state, late.state) == ("succeeded", "succeeded")
    assert kept == (2, 3)
    assert count(past.engine) == (1, 0)


def count(engine: Engine) -> tuple[int, int]:
    """Rows of incidents and alerts."""
    own = own_tables(engine.dialect.name)
    with engine.connect() as connection:
        incidents, alerts = (
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (own.incidents, own.alerts)
        )
    return incidents, alerts
