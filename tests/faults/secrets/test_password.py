"""X1: a password is shown nowhere: in no command's output, no table, no error, whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from sexton import Job, Run
from sexton.db.tables import own_tables
from sexton.telemetry import logs
from sexton.testing import run_job
from sexton.testing.postgres import Server
from tests.cli.shell import JOBS, Done, Inside, Shell

CANARY = "qXcanaryX7"

EVERY_COMMAND = [
    ("init", "new"),
    ("jobs",),
    ("jobs", "--json"),
    ("calendar",),
    ("migrate",),
    ("check",),
    ("run", "shop.purge_sessions"),
    ("run", "--due"),
    ("test", "shop.expire_sessions", "--twice"),
    ("history",),
    ("history", "--json"),
    ("show", "1"),
    ("show", "1", "--json"),
    ("explain", "shop.expire_sessions"),
    ("explain", "shop.expire_sessions", "--json"),
    ("metrics",),
    ("check", "--health", "--json"),
]

WRONG = [
    "postgresql+psycopg://shop:{canary}@127.0.0.1:1/db",
    "postgresql+psycopg://shop:{canary}@nowhere.invalid/db",
    "postgresql+psycopg://shop:{canary}@127.0.0.1:port/db",
    "postgresql+psycopg://shop:a@{canary}@127.0.0.1:1/db",
    "postgresql+psycopg://shop:a@{canary}:x@127.0.0.1:1/db",
    "postgresql+psycopg://shop:a/{canary}@127.0.0.1:1/db",
    "postgresql+psycopg://shop:a?{canary}@127.0.0.1:1/db",
    "postgresql+psycopg://shop:a#{canary}@127.0.0.1:1/db",
    "postgresql+psycopg://127.0.0.1:1/db?user=shop&password={canary}",
    "postgresql+psycopg://shop:{canary}@127.0.0.1:1/db?nonsense=1",
    "postgresql+psycopg://shop:{canary}@127.0.0.1:1/db?connect_timeout=soon",
    "mysql://shop:{canary}@127.0.0.1/db",
    "host=127.0.0.1 password={canary}",
    "{canary}",
]
"""Addresses as people write them by mistake: nothing answers there, or they are none."""


@pytest.mark.databases("postgres18")
def test_x1_no_command_and_no_table_shows_the_password(engine: Engine, inside: Inside) -> None:
    (inside.folder / "new").mkdir()
    inside.write("jobs.py", JOBS)
    url = engine.url.set(password=CANARY).render_as_string(hide_password=False)
    inside.write("sexton.toml", f'database = "{url}"\njobs = ["jobs.py"]\n')
    execute(engine, "CREATE TABLE sessions (id bigint PRIMARY KEY, status text, expires_at timestamptz)")
    execute(engine, "INSERT INTO sessions VALUES (1, 'open', '2020-01-01')")

    for words in EVERY_COMMAND:
        done = inside.sexton(*words)
        assert done.code == 0, (words, done)
        assert done.out or words == ("run", "--due")  # a job that is new is not due yet
        assert_hidden(done)

    assert "shop.purge_sessions" in dump(engine)
    assert CANARY not in dump(engine)


@pytest.mark.parametrize("url", WRONG)
def test_x1_an_address_that_leads_nowhere_is_told_in_one_line_without_its_password(inside: Inside, url: str) -> None:
    done = inside.sexton("history", SEXTON_DATABASE=url.format(canary=CANARY))

    assert done.code in (2, 69)
    assert done.line.startswith("sexton: ")
    assert_hidden(done)


@pytest.mark.parametrize("words", [("run", "--due"), ("migrate",), ("check",)])
def test_x1_an_unreachable_database_ends_with_69_and_is_named_without_the_password(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    shell = Shell(tmp_path)

    done = shell.sexton(*words, SEXTON_DATABASE=WRONG[0].format(canary=CANARY))

    assert done.code == 69
    assert "Traceback" not in done.err
    assert "127.0.0.1:1" in done.err + done.out
    assert_hidden(done)


def test_x1_a_wrong_password_is_told_in_one_line_without_it(
    tmp_path: Path, start_server: Callable[..., Server]
) -> None:
    server = start_server(18)
    rules = server.data / "pg_hba.conf"
    rules.write_text("host all keeper 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
    server.restart()
    url = server.url.replace("postgres@", f"keeper:{CANARY}@")

    done = Shell(tmp_path).sexton("history", SEXTON_DATABASE=url)

    assert done.code == 69
    assert "password authentication failed" in done.line
    assert_hidden(done)


@pytest.mark.databases("sqlite", "postgres18")
@pytest.mark.parametrize(
    "words",
    [
        "cannot reach postgresql://shop:{canary}@db.internal/shop",
        "GET https://shop:{canary}@api.example/v1 failed",
        "503 for url: https://api.example/v1?token={canary}&page=2",
        "redis://:{canary}@cache:6379/0 refused",
    ],
)
def test_x1_an_error_of_a_function_that_quotes_an_address_is_kept_without_its_secrets(
    engine: Engine, words: str
) -> None:
    def broken(run: Run) -> None:
        raise RuntimeError(words.format(canary=CANARY))

    run = run_job(engine, Job("shop.broken", work=broken))

    assert run.state == "failed"
    assert run.error is not None
    assert words.split()[0].partition(":")[0] in run.error
    assert CANARY not in f"{run.error} {logs.ended(run, 1.0)} {dump(engine)}"


def assert_hidden(done: Done) -> None:
    assert CANARY not in done.out
    assert CANARY not in done.err


def dump(engine: Engine) -> str:
    """All our rows as text."""
    own = own_tables(engine.dialect.name)
    with engine.connect() as connection:
        return "\n".join(
            str(tuple(row)) for table in own.metadata.sorted_tables for row in connection.execute(select(table))
        )


def execute(engine: Engine, sql: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(sql))
