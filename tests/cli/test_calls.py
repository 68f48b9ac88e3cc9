"""`sexton calls`: what waits, since when and why; called for again, or no more, by a person."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, update

from sexton.calls import destinations
from sexton.clock import parse_instant
from sexton.db.server_clock import ask_now, database_now
from sexton.db.tables import own_tables
from tests.support.called import went_well
from tests.support.calling_jobs import payments
from tests.support.sessions import NOON

from .shell import Done, Inside


class Shop:
    """The shop's folder, its database, and the command line."""

    def __init__(self, inside: Inside, database: str, engine: Engine) -> None:
        inside.write("sexton.toml", f'database = "{database}"\njobs = ["tests.support.calling_jobs"]\n')
        self.inside, self.engine = inside, engine
        payments.metadata.create_all(engine)

    def add(self, *answers: str, start: int = 1) -> None:
        rows = [
            {"id": number, "answer": answer, "status": "open", "created_at": NOON - timedelta(days=9 - number)}
            for number, answer in enumerate(answers, start)
        ]
        with self.engine.begin() as connection:
            connection.execute(insert(payments), rows)

    def change(self, number: int | None = None, **values: object) -> None:
        changed = update(payments).values(values)
        with self.engine.begin() as connection:
            connection.execute(changed if number is None else changed.where(payments.c.id == number))

    def sexton(self, *words: str) -> Done:
        return self.inside.sexton(*words)

    def ran(self, job: str = "shop.check") -> None:
        assert self.sexton("run", job).code in (0, 3)

    def listed(self, *words: str) -> list[dict[str, Any]]:
        done = self.sexton("calls", *words, "--json")
        assert (done.code, done.err) == (0, "")
        found: list[dict[str, Any]] = json.loads(done.out)["calls"]
        return found

    def write(self, table: str, **values: object) -> None:
        own = getattr(own_tables(self.engine.dialect.name), table)
        with self.engine.begin() as connection:
            connection.execute(update(own).values(values))


@pytest.fixture
def shop(inside: Inside, database: str, engine: Engine) -> Shop:
    return Shop(inside, database, engine)


def test_each_row_says_since_when_it_waits_and_why(shop: Shop) -> None:
    shop.add("again", "failed", "done")
    before = shop.listed("shop.check")
    shop.ran()
    after = shop.listed("shop.check")

    assert [(call["subject"], call["state"], call["attempts"], call["why"]) for call in before] == [
        ("1", "waiting", 0, "called at the next run"),
        ("2", "waiting", 0, "called at the next run"),
        ("3", "waiting", 0, "called at the next run"),
    ]
    assert before[0]["since"] == "2026-06-07T12:00:00.000000Z"
    assert [(call["subject"], call["state"], call["attempts"], call["why"]) for call in after] == [
        ("1", "waiting", 1, "tried again later: pending"),
        ("2", "failed", 1, "failed: 422 no such order"),
    ]
    assert parse_instant(after[0]["until"]) == parse_instant(after[0]["next_at"])


def test_the_list_is_a_table_for_people_within_80_columns(shop: Shop) -> None:
    shop.add("again", "failed", "down")
    shop.ran()

    done = shop.sexton("calls", "shop.check")
    lines = done.out.splitlines()

    assert (done.code, done.err) == (0, "")
    assert lines[0] == "shop.check, check:"
    assert lines[1].split() == ["ROW", "SINCE", "(UTC)", "TRIES", "UNTIL", "(UTC)", "WHY"]
    assert lines[2].endswith("  tried again later: pending")
    assert lines[3].endswith("  gateway rests: connection refused")
    assert lines[5] == "ended badly:"
    assert lines[7].split(maxsplit=5)[-1] == "failed: 422 no such order"
    assert lines[9] == "who is not well:"
    assert lines[11].startswith("gateway ")
    assert max(map(len, lines)) <= 80


def test_a_row_that_is_called_now_and_one_whose_process_died(shop: Shop) -> None:
    shop.add("again")
    shop.ran()
    shop.write("calls", state="claimed", claim="x", leased_until=database_now(shop.engine.dialect.name, 3600))
    (now,) = shop.listed("shop.check")
    shop.write("calls", leased_until=database_now(shop.engine.dialect.name, -1))
    (died,) = shop.listed("shop.check")

    assert now["why"] == f"is called now, by run {now['run']}"
    assert died["why"] == "its process ended in the call; called again at the next run"


def test_a_rest_a_probe_a_pause_and_a_rate_are_named(shop: Shop) -> None:
    """Nobody has to guess why a row waits."""
    shop.add("down", "done")
    shop.ran()
    why = [shop.listed("shop.check")[0]["why"]]
    shop.write("destinations", rest_until=database_now(shop.engine.dialect.name, -1))
    why.append(shop.listed("shop.check")[0]["why"])
    assert shop.sexton("calls", "pause", "gateway", "--reason", "moving house").code == 0
    why.append(shop.listed("shop.check")[0]["why"].replace(" by ", "\n").split("\n")[0])
    assert shop.sexton("calls", "resume", "gateway").code == 0
    why.append(shop.listed("shop.check")[0]["why"])

    assert why == [
        "gateway rests: connection refused",
        "gateway was down (connection refused); one call at the next run finds out whether it is back",
        "gateway is paused",
        "called at the next run",
    ]


def test_what_waits_for_its_rate_says_until_when(shop: Shop) -> None:
    shop.add("done", "done")
    shop.ran("shop.limited")

    (call,) = shop.listed("shop.limited")

    assert call["why"] == "gateway has no more calls for now by its rate"
    assert call["until"] is not None


def test_a_row_that_failed_is_retried_as_if_new(shop: Shop) -> None:
    shop.add("failed", "again")
    shop.ran()
    shop.change(1, answer="done")

    done = shop.sexton("calls", "retry", "shop.check", "1")
    waiting = shop.listed("shop.check")[0]
    shop.ran()

    assert (done.code, done.out, done.err) == (0, "1 is called for at the next run\n", "")
    assert (waiting["state"], waiting["attempts"], waiting["why"]) == ("waiting", 0, "called at the next run")
    assert waiting["note"].startswith("retry by ")
    assert [call["subject"] for call in shop.listed("shop.check")] == ["2"]


def test_one_that_waits_is_retried_at_once_and_keeps_its_attempts(shop: Shop) -> None:
    shop.add("again")
    shop.ran()
    assert shop.sexton("calls", "retry", "shop.check", "1").code == 0
    shop.ran()

    (call,) = shop.listed("shop.check")
    assert (call["attempts"], call["why"]) == (2, "tried again later: pending")


def test_all_that_ended_badly_are_retried(shop: Shop) -> None:
    shop.add("failed", "unknown", "again", "failed")
    shop.ran()

    done = shop.sexton("calls", "retry", "shop.check", "--all")
    none = shop.sexton("calls", "retry", "shop.limited", "--all")

    assert done.out.splitlines() == [f"{number} is called for at the next run" for number in (1, 2, 4)]
    assert none.out == "nothing ended badly\n"


def test_a_person_decides_that_an_unknown_charge_is_tried_again(shop: Shop) -> None:
    """(M4, G3) `on_unknown="stop"`: it was a person's turn, and he took it."""
    shop.add("unknown")
    shop.ran()
    ended = shop.listed("shop.check")[0]["state"]
    shop.change(answer="done")
    shop.sexton("calls", "retry", "shop.check", "1")
    shop.ran()

    assert ended == "unknown"
    assert shop.listed("shop.check") == []


def test_a_row_that_was_cancelled_is_called_for_no_more(shop: Shop) -> None:
    """One for which nobody has called yet, too."""
    shop.add("again")
    shop.ran()
    shop.add("done", start=2)

    done = shop.sexton("calls", "cancel", "shop.check", "1", "2")
    shop.ran()
    shown = shop.sexton("calls", "show", "shop.check", "2", "--json")

    assert (done.code, done.out.splitlines()) == (0, ["1 is called for no more", "2 is called for no more"])
    assert shop.listed("shop.check") == []
    assert json.loads(shown.out)["state"] == "dropped"
    assert json.loads(shown.out)["note"].startswith("cancel by ")


def test_a_call_under_way_is_left_alone(shop: Shop) -> None:
    shop.add("again")
    shop.ran()
    shop.write("calls", state="claimed", claim="x", leased_until=database_now(shop.engine.dialect.name, 3600))

    tried = [shop.sexton("calls", action, "shop.check", "1", "99") for action in ("retry", "cancel")]

    assert [done.code for done in tried] == [1, 1]
    assert [done.out for done in tried] == ["", ""]
    for done in tried:
        assert done.err.splitlines() == [
            f"{row}: nothing was changed: it is called right now, or nothing is known about it" for row in (1, 99)
        ]
    assert shop.listed("shop.check")[0]["state"] == "claimed"


def test_columns_of_the_product_decide_and_that_is_said(shop: Shop) -> None:
    shop.add("again", "failed")
    shop.ran("shop.mapped")
    shop.change(2, status="lost")

    done = shop.sexton("calls", "retry", "shop.mapped", "1", "2")

    assert done.code == 0
    first, second = done.err.splitlines()
    assert first.startswith("1: not before ")
    assert first.endswith("as its row says; that column decides")
    assert second == "2: its columns in payments say no; they decide: UPDATE those as well"


def test_one_row_in_full(shop: Shop) -> None:
    shop.add("again")
    shop.ran()

    shown = shop.sexton("calls", "show", "shop.check", "1")
    lines = dict(line.split(maxsplit=1) for line in shown.out.splitlines())

    assert (lines["job"], lines["step"], lines["subject"], lines["attempts"]) == ("shop.check", "check", "1", "1")
    assert lines["why"] == "tried again later: pending"
    assert lines["until"].endswith(" UTC")


def test_destinations_are_listed_with_what_is_wrong(shop: Shop) -> None:
    nobody = shop.sexton("calls", "destinations")
    with shop.engine.begin() as connection:
        now = ask_now(connection)
        went_well(connection, "fine", "1", now)
        destinations.pause(connection, "paused", "ann", "moving", now)
    known = shop.sexton("calls", "destinations")
    as_json = json.loads(shop.sexton("calls", "destinations", "--json").out)

    assert nobody.out == "nobody has been called yet\n"
    assert known.out.splitlines()[0].split() == ["DESTINATION", "SINCE", "(UTC)", "UNTIL", "(UTC)", "WHY"]
    assert known.out.splitlines()[1].split() == ["fine", "works"]
    assert known.out.splitlines()[2].endswith("paused by ann: moving")
    assert [(one["destination"], one["reason"]) for one in as_json] == [("fine", None), ("paused", "moving")]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["retyr", "shop.check", "1"], "calls has no action 'retyr'; did you mean retry?"),
        (["shop.chekc"], "no job named 'shop.chekc'; did you mean shop.check, shop.mapped, shop.limited?"),
        (["sexton.housekeeping"], "sexton.housekeeping calls nobody"),
        (["retry"], "name a job and a row: sexton calls retry JOB ROW"),
        (["cancel", "shop.check"], "name a row: sexton calls cancel shop.check ROW"),
        (["show", "shop.check"], "name one job and one row: sexton calls show JOB ROW"),
        (["show", "shop.check", "7"], "shop.check calls for no row 7; see: sexton calls shop.check"),
        (["--step", "nope", "shop.check"], "no step 'nope' calls; steps that do: check"),
        (["pause", "gateway"], "say why, for those who wonder: --reason TEXT"),
        (
            ["pause", "gateway", "--reason", "x"],
            "nobody called 'gateway' is known; see: sexton calls destinations",
        ),
        (["resume"], "name one destination: sexton calls resume DESTINATION; see: sexton calls destinations"),
    ],
)
def test_bad_input_is_one_line(words: list[str], line: str, shop: Shop) -> None:
    done = shop.sexton("calls", *words)

    assert done.code == 2
    assert done.line == f"sexton: {line}"


@pytest.mark.databases("sqlite")
def test_texts_of_others_are_shown_without_what_a_terminal_obeys(shop: Shop) -> None:
    """SEC-9"""
    with shop.engine.begin() as connection:
        calls = own_tables("sqlite").calls
        row = {"job": "shop.check", "step": "check", "destination": "\x1b[2J", "attempts": 1, "state": "failed"}
        connection.execute(insert(calls).values(row | {"subject": "\x1b]0;x\x07", "closed_at": ask_now(connection)}))

    done = shop.sexton("calls")

    assert "\x1b" not in done.out
    assert "\\u001b]0;x\\u0007" in done.out


@pytest.mark.databases("sqlite")
def test_nothing_waits(inside: Inside, database: str, tmp_path: Path) -> None:
    inside.write("sexton.toml", f'database = "{database}"\n')

    assert inside.sexton("calls").out == "no job calls anybody\n"
