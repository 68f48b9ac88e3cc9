"""`sexton arm`: what a policy of the settings file would do now, a question, and only then it takes rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from .shell import Inside

POLICY = '[policies.stale]\npurge = "sessions"\nby = "ends"\nunit = "s"\nmax_share = 1.0\n'


@pytest.fixture
def shop(inside: Inside, database: str, engine: Engine) -> Inside:
    """Three sessions, two of them over."""
    inside.write("sexton.toml", f'database = "{database}"\n{POLICY}')
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE sessions (id int PRIMARY KEY, ends bigint)"))
        connection.execute(text("INSERT INTO sessions VALUES (1, 1000), (2, 2000), (3, 9000000000)"))
    return inside


def left(engine: Engine) -> int:
    """Rows that are there."""
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM sessions")).scalar_one())


def test_it_counts_until_it_is_armed_and_then_takes_rows(shop: Inside, engine: Engine) -> None:
    counted = shop.sexton("run", "policies.stale")
    asked = shop.sexton("arm", "stale")
    armed = shop.sexton("arm", "stale", "--yes")

    assert "only counted, as it is not armed" in counted.out
    assert (asked.code, asked.line) == (2, "sexton: nobody can answer here; say --yes to arm stale")
    assert left(engine) == 3
    assert "stale: delete rows of sessions past their ends" in armed.out
    assert "table sessions: 3 rows, 66.7% of them due" in armed.out
    assert "  stale: first id 1, 2\n    ends from 1000\n" in armed.out
    assert armed.out.endswith("stale is armed: from its next run on it takes rows\n")
    assert shop.sexton("run", "policies.stale").code == 0
    assert left(engine) == 1
    assert "armed before, at" in shop.sexton("arm", "stale", "--yes").out


def test_it_can_be_disarmed(shop: Inside, engine: Engine) -> None:
    shop.sexton("arm", "policies.stale", "--yes")

    assert shop.sexton("arm", "stale", "--disarm").out == "stale only counts from now on\n"
    assert shop.sexton("arm", "stale", "--disarm").out == "stale was not armed\n"
    shop.sexton("run", "policies.stale")
    assert left(engine) == 3


@pytest.mark.databases("sqlite")
def test_bad_names_are_one_line(shop: Inside, tmp_path: Path) -> None:
    done = shop.sexton("arm", "stail")
    assert (done.code, done.line) == (2, "sexton: no policy named 'stail' in the settings; did you mean stale?")

    shop.write("sexton.toml", POLICY.replace("[policies.stale]", "[policies.Stale]"))
    done = shop.sexton("jobs")
    assert (done.code, done.line) == (
        2,
        "sexton: policies.Stale: a name is lower-case letters, digits and _, such as stale_sessions",
    )


def test_the_other_commands_know_it(shop: Inside) -> None:
    assert "policies.stale" in shop.sexton("jobs").out
    assert "policies.stale: its statements work here\n" in shop.sexton("check").out
    assert ":now_epoch_s" in shop.sexton("explain", "policies.stale").out
    assert "policies.stale: stale" in shop.sexton("debt").out
    assert shop.sexton("test", "policies.stale").code == 0


def test_check_asks_no_database_when_it_is_to_stay_offline_and_names_a_policy_once(shop: Inside) -> None:
    assert shop.sexton("check", "--offline", SEXTON_DATABASE="sqlite:////nowhere/shop.db").code == 0

    shop.write("sexton.toml", POLICY.replace("sessions", "sesions"))
    shop.sexton("migrate")
    assert "wrong    policies.stale: there is no table sesions" in shop.sexton("check").out
