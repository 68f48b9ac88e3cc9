"""`sexton alerts`: what is wrong, what was not sent, and trying the channels; no secret in any of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sexton.db.connect import open_database
from sexton.telemetry.alert_delivery import deliver
from sexton.telemetry.incidents import REFUSES, channel_broke
from tests.channels.relay import relay_server
from tests.channels.web import Web, patient_calls, web_server
from tests.telemetry.past import ONE_CHANNEL, Past, at

from .shell import Inside, Shell

CANARY = "qXcanaryX7"


@pytest.fixture
def web() -> Iterator[Web]:
    """An HTTP server that answers 204; its address holds the canary."""
    with web_server() as server:
        yield server


@pytest.fixture
def shop(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> Inside:
    """A folder with a migrated database."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    patient_calls(monkeypatch)
    assert inside.sexton("migrate").code == 0
    return inside


def past(folder: Path) -> Past:
    return Past(open_database(f"sqlite:///{folder / 'sexton.db'}"))


def test_nothing_is_wrong(shop: Inside) -> None:
    done = shop.sexton("alerts")

    assert (done.code, done.out, done.err) == (0, "nothing is wrong\n", "")
    assert json.loads(shop.sexton("alerts", "--json").out) == {"incidents": [], "messages": []}


def test_open_incidents_and_unsent_messages_are_listed(shop: Inside) -> None:
    """BJ-22.4, BJ-26.4"""
    history = past(shop.folder)
    history.ran_hourly("15 10:00", 3, "failed", error="boom")
    history.assess("15 12:05", ONE_CHANNEL)
    deliver(history.engine, [], at("15 12:05"))
    history.engine.dispose()

    text, value = shop.sexton("alerts"), json.loads(shop.sexton("alerts", "--json").out)

    assert text.code == 0
    assert "06-15 12:05  shop.hourly  failing  failed 3 times in a row" in text.out
    assert "given up" in text.out
    assert [incident["kind"] for incident in value["incidents"]] == ["failing"]
    assert [message["key"].split(":")[2:] for message in value["messages"]] == [["1", "open", "log"]]


def test_a_test_message_goes_through_each_channel_and_one_failure_is_exit_1(shop: Inside, web: Web) -> None:
    """BJ-26.6, ORA-FUT.3"""
    shop.environment = {"SEXTON_ALERTS__CHANNELS": "log,slack", "SEXTON_CHANNEL__SLACK__URL": web.url}

    good = shop.sexton("alerts", "--test")
    web.answers = [(403, {})]
    bad = shop.sexton("alerts", "--test")

    assert (good.code, bad.code) == (0, 1)
    assert good.out.split() == ["CHANNEL", "RESULT", "log", "sent", "slack", "sent"]
    assert "slack    127.0.0.1 answered 403 Forbidden; check url and secret" in bad.out
    assert "test" in web.requests[0].json()["text"]
    assert CANARY not in str((good, bad))


def test_one_channel_is_tested_alone_even_before_it_is_told(shop: Inside) -> None:
    with relay_server() as relay:
        shop.write(
            "sexton.toml",
            f'[channel.email]\nhost = "127.0.0.1"\nport = {relay.port}\nsecurity = "none"\n'
            'sender = "sexton@example.com"\nto = ["ops@example.com"]\n',
        )
        done = shop.sexton("alerts", "--test", "email", "--json")

        assert json.loads(done.out) == {"email": None}
        assert relay.told() == ["ops@example.com"]


def test_a_successful_test_ends_the_incident_of_its_channel(shop: Inside) -> None:
    """G5: somebody mended it, and need not wait for the daily reminder."""
    history = past(shop.folder)
    with history.engine.begin() as connection:
        channel_broke(connection, "log", REFUSES, "401", ("log",), at("15 09:00"))
    history.engine.dispose()

    assert "channel_refuses" in shop.sexton("alerts").out
    assert shop.sexton("alerts", "--test").code == 0
    assert "nothing is wrong" in shop.sexton("alerts").out


def test_a_test_needs_no_database(tmp_path: Path) -> None:
    """From a path that does not depend on what it watches."""
    done = Shell(tmp_path).sexton("alerts", "--test", SEXTON_DATABASE="postgresql://shop@127.0.0.1:1/shop")

    assert done.code == 0
    assert '"event": "alert"' in done.err


@pytest.mark.parametrize(
    ("words", "environment", "wrong"),
    [
        (("--test", "slak"), {}, "no channel named 'slak'; did you mean slack?"),
        (("--test", "slack"), {}, '"slack" is not set up; give [channel.slack] its url'),
        (("--test",), {"SEXTON_ALERTS__CHANNELS": "email"}, "give [channel.email] its host, sender, to"),
    ],
)
def test_a_channel_that_is_not_set_up_is_one_line_and_exit_2(
    inside: Inside, words: tuple[str, ...], environment: dict[str, str], wrong: str
) -> None:
    done = inside.sexton("alerts", *words, **environment)

    assert done.code == 2
    assert wrong in done.line


def test_sec_18_a_copy_gets_an_id_of_its_own(shop: Inside) -> None:
    first, second = (shop.sexton("alerts", "--new-id") for _ in range(2))

    assert (first.code, second.code) == (0, 0)
    assert first.out.startswith("messages about incidents that are written from now on bear the id ")
    assert first.out != second.out


def test_sec_16_what_comes_and_goes_is_listed_while_it_is_away(shop: Inside) -> None:
    history = past(shop.folder)
    for minute in (0, 4, 8):
        history.ran(at(f"15 10:0{minute}"), "failed")
        history.assess(f"15 10:0{minute + 1}", replace(ONE_CHANNEL, after_failures=1))
        history.ran(at(f"15 10:0{minute + 1}"))
        if minute < 8:
            history.assess(f"15 10:0{minute + 2}", replace(ONE_CHANNEL, after_failures=1))
    wrong = shop.sexton("alerts").out
    history.assess("15 10:11", replace(ONE_CHANNEL, after_failures=1))
    history.engine.dispose()

    assert "comes and goes, 3 times, wrong just now: failed at its last run" in wrong
    assert "comes and goes, 3 times, over just now: failed at its last run" in shop.sexton("alerts").out
