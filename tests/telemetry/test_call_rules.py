"""Incidents about calls: who is called is down, rows ended badly, messages are dead; each told once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, update

from sexton.call_state import CallState
from sexton.calls import destinations
from sexton.calls.health import FailureKind
from sexton.channels.endpoint_health import endpoint_name
from sexton.db.tables import own_tables
from sexton.telemetry.call_rules import MOST_NAMED
from tests.support.called import failed, went_well

from .past import ONE_CHANNEL, Past, at

CANARY = "qXcanaryX7"


@pytest.fixture
def quiet(past: Past) -> Past:
    """A job that runs each hour, so that nothing else is wrong."""
    past.ran_hourly("15 10:00", 30)
    return past


def fails(
    past: Past, now: str, name: str = "gateway", kind: FailureKind = FailureKind.DOWN, settings: str = ""
) -> None:
    with past.engine.begin() as connection:
        failed(connection, name, "1", "connection refused", at(now), kind=kind, settings=settings)


def ends(past: Past, now: str, subject: str, state: CallState = CallState.GAVE_UP, job: str = "shop.hourly") -> None:
    """A row that was called for ends so."""
    row = {"job": job, "step": "check", "subject": subject, "destination": "gateway", "attempts": 3}
    with past.engine.begin() as connection:
        calls = own_tables(past.engine.dialect.name).calls
        connection.execute(insert(calls).values({**row, "state": state, "error": "pending", "closed_at": at(now)}))


def dies(past: Past, now: str, state: CallState = CallState.FAILED) -> None:
    """A message that does not get through."""
    deliveries = own_tables(past.engine.dialect.name).deliveries
    names = ("outbox", "message", "message_key", "event_type", "route", "destination")
    row = {**dict.fromkeys(names, now), "channel": "email", "recipient": CANARY, "created_at": at(now)}
    with past.engine.begin() as connection:
        connection.execute(insert(deliveries).values({**row, "state": state, "error": "550", "closed_at": at(now)}))


def test_g5_one_that_is_down_is_one_incident_from_two_minutes_on(quiet: Past) -> None:
    """(G1, G5) However many calls it fails; told once, and once when it is over."""
    fails(quiet, "15 12:05")
    assert quiet.events("15 12:06") == []
    fails(quiet, "15 12:07")
    assert quiet.events("15 12:08") == [("open", "resting")]
    fails(quiet, "15 12:10")
    assert quiet.events("15 12:11") == []

    with quiet.engine.begin() as connection:
        went_well(connection, "gateway", "1", at("15 12:40"))
    assert quiet.events("15 12:41") == [("close", "resting")]
    opened, closed = (row.message for row in quiet.messages())
    assert opened["title"] == "not to be reached: gateway"
    assert opened["text"] == "gateway is down since 2026-06-15 12:05 UTC"
    assert opened["facts"] == {"since": "2026-06-15 12:05 UTC", "last error": "connection refused"}
    assert opened["command"] == "sexton calls destinations"
    assert closed["text"] == "gateway is called again; it was wrong for 33 minutes"


def test_g5_refused_credentials_are_told_at_once(quiet: Past) -> None:
    """(G5) Once, and not at each of the daily probes."""
    fails(quiet, "15 12:05", kind=FailureKind.LASTING)
    assert quiet.events("15 12:05") == [("open", "resting")]
    fails(quiet, "15 12:06", kind=FailureKind.LASTING)

    assert quiet.events("15 12:06") == []
    assert quiet.messages()[0].message["text"] == (
        "gateway refuses us; it is tried once a day, or when its settings have changed"
    )


def test_w7_what_is_there_no_more_is_told_and_what_a_person_paused_is_not(quiet: Past) -> None:
    """(W7)"""
    fails(quiet, "15 12:05", "gone", FailureKind.LASTING)
    with quiet.engine.begin() as connection:
        destinations.pause(connection, "paused", "ann", "moving", at("15 12:05"))

    assert [(event.job, event.kind) for event in quiet.assess("15 12:06")] == [("gone", "resting")]


def test_w7_the_endpoint_of_a_stranger_is_its_owners_affair(quiet: Past) -> None:
    """(W7)"""
    fails(quiet, "15 12:05", endpoint_name("https://hooks.example/a"), FailureKind.LASTING)

    assert quiet.events("15 12:30") == []


def test_receivers_that_are_down_by_the_hundred_fill_no_mailbox(quiet: Past) -> None:
    """SEC-16: the oldest keep their own incident, the others get one together."""
    for number in range(MOST_NAMED + 100):
        fails(quiet, f"15 12:{number // 10:02}", f"receiver {number:03}")

    told = quiet.assess("15 12:59")

    assert len(told) == MOST_NAMED + 1
    assert [event.job for event in told if event.job.startswith("receiver")] == [
        f"receiver {number:03}" for number in range(MOST_NAMED)
    ]
    assert told[0].text == "100 more of those who are called are down or disabled; see: sexton calls destinations"
    assert quiet.events("15 13:01") == []


def test_rows_that_were_given_up_are_told_about_until_somebody_has_seen_to_them(quiet: Past) -> None:
    """Loud, as a horizon that passes in silence is money lost."""
    ends(quiet, "15 12:01", "1")
    ends(quiet, "15 12:02", "2", CallState.UNKNOWN)
    ends(quiet, "15 12:02", "3", CallState.GONE)
    assert quiet.events("15 12:05") == [("open", "calls_ended")]
    assert quiet.events("15 12:06") == []
    with quiet.engine.begin() as connection:
        connection.execute(update(own_tables(quiet.engine.dialect.name).calls).values(state="waiting", closed_at=None))
    assert quiet.events("15 12:07") == [("close", "calls_ended")]

    message = quiet.messages()[0].message
    assert message["text"] == (
        "shop.hourly will call for 2 rows no more, as the calls failed, were given up or may have been done"
    )
    assert (message["facts"]["last error"], message["command"]) == ("pending", "sexton calls shop.hourly")


def test_an_incident_about_rows_ends_by_itself_after_a_day(quiet: Past) -> None:
    ends(quiet, "15 12:01", "1")
    quiet.assess("15 12:05")

    assert quiet.events("16 12:00", late_after="9d") == []
    assert quiet.events("16 12:02", late_after="9d") == [("close", "calls_ended")]


def test_rows_of_a_job_that_is_gone_are_nobodys(quiet: Past) -> None:
    ends(quiet, "15 12:01", "1", job="shop.gone")

    assert quiet.events("15 12:05") == []


def test_messages_that_did_not_get_through_are_one_incident_a_channel(quiet: Past) -> None:
    """(M1) None of their recipients is named."""
    dies(quiet, "15 12:01")
    dies(quiet, "15 12:02", CallState.GAVE_UP)
    dies(quiet, "15 12:03", CallState.DROPPED)
    assert quiet.events("15 12:05") == [("open", "dead_letters")]
    with quiet.engine.begin() as connection:
        connection.execute(delete(own_tables(quiet.engine.dialect.name).deliveries))
    assert quiet.events("15 12:06") == [("close", "dead_letters")]

    opened, closed = (row.message for row in quiet.messages())
    assert opened["title"] == "messages did not get through: email"
    assert opened["text"] == "2 messages through email did not get through, and will not be tried again"
    assert (opened["facts"]["last error"], opened["command"]) == ("550", "sexton outbox")
    assert closed["text"].startswith("nothing more was lost through email; ")
    assert CANARY not in str([opened, closed])


def test_such_incidents_are_told_again_the_next_day(quiet: Past) -> None:
    fails(quiet, "15 12:05", kind=FailureKind.LASTING)
    quiet.assess("15 12:05")

    (event,) = quiet.assess(at("16 12:05") + timedelta(seconds=1), ONE_CHANNEL, [quiet.job])
    assert (event.what, event.kind) == ("remind", "resting")
