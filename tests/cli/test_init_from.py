"""`sexton init --from`: a database is looked at, and the written file works as it stands."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from .shell import Inside

CANARY = "qXcanaryX7"


@pytest.fixture
def shop(inside: Inside, engine: Engine) -> Inside:
    """Two sessions, one of them over, and people."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE sessions (id int PRIMARY KEY, expires_at timestamp)"))
        connection.execute(text("CREATE TABLE users (id int PRIMARY KEY, deleted_at timestamp)"))
        connection.execute(text("CREATE TABLE uploads (id int PRIMARY KEY, created_at timestamp)"))
        connection.execute(
            text("INSERT INTO sessions VALUES (1, '2020-01-01 00:00:00'), (2, '2100-01-01 00:00:00'), (3, NULL)")
        )
    return inside


def test_what_is_written_works_as_it_stands(shop: Inside, database: str, engine: Engine) -> None:
    done = shop.sexton("init", "--from", database)
    written = (shop.folder / "sexton.toml").read_text()

    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(
        "then: sexton migrate, sexton check\n"
        "then read each policy, see what it would do, and confirm it; until then it only counts:\n"
        "  sexton run policies.expired_sessions --dry-run\n"
        "  sexton arm expired_sessions\n"
    )
    line = int(done.out.partition("from line ")[2].partition(" ")[0])
    assert written.splitlines()[line - 1] == "# Policies for your own tables"
    assert (
        "# Looks like sessions: expires_at. 3 rows, expires_at from 2020-01-01 to 2100-01-01; due now: 1.\n" in written
    )
    assert "; no other table refers to it; no index leads to expires_at.\n" in written.replace("\n# ", " ")
    assert "policies proposed: 1, and 1 that need a decision, from line " in done.out
    assert "\n#[policies.old_uploads]\n" in written
    assert list(tomllib.loads(written)["policies"]) == ["expired_sessions"]
    checked = shop.sexton("check", SEXTON_DATABASE=database)
    assert (checked.code, "policies.expired_sessions: its statements work here" in checked.out) == (0, True)
    assert "only counted" in shop.sexton("run", "policies.expired_sessions", SEXTON_DATABASE=database).out
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM sessions")).scalar_one() == 3


def test_what_needs_a_decision_works_once_it_is_taken(shop: Inside, database: str) -> None:
    shop.sexton("init", "--from", database)
    head, _, tail = (shop.folder / "sexton.toml").read_text().partition("#[policies.old_uploads]")
    decided = "\n".join(line.removeprefix("#") if " = " in line else line for line in tail.splitlines())
    shop.write("sexton.toml", f"{head}[policies.old_uploads]{decided}")

    assert shop.sexton("check", SEXTON_DATABASE=database).code == 0


def test_nothing_is_overwritten_and_nothing_written_without_a_database(inside: Inside, tmp_path: Path) -> None:
    missing = inside.sexton("init", "--from", "sqlite:///nowhere.db")
    wrong = inside.sexton("init", "--from", "mysql://host/name")
    assert (missing.code, missing.line) == (69, "sexton: there is no SQLite file nowhere.db")
    assert wrong.code == 2
    assert inside.sexton("init", "--all").line == "sexton: --all goes with --from URL"
    assert list(tmp_path.iterdir()) == []

    inside.write(".env.example", "")
    assert inside.sexton("init", "--from", "sqlite:///nowhere.db").code == 2
    assert [path.name for path in tmp_path.iterdir()] == [".env.example"]


@pytest.mark.databases("postgres18")
def test_x1_the_password_is_written_nowhere(shop: Inside, database: str) -> None:
    url = make_url(database).set(password=CANARY).render_as_string(hide_password=False)

    done = shop.sexton("init", "--from", url)

    written = (shop.folder / "sexton.toml").read_text(), (shop.folder / ".env.example").read_text()
    assert done.code == 0
    assert CANARY not in "".join((done.out, done.err, *written))
    assert "SEXTON_DATABASE=postgresql" in done.out
    assert "#SEXTON_DATABASE=postgresql" in written[1]
    assert "database" not in tomllib.loads(written[0])


@pytest.mark.databases("sqlite")
def test_the_file_of_a_database_stays_as_it_is(inside: Inside, tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "my shop #1.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE sessions (id INTEGER PRIMARY KEY, expires_at TEXT)")
    connection.close()
    before = path.read_bytes()

    assert inside.sexton("init", "--from", "sqlite:///my shop #1.db").code == 0
    assert path.read_bytes() == before
    assert sorted(found.name for found in tmp_path.iterdir()) == [".env.example", path.name, "sexton.toml"]
    assert "[policies.expired_sessions]" in (tmp_path / "sexton.toml").read_text()
