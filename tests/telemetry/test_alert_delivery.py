"""Messages about incidents reach people once: later when a channel is away, never inside a transaction."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from sexton import Job, every
from sexton.channels import registry
from sexton.channels.contract import Channel, Notice
from sexton.channels.email import EmailChannel, EmailSettings
from sexton.channels.log import LogChannel, LogSettings
from sexton.channels.slack import SlackChannel, SlackSettings
from sexton.config import Settings
from sexton.config.alert_settings import AlertSettings
from sexton.db.tables import own_tables
from sexton.errors import SettingsError
from sexton.telemetry.alert_delivery import (
    DELIVERY_BACKOFF,
    DELIVERY_LEASE,
    Delivery,
    broadcast,
    channels_of,
    deliver,
    unsent,
)
from sexton.telemetry.incidents import open_incidents
from tests.channels.relay import Relay
from tests.channels.web import Web
from tests.support.patience import PATIENCE

from .past import Past, at

NOW = at("15 12:05")
CANARY = "qXcanaryX7"
ALL = ("a@example.com", "b@example.com", "c@example.com")


def email(relay: Relay) -> EmailChannel:
    settings = EmailSettings(host="127.0.0.1", port=relay.port, security="none", sender="sexton@example.com", to=ALL)
    return EmailChannel(settings)


def failing(past: Past, *channels: str) -> None:
    """An incident with a message for each channel."""
    past.ran_hourly("15 10:00", 3, "failed")
    past.assess(NOW, AlertSettings(channels=channels, late_after="99d"))


def lines(stream: io.StringIO) -> list[str]:
    """The titles that the log channel wrote."""
    return [json.loads(line)["title"] for line in stream.getvalue().splitlines()]


def test_what_was_queued_is_sent_once(past: Past) -> None:
    stream = io.StringIO()
    failing(past, "log")

    assert deliver(past.engine, [LogChannel(LogSettings(), stream=stream)], NOW) == Delivery(sent=1)
    assert deliver(past.engine, [LogChannel(LogSettings(), stream=stream)], NOW + timedelta(days=9)) == Delivery()

    assert lines(stream) == ["failing: shop.hourly"]
    (row,) = past.messages()
    assert (row.sent_at >= NOW, row.next_at, row.error) == (True, None, None)
    with past.engine.connect() as connection:
        assert unsent(connection) == []


def test_many_senders_at_once_send_each_message_once(past: Past) -> None:
    stream = io.StringIO()
    failing(past, "log")
    past.ran("15 13:00")
    past.assess("15 13:05")
    done: list[Delivery] = []
    together = threading.Barrier(4)

    def one() -> None:
        together.wait(PATIENCE)
        done.append(deliver(past.engine, [LogChannel(LogSettings(), stream=stream)], at("15 14:00")))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(each.sent for each in done) == 2
    assert sorted(lines(stream)) == ["failing: shop.hourly", "over: failing: shop.hourly"]


class Writing:
    """A channel that writes to the same database while it sends: it would hang behind an open transaction."""

    name = "log"

    def __init__(self, past: Past) -> None:
        self.past = past

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        table = own_tables(self.past.engine.dialect.name).alerts
        with self.past.engine.begin() as connection:
            connection.execute(update(table).values(created_at=NOW))
        return {}


def test_nothing_is_locked_while_a_channel_sends(past: Past) -> None:
    failing(past, "log")

    assert deliver(past.engine, [Writing(past)], NOW).sent == 1


def test_g1_a_channel_that_is_away_is_tried_six_times_then_others_are_told(past: Past, web: Web) -> None:
    """BJ-26.4: no silent failure."""
    stream = io.StringIO()
    channels: list[Channel] = [LogChannel(LogSettings(), stream=stream), SlackChannel(SlackSettings(url=web.url))]
    web.answers = [(503, {})]
    failing(past, "log", "slack")
    now, waits = NOW, []

    for _ in range(6):
        done = deliver(past.engine, channels, now)
        row = past.messages()[1]
        if row.next_at is not None:
            assert done.later == 1
            waits.append(round((row.next_at - now).total_seconds()))
            assert deliver(past.engine, channels, row.next_at - timedelta(seconds=2)) == Delivery()
            now = row.next_at

    assert all(1 <= wait / delay.total_seconds() < 1.5 for wait, delay in zip(waits, DELIVERY_BACKOFF, strict=True))
    assert done.given_up == 1
    assert len(web.requests) == 6
    assert lines(stream) == ["failing: shop.hourly", "alerts do not arrive: slack"]
    assert CANARY not in str(past.messages())


@pytest.mark.slow
def test_s8_a_receiver_that_comes_back_is_not_run_over(past: Past, web: Web) -> None:
    """Thirty jobs fail while it is down for ten minutes; then it gets ten a call at most, each message once."""
    jobs = [Job(f"shop.job_{number}", schedule=every("1h"), work=print) for number in range(30)]
    for job in jobs:
        Past(past.engine, job).ran_hourly("15 10:00", 3, "failed")
    past.assess(NOW, AlertSettings(channels=("slack",), late_after="99d"), jobs)
    channel = SlackChannel(SlackSettings(url=web.url))
    web.answers = [(503, {})]
    for seconds in range(0, 600, 30):
        deliver(past.engine, [channel], NOW + timedelta(seconds=seconds))
    assert len(web.requests) == 20, "one try a call while it is down"

    web.answers, web.requests[:] = [(204, {})], []
    calls = [deliver(past.engine, [channel], NOW + timedelta(seconds=seconds)).sent for seconds in range(600, 7200, 30)]

    assert max(calls) == 10
    assert sum(calls) == len(web.requests) == 30


def test_g6_a_server_that_asks_for_patience_gets_it_within_an_hour(past: Past, web: Web) -> None:
    web.answers = [(429, {"retry-after": "600"}), (429, {"retry-after": "100000000000000"}), (204, {})]
    failing(past, "slack")
    channel = SlackChannel(SlackSettings(url=web.url))

    deliver(past.engine, [channel], NOW)
    first = past.messages()[0].next_at
    deliver(past.engine, [channel], first)
    second = past.messages()[0].next_at

    assert 600 <= (first - NOW).total_seconds() < 660
    assert 3600 <= (second - first).total_seconds() < 3660
    assert deliver(past.engine, [channel], second).sent == 1


def test_g5_a_refused_credential_is_called_once_and_told_once(past: Past, web: Web) -> None:
    stream = io.StringIO()
    channels: list[Channel] = [LogChannel(LogSettings(), stream=stream), SlackChannel(SlackSettings(url=web.url))]
    both = AlertSettings(channels=("log", "slack"), late_after="99d")
    web.answers = [(401, {})]
    failing(past, "log", "slack")
    past.ran("15 13:00")
    past.assess("15 13:05", both)  # a second message for slack, written before anybody knew

    deliver(past.engine, channels, at("15 14:00"))
    past.ran_hourly("15 14:00", 3, "failed")
    past.assess("15 16:05", both)
    deliver(past.engine, channels, at("15 17:00"))

    assert len(web.requests) == 1
    assert lines(stream).count("alerts are refused: slack") == 1

    web.answers = [(204, {})]
    past.assess("16 14:30", both)  # the daily reminder tries the channel
    deliver(past.engine, channels, at("16 14:30"))
    with past.engine.connect() as connection:
        assert [incident.kind for incident in open_incidents(connection)] == ["failing"]
    assert lines(stream)[-1] == "over: alerts are refused: slack"


def test_m1_a_receiver_who_never_takes_it_is_reported(past: Past, relay: Relay) -> None:
    relay.receivers = {ALL[1]: ["550 no such user"]}
    failing(past, "email")

    assert deliver(past.engine, [email(relay)], NOW).sent == 1
    assert relay.told() == [ALL[0], ALL[2]]
    with past.engine.connect() as connection:
        (row,) = unsent(connection)
    assert row["error"] == f"{ALL[1]}: 550 no such user"


@pytest.mark.parametrize("then", ["250 OK", "550 no such user"])
def test_m2_only_the_receiver_who_was_put_off_is_tried_again(past: Past, relay: Relay, then: str) -> None:
    relay.receivers = {ALL[2]: ["451 greylisted", then]}
    failing(past, "email")

    assert deliver(past.engine, [email(relay)], NOW).later == 1
    assert deliver(past.engine, [email(relay)], NOW + timedelta(minutes=5)).sent == 1

    assert relay.told() == [address for address in ALL if then.startswith("250") or address != ALL[2]]
    with past.engine.connect() as connection:
        assert open_incidents(connection)[1:] == []  # the channel itself works


def test_m4_a_lost_answer_is_tried_once_more_and_never_again(past: Past, relay: Relay) -> None:
    relay.cut = {"after the dot": 9}
    failing(past, "email")

    for minutes in (0, 5, 60, 600):
        deliver(past.engine, [email(relay)], NOW + timedelta(minutes=minutes))

    assert len(relay.taken) == 2
    assert len({message["Message-ID"] for _, message in relay.taken}) == 1
    (row,) = past.messages()
    assert (row.sent_at, row.next_at) == (None, None)
    assert "may have been delivered" in row.error


def test_m6_our_own_wrong_settings_are_told_through_the_others(past: Past, relay: Relay) -> None:
    stream = io.StringIO()
    relay.mail = "553 not your address"
    failing(past, "email", "log")

    deliver(past.engine, [email(relay), LogChannel(LogSettings(), stream=stream)], NOW)

    assert "alerts are refused: email" in lines(stream)


class Dying:
    """A channel whose process is killed in the middle."""

    name = "log"

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        raise KeyboardInterrupt


def test_a_sender_that_dies_is_replaced_after_its_lease_and_parked_after_six(past: Past) -> None:
    """P2, P12"""
    failing(past, "log")
    now = NOW
    for _ in range(6):
        with pytest.raises(KeyboardInterrupt):
            deliver(past.engine, [Dying()], now)
        assert deliver(past.engine, [Dying()], now + DELIVERY_LEASE / 2) == Delivery()
        now = past.messages()[0].next_at

    assert deliver(past.engine, [Dying()], now) == Delivery(given_up=1)
    assert past.messages()[0].error == "the process that sent it died each time"


class Broken:
    """A channel with a mistake in it."""

    name = "slack"

    def send(self, notice: Notice, *, only: Sequence[str] = ()) -> Mapping[str, str]:
        raise RuntimeError(f"token={CANARY}")


def test_x1_a_mistake_in_a_channel_stops_no_other_and_shows_nothing(past: Past) -> None:
    stream = io.StringIO()
    failing(past, "slack", "log")

    assert deliver(past.engine, [Broken(), LogChannel(LogSettings(), stream=stream)], NOW) == Delivery(sent=1, later=1)
    assert past.messages()[0].error == "unexpected RuntimeError"


def test_a_message_for_a_channel_that_is_gone_is_given_up(past: Past) -> None:
    failing(past, "slack")

    assert deliver(past.engine, [LogChannel(LogSettings(), stream=io.StringIO())], NOW) == Delivery(given_up=1)
    assert past.messages()[0].error == "no longer among the channels"


def test_shouting_needs_no_database_and_goes_through_all(web: Web) -> None:
    """BJ-26.4: the database itself may be what is broken."""
    stream = io.StringIO()
    web.answers = [(401, {})]
    notice = Notice("shout:1", "the database cannot be reached", "no answer", "none")

    results = broadcast(
        [Broken(), SlackChannel(SlackSettings(url=web.url)), LogChannel(LogSettings(), stream=stream)], notice
    )

    assert results["log"] is None
    assert results["slack"] is not None
    assert lines(stream) == ["the database cannot be reached"]
    assert CANARY not in str(results)


def test_channels_are_built_in_the_order_of_the_settings() -> None:
    there = {"slack": SlackSettings(url="https://hooks.slack.com/services/T/B/X")}
    settings = replace(Settings(), alerts=AlertSettings(channels=("slack", "log")), channel=there)

    assert [channel.name for channel in channels_of(settings)] == ["slack", "log"]


def test_a_missing_library_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    settings = replace(Settings(), alerts=AlertSettings(channels=("slack",)))

    with pytest.raises(SettingsError, match=r"pip install 'sexton\[alerts\]'"):
        channels_of(settings)
