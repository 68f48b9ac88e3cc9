"""SEC-16: a failure that somebody switches on and off, and a flood of messages, are told in a few messages."""

from __future__ import annotations

import io
import json
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, text, update

from sexton import Job, every
from sexton.app import App
from sexton.channels.log import LogChannel, LogSettings
from sexton.channels.webhook import WebhookChannel, WebhookSettings
from sexton.config import Settings
from sexton.config.alert_settings import AlertSettings
from sexton.db.tables import own_tables
from sexton.run_state import OutcomeCode
from sexton.telemetry.alert_delivery import deliver, unsent
from sexton.telemetry.assessment import assess_jobs
from sexton.telemetry.incidents import UNREACHABLE, channel_broke, channel_works, open_incidents, unsettled
from sexton.telemetry.monitoring_cycle import MonitoringCycle, needed_facts
from tests.channels.web import Web
from tests.support.patience import PATIENCE

from .past import HOURLY, Past, at, many

SWITCHED = AlertSettings(channels=("log",), after_failures=1, late_after="99d", failure_rate=0.0)
MINUTE = timedelta(minutes=1)


@dataclass
class Switch:
    """A job of every minute whose failure a user switches, and a process that assesses after each run."""

    past: Past
    now: datetime = field(default_factory=lambda: at("15 10:00"))

    def after(self, minutes: float, state: str) -> list[str]:
        """A run so many minutes later; what was done."""
        self.now += minutes * MINUTE
        self.past.ran(self.now, state)
        return self.look()

    def look(self, minutes: float = 0.1) -> list[str]:
        """What was done when somebody looked then."""
        self.now += minutes * MINUTE
        return [event.what for event in self.past.assess(self.now, SWITCHED)]

    def titles(self) -> list[str]:
        """Of all messages."""
        return [row.message["title"] for row in self.past.messages()]


@pytest.fixture
def switch(past: Past) -> Switch:
    """Nothing has happened yet."""
    return Switch(past)


def test_sec_16_what_comes_and_goes_is_told_once_and_again_when_it_is_quiet(switch: Switch) -> None:
    for _ in range(20):
        switch.after(1, "failed")
        switch.after(1, "succeeded")
    assert switch.titles() == [
        "failing: shop.hourly",
        "over: failing: shop.hourly",
        "comes and goes: failing: shop.hourly",
    ]

    assert switch.look(50) == []
    assert switch.look(20) == ["quiet"]
    assert switch.look(1) == []

    assert switch.titles()[3:] == ["over: failing: shop.hourly"]
    told = [row.message["text"] for row in switch.past.messages()]
    assert told[2] == (
        "shop.hourly failed at its last run; it came 2 times since 2026-06-15 10:01 UTC; told again once it has settled"
    )
    assert told[3].startswith("shop.hourly has been well since 2026-06-15 10:4")
    assert told[3].endswith("; it came 20 times in 43 minutes")


def test_sec_16_what_came_and_went_and_then_stays_is_told(switch: Switch) -> None:
    for _ in range(5):
        switch.after(1, "failed")
        switch.after(1, "succeeded")
    switch.after(1, "failed")

    assert switch.look(50) == []
    assert switch.look(20) == ["steady"]
    assert switch.look(60) == []
    assert switch.after(1, "succeeded") == ["close"]

    assert switch.titles()[3:] == ["still: failing: shop.hourly", "over: failing: shop.hourly"]
    with switch.past.engine.connect() as connection:
        assert unsettled(connection) == []


def test_sec_16_whoever_goes_on_for_a_day_is_told_of_three_times_and_once_a_day(switch: Switch) -> None:
    for _ in range(60 * 24 // 12):
        switch.after(6, "failed")
        switch.after(6, "succeeded")

    assert len(switch.titles()) <= 4


def test_sec_16_who_waits_for_an_hour_each_time_gets_two_messages_an_hour(switch: Switch) -> None:
    for _ in range(5):
        switch.after(65, "failed")
        switch.after(1, "succeeded")

    assert switch.titles() == ["failing: shop.hourly", "over: failing: shop.hourly"] * 5


def test_sec_16_another_process_and_a_cron_job_go_on_where_the_last_one_stopped(switch: Switch) -> None:
    """All of it stands in the tables: nothing else lives from one round to the next."""
    for _ in range(3):
        switch.after(1, "failed")
        switch.after(1, "succeeded")
    settings = Settings()
    deliver(switch.past.engine, [LogChannel(LogSettings(), stream=io.StringIO())], switch.now)

    assert needed_facts(switch.past.engine, settings), "a run --due has to look again, though nothing is open"
    (event,) = assess_jobs(switch.past.engine, [HOURLY], SWITCHED, switch.now + 70 * MINUTE)

    assert event.what == "quiet"


def test_sec_16_a_channel_that_comes_and_goes_is_told_once(past: Past) -> None:
    both = ("log", "email")
    for minute in range(0, 20, 2):
        with past.engine.begin() as connection:
            channel_broke(connection, "email", UNREACHABLE, "503", both, at("15 10:00") + minute * MINUTE)
        with past.engine.begin() as connection:
            channel_works(connection, "email", both, at("15 10:01") + minute * MINUTE)

    titles = [row.message["title"] for row in past.messages() if row.channel == "log"]
    assert titles == [f"{what}alerts do not arrive: email" for what in ("", "over: ", "comes and goes: ")]
    past.assess("15 12:00", AlertSettings(channels=both))
    assert [row.message["title"] for row in past.messages() if row.channel == "log"][3:] == [
        "over: alerts do not arrive: email"
    ]


def told(stream: io.StringIO) -> list[tuple[str, str]]:
    """Title and text of what the log channel wrote."""
    return [(line["title"], line["text"]) for line in map(json.loads, stream.getvalue().splitlines())]


def test_sec_16_the_messages_of_an_hour_are_limited_and_the_rest_is_counted(past: Past) -> None:
    stream = io.StringIO()
    many(past, 50)
    now = at("15 12:05")
    for seconds in range(0, 600, 15):
        deliver(past.engine, [LogChannel(LogSettings(), stream=stream)], now + timedelta(seconds=seconds), most=12)

    titles = [title for title, _ in told(stream)]
    assert len(titles) == 13
    assert titles[-1] == "alerts are held back: log"
    assert told(stream)[-1][1] == "log got 12 messages within an hour; more are held back for the next one"
    with past.engine.connect() as connection:
        held = [row for row in unsent(connection) if "held back" in (row["error"] or "")]
    assert len(held) == 38

    for minutes in range(11, 70):
        deliver(past.engine, [LogChannel(LogSettings(), stream=stream)], now + minutes * MINUTE, most=12)
    assert len(told(stream)) == 14
    title, words = told(stream)[-1]
    assert title == "over: alerts are held back: log"
    assert words.startswith("log takes messages again; 38 were held back, among them: failing: shop.job_")

    many(past, 3, now="15 13:30")
    assert deliver(past.engine, [LogChannel(LogSettings(), stream=stream)], at("15 13:31"), most=12).sent >= 3


def test_sec_16_attack_what_comes_and_goes_hides_nothing_that_is_still_wrong(past: Past) -> None:
    """Twelve jobs whose failure somebody switches use the budget up, and then a job fails that matters."""
    stream, minutes = io.StringIO(), iter(range(200))
    jobs = [Job(f"shop.job_{number}", schedule=every("1h"), work=print) for number in range(12)]
    for state in ("failed", "succeeded") * 5:
        now = at("15 10:00") + next(minutes) * MINUTE
        for job in jobs:
            Past(past.engine, job).ran(now, state)
        past.assess(now, SWITCHED, jobs)
        deliver(past.engine, [LogChannel(LogSettings(), stream=stream)], now, most=12)
    flood = "stopped before its first row: more than 9 rows are due"
    past.ran(now, "failed", error=flood, code=OutcomeCode.STOPPED_BY_GUARD)
    past.assess(now + MINUTE, SWITCHED, [*jobs, HOURLY])

    for later in range(2, 90):
        deliver(past.engine, [LogChannel(LogSettings(), stream=stream)], now + later * MINUTE, most=12)

    _, words = told(stream)[-1]
    _, _, about = words.partition(", among them: ")
    assert about.split("; ")[0] == "stopped, somebody has to look: shop.hourly, still so"


def test_sec_16_a_channel_that_has_its_share_keeps_no_other_from_its_own(past: Past, web: Web) -> None:
    many(past, 8, channels=("log", "webhook"))
    stream, now = io.StringIO(), at("15 12:05")
    with past.engine.begin() as connection:
        alerts = own_tables(connection.dialect.name).alerts
        for number in range(5):
            row = {"key": f"earlier:{number}", "incident_id": 1, "channel": "webhook", "message": {}}
            row |= {"created_at": now, "sent_at": now - 10 * MINUTE}
            connection.execute(insert(alerts).values(row))

    for minutes in range(1, 5):
        deliver(
            past.engine,
            [LogChannel(LogSettings(), stream=stream), WebhookChannel(WebhookSettings(url=web.url))],
            now + minutes * MINUTE,
            most=9,
        )

    assert len(told(stream)) == 8
    assert len(web.requests) == 4 + 1


def test_sec_16_nothing_is_said_while_nobody_wants_more_than_the_budget(past: Past) -> None:
    stream = io.StringIO()
    many(past, 10)
    for minutes in range(1, 60):
        deliver(past.engine, [LogChannel(LogSettings(), stream=stream)], at("15 12:05") + minutes * MINUTE, most=10)

    assert len(told(stream)) == 10
    with past.engine.connect() as connection:
        assert [one.kind for one in open_incidents(connection)] == ["failing"] * 10


def test_sec_16_the_settings_decide(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    """As a worker's watch and a `run --due` do it."""
    many(past, 5)
    database = past.engine.url.render_as_string(hide_password=False)
    settings = Settings(database=database, alerts=AlertSettings(most_per_hour=2, late_after="99d"))
    with past.engine.begin() as connection:
        table = own_tables(connection.dialect.name).alerts
        connection.execute(update(table).values(next_at=at("15 12:05")))
    for _ in range(3):
        MonitoringCycle(past.engine, list(App(settings).registry), settings, lambda *_, **__: None).make()

    lines = [json.loads(line)["title"] for line in capsys.readouterr().err.splitlines() if '"alert"' in line]
    assert [title.partition(":")[0] for title in lines].count("failing") <= 2
    assert "alerts are held back: log" in lines


@pytest.mark.parametrize(
    "message",
    [
        '{"title": "odd", "facts": ["a"]}',
        '{"title": "odd", "facts": "words", "sending": "words"}',
        '{"title": "odd", "sending": {"left": 5, "refused": ["x"]}}',
        '{"title": "odd", "sending": {"left": "all", "refused": 5}}',
        "[1]",
    ],
)
def test_sec_2_a_message_that_somebody_else_left_keeps_no_other_from_being_sent(past: Past, message: str) -> None:
    many(past, 2)
    with past.engine.begin() as connection:
        name = own_tables(connection.dialect.name).alerts.fullname
        connection.execute(text(f"UPDATE {name} SET message = :message WHERE id = 1"), {"message": message})
    stream = io.StringIO()

    assert deliver(past.engine, [LogChannel(LogSettings(), stream=stream)], at("15 12:06")).sent == 2
    assert len(told(stream)) == 2


def test_sec_16_of_several_who_see_it_come_again_one_tells(switch: Switch) -> None:
    switch.after(1, "failed")
    switch.after(1, "succeeded")
    switch.past.ran(switch.now + MINUTE, "failed")
    events: list[str] = []
    together = threading.Barrier(4)

    def one() -> None:
        together.wait(PATIENCE)
        events.extend(event.what for event in switch.past.assess(switch.now + 2 * MINUTE, SWITCHED))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert events == ["restless"]
    assert switch.titles()[2:] == ["comes and goes: failing: shop.hourly"]
