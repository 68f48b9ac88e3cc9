"""`sexton outbox`: what waits and why; try again, drop, send once more; pause. Right at 80 columns."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from .shell import Inside

SETTINGS = """
[route.mails]
event = "order_expired"
channel = "log"
to = "{payload.email}"
secret = ["pin"]

[route.everything]
event = ["order_expired", "code"]
channel = "log"
"""

LONG = "a-very-long-name-of-an-event-" * 5


@pytest.fixture
def shop(inside: Inside) -> Inside:
    """A folder with two routes, and a migrated database."""
    (inside.folder / "sexton.toml").write_text(SETTINGS)
    assert inside.sexton("migrate").code == 0
    return inside


def write(folder: Path, number: int, event: str, payload: str = "{}", to: str = "ada") -> None:
    """A message that waits."""
    row = (number, f"{event}:{number}", event, to, payload, "2026-06-15 12:00:00.000000")
    with closing(sqlite3.connect(folder / "sexton.db")) as connection:
        connection.execute(
            "INSERT INTO sexton_outbox_events (id, key, event_type, recipient, payload, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            row,
        )
        connection.commit()


def change(folder: Path, sql: str) -> None:
    """What somebody else does to the database."""
    with closing(sqlite3.connect(folder / "sexton.db")) as connection:
        connection.execute(sql)
        connection.commit()


def states(shop: Inside) -> list[tuple[str, str, str]]:
    """Message, route and state of all deliveries."""
    found = json.loads(shop.sexton("outbox", "--all", "--json").out)
    return [(one["message"], one["route"], one["state"]) for one in found]


def test_nothing_waits(shop: Inside) -> None:
    assert (shop.sexton("outbox").out, json.loads(shop.sexton("outbox", "--json").out)) == ("nothing waits\n", [])


def test_each_line_says_what_waits_and_why(shop: Inside) -> None:
    write(shop.folder, 1, "order_expired", '{"email": "ada@example.com", "pin": "1234"}')
    write(shop.folder, 2, "order_expired")
    write(shop.folder, 3, "other")
    shop.sexton("outbox", "pause", "log", "--reason", "tea")
    before = shop.sexton("outbox").out
    shop.sexton("run", "sexton.deliver")

    text = shop.sexton("outbox").out

    assert re.findall(r"new for .*; (.*)", before) == ["for the next run of sexton.deliver"] * 2 + [
        "no route takes this event: left alone"
    ]
    assert "1  order_expired by mails to ada@example.com\n" in text
    assert re.search(r"waiting for .*; log is paused by .*: tea\n", re.sub(r"\n\s+", " ", text) + "\n") is not None
    assert "failed, written " in text
    assert "the message has no payload.email" in re.sub(r"\n\s+", " ", text)
    assert "1234" not in text


def test_every_line_fits_80_columns_whatever_the_names_are(shop: Inside) -> None:
    write(shop.folder, 1, LONG, to="é" * 300)
    write(shop.folder, 2, "order_expired", json.dumps({"email": "x" * 400}))
    write(shop.folder, 3, "order_expired", json.dumps({"email": "two\nlines\x1b[2J"}))
    shop.sexton("outbox", "pause", "log", "--reason", "a long reason, " * 20)
    shop.sexton("run", "sexton.deliver")

    text = shop.sexton("outbox").out

    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text


def test_a_dead_letter_is_tried_again_and_dropped(shop: Inside) -> None:
    """PF-140: a dead letter is no more one once somebody has decided."""
    write(shop.folder, 2, "order_expired")
    shop.sexton("run", "sexton.deliver")
    assert states(shop) == [("2", "mails", "failed"), ("2", "everything", "done")]

    retried = shop.sexton("outbox", "retry", "2", "--route", "mails")
    assert (retried.code, retried.out) == (0, "1 delivery due now\n")
    assert ("2", "mails", "waiting") in states(shop)

    assert shop.sexton("outbox", "drop", "2").out == "1 delivery dropped\n"
    assert ("2", "mails", "dropped") in states(shop)
    shown = json.loads(shop.sexton("outbox", "show", "2", "--json").out)
    assert shown["published_at"] is not None
    assert re.fullmatch(r"dropped by .+@.+ at 20.*Z", shown["deliveries"][0]["note"])


def test_retry_all_dead_ones(shop: Inside) -> None:
    for number in (2, 3):
        write(shop.folder, number, "order_expired")
    shop.sexton("run", "sexton.deliver")

    done = shop.sexton("outbox", "retry", "--dead")
    again = shop.sexton("outbox", "retry", "--dead")

    assert done.out == "2 deliveries due now\n"
    assert (again.code, again.err) == (2, "sexton: there is no dead letter\n")


def test_replay_sends_once_more_under_the_same_id_or_a_new_one(shop: Inside) -> None:
    write(shop.folder, 1, "code")

    def ids() -> list[str]:
        run = shop.sexton("run", "sexton.deliver")
        lines = [json.loads(line) for line in run.err.splitlines() if '"message"' in line]
        return [line["id"] for line in lines]

    first = ids()
    assert shop.sexton("outbox", "replay", "1").out == "1 delivery sent once more by the next run\n"
    second = ids()
    shop.sexton("outbox", "replay", "1", "--as-new")
    third = ids()

    assert len(first) == 1
    assert second == first
    assert len(third) == 1
    assert third != first


def test_a_message_whose_secrets_were_erased_cannot_be_replayed(shop: Inside) -> None:
    write(shop.folder, 1, "order_expired", '{"email": "a@b.example", "pin": "1234"}')
    shop.sexton("run", "sexton.deliver")

    done = shop.sexton("outbox", "replay", "1")

    assert done.code == 2
    assert done.err == "sexton: message 1: its field pin was erased when it ended; it cannot be sent again\n"


def test_show_masks_secrets(shop: Inside) -> None:
    write(shop.folder, 1, "order_expired", '{"email": "a@b.example", "pin": "1234", "api_key": "5678"}')

    text = shop.sexton("outbox", "show", "1").out

    assert '"pin": "***"' in text
    assert "1234" not in text
    assert "5678" not in text


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("show",), "name a message: sexton outbox show …; `sexton outbox` lists what waits"),
        (("show", "77"), "there is no message 77; `sexton outbox` lists those that wait"),
        (("show", "x' OR 1"), '"x\' OR 1" is no id of a message here; `sexton outbox` lists them'),
        (("pause", "smtp", "--reason", "x"), "no destination named 'smtp'; known: log"),
        (("pause", "log"), "say why, for those who wonder: --reason TEXT"),
        (("test", "mial"), "no route named 'mial'; did you mean mails?"),
        (("test", "mails", "--payload", "[1]"), '--payload is no JSON object; write for instance \'{"name": "Ada"}\''),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(shop: Inside, words: tuple[str, ...], line: str) -> None:
    done = shop.sexton("outbox", *words)

    assert (done.code, done.err) == (2, f"sexton: {line}\n")


def test_a_test_message_goes_out_at_once(shop: Inside) -> None:
    done = shop.sexton("outbox", "test", "mails", "--to", "me", "--payload", '{"name": "Ada"}')

    assert (done.code, done.out) == (0, "mails: done\n")
    assert '"recipient": "me"' in done.err


def test_check_says_which_events_are_left_alone(shop: Inside) -> None:
    write(shop.folder, 1, "other")

    text = shop.sexton("check").out

    assert "warning  outbox: no route takes other: 1 message left alone, for another relay or for ever\n" in text
