"""SEC-24: no command waits for a condition without end, and each says what took too long, on SQLite, too."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from .shell import Inside

SETTINGS = """
database = "{database}"

[policies.sessions]
purge = "sessions"
by = "ends"
unit = "s"
only = '''EXISTS (SELECT 1 FROM big AS x JOIN big AS y ON y.n > -1 JOIN big AS z ON z.n > -1
          WHERE x.n + y.n + z.n + sessions.id < 0)'''
timeout = "2s"
"""

SLOW = (
    "policies.sessions: counting what is due took longer than 2.0 s; `sexton doctor policies.sessions` says what index"
)


@pytest.mark.given_up
@pytest.mark.databases("sqlite", "postgres15")
def test_sec_24_every_command_ends_and_says_what_was_too_slow(inside: Inside, engine: Engine, database: str) -> None:
    inside.write("sexton.toml", SETTINGS.format(database=database))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE sessions (id int PRIMARY KEY, ends bigint)"))
        connection.execute(text("CREATE TABLE big (n int)"))
        connection.execute(text("INSERT INTO sessions VALUES (:n, 5)"), [{"n": n} for n in range(20)])
        connection.execute(text("INSERT INTO big VALUES (:n)"), [{"n": n} for n in range(5_000)])

    told = {}
    for code, words in (
        (0, ["migrate"]),
        (1, ["arm", "sessions", "--yes"]),
        (1, ["run", "sessions", "--dry-run"]),
        (0, ["check"]),
        (0, ["explain", "sessions"]),
        (0, ["debt", "--seconds", "1"]),
        (1, ["doctor", "sessions"]),
    ):
        done = inside.sexton(*words)
        assert done.code == code, (words, done.out, done.err)
        assert "Warning" not in done.err, done.err
        assert "Traceback" not in done.err, done.err
        told[words[0]] = done.out + done.err

    assert f"sexton: {SLOW}" in told["arm"]
    assert f"sexton: {SLOW}" in told["run"]
    assert "unknown" in told["debt"]
