"""Whatever a user gets wrong is told in one line on stderr, with exit code 2, and nothing is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from tests.cli.shell import JOBS, Shell
from tests.faults.database.nothing import assert_nothing_started

RUN = ("run", "shop.purge_sessions")

SETTINGS = [
    ('tabases = "x"', ["sexton.toml line 1", "tabases", "database"]),
    ("[run]\nbatch_row = 3", ["sexton.toml line 2", "batch_row", "batch_rows"]),
    ('[job."shop.purge_sessions"]\nschedule = "61 4 * * *"', ["sexton.toml line 2", "schedule", "minute", "61"]),
    ('[job."shop.purge_sessions"]\nschedule = "0 25 * * *"', ["schedule", "hour", "25"]),
    ('[job."shop.purge_sessions"]\ntimezone = "Europe/Berlyn"', ["Europe/Berlyn", "Europe/Berlin"]),
    ('timezone = "Mars"', ["timezone", "Mars"]),
    ('[job."shop.purge_sessions"]\ntimeout = "5"', ["timeout", "5", "unit"]),
    ('[run]\nlease = "-1s"', ["run.lease", "-1s"]),
    ('[run]\nlease = "1 month"', ["run.lease", "month"]),
    ('[job."shop.purge_session"]\npriority = 1', ["shop.purge_session", "shop.purge_sessions"]),
    ('packs = ["marketplaces"]', ["marketplaces", "marketplace"]),
    ('[pack.marketplace]\nwarn_before = "1d"', ["pack.marketplace", "not enabled"]),
    ('jobs = ["nowhere.py"]', ["nowhere.py"]),
    ('database = "mysql://shop@h/db"', ["database", "mysql"]),
    ("database = ", ["sexton.toml line 1"]),
]


@pytest.mark.parametrize(("toml", "told"), SETTINGS, ids=[toml.replace("\n", " ") for toml, _ in SETTINGS])
def test_a_setting_that_cannot_be_right_is_named_with_what_would_be(shell: Shell, toml: str, told: list[str]) -> None:
    parts = {"database": 'database = "sqlite:///shop.db"', "jobs": 'jobs = ["jobs.py"]'}
    rest = "\n".join(line for key, line in parts.items() if not toml.startswith(key))
    head, _, tables = toml.partition("[")
    written = f"{head}\n{rest}\n[{tables}" if tables and head == "" else f"{toml}\n{rest}\n"
    if "line" in told[0]:
        written = toml
    shell.write("sexton.toml", written)
    shell.write("jobs.py", JOBS)

    done = shell.sexton(*RUN)

    assert done.code == 2
    assert done.out == ""
    for part in told:
        assert part in done.line, done.line
    assert not (shell.folder / "shop.db").exists()
    assert not (shell.folder / "sexton.db").exists()


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "shop.purge_session"), ["shop.purge_session", "shop.purge_sessions"]),
        (("test", "shop.expire"), ["shop.expire", "shop.expire_sessions"]),
        (("explain", "sexton.housekeepin"), ["sexton.housekeeping"]),
        (("history", "purge_sessions"), ["shop.purge_sessions"]),
        (("histori",), ["histori", "history"]),
        (("run",), ["name one job", "--due"]),
        (("run", "shop.purge_sessions", "--now", "yesterday"), ["yesterday", "2026-11-22T10:00:00Z"]),
        (("run", "--due", "--now", "2026-01-01"), ["--due", "--now"]),
        (("run", "shop.purge_sessions", "--now", "2399-01-01"), ["ahead", "--dry-run", "--yes"]),  # REP-16
        (("test", "shop.purge_sessions", "--now", "2399-01-01"), ["ahead", "--dry-run", "--yes"]),
        (("show", "77"), ["77", "sexton history"]),
        (("show", "99999999999999999999999"), ["99999999999999999999999"]),
        (("history", "--limit", "-1"), ["--limit"]),
        (("history", "--limit", "0"), ["--limit"]),
        (("jobs", "--config", "elsewhere.toml"), ["elsewhere.toml"]),
        (("demo", "marketplaces"), ["marketplaces", "marketplace"]),
        (("demo", "--scale", "0"), ["--scale"]),
        (("init",), ["sexton.toml", "there already"]),
    ],
    ids=" ".join,
)
def test_a_word_that_cannot_be_right_is_named(
    shop_inside: Shell, engine: Engine, words: tuple[str, ...], told: list[str]
) -> None:
    done = shop_inside.sexton(*words)

    assert done.code == 2
    last = done.err.splitlines()[-1]
    assert "Traceback" not in done.err
    for part in told:
        assert part in last, done.err
    assert_nothing_started(engine)


FLAWS = [
    ('Table(\n    "sessions"', 'Table(\n    "visits"', ["visits"]),
    ("expires_at", "ends_at", ["shop.purge_sessions", "ends_at"]),
    ('"expires_at", UtcDateTime', '"expires_at", Integer', ["expires_at", "no time"]),
    ('keep="0s", kind="deadline"', 'keep="0s"', ["keep is 0s", "deadline"]),
    ('keep="0s", kind', 'keep="30", kind', ["30", "unit"]),
    (", primary_key=True", "", ["sessions", "primary key"]),
    ('by=columns.expires_at, keep="0s"', 'by=Column("other", UtcDateTime), keep="0s"', ["other", "no column"]),
    ('work=Purge(sessions, by=columns.expires_at, keep="0s", kind="deadline")', 'work="purge"', ["work must be"]),
    ('cron("17 3 * * *", tz="Europe/Berlin")', 'cron("17 3 * *")', ["17 3 * *"]),
    ('cron("17 3 * * *", tz="Europe/Berlin")', 'cron("17 3 * * *", tz="Berlin")', ["Berlin", "Europe/Berlin"]),
    ('"shop.expire_sessions"', '"shop.purge_sessions"', ["shop.purge_sessions", "two jobs"]),
    ('"shop.purge_sessions"', '"Purge Sessions"', ["Purge Sessions"]),
    ("import Job, Purge", "import Job, Purgo", ["jobs.py", "Purgo"]),
    ("columns = sessions.c", "columns = sessions.d", ["jobs.py"]),
    ("columns = sessions.c", "columns = = sessions.c", ["jobs.py"]),
]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("right", "wrong", "told"), FLAWS, ids=[wrong.split("\n")[-1].strip() for _, wrong, _ in FLAWS]
)
def test_a_flaw_in_the_jobs_is_named_and_nothing_starts(
    shop: Shell, engine: Engine, right: str, wrong: str, told: list[str]
) -> None:
    assert right in JOBS
    shop.write("jobs.py", JOBS.replace(right, wrong))

    done = shop.sexton(*RUN)

    assert done.code == 2
    for part in told:
        assert part in done.line, done.line
    assert_untouched(engine)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE sessions RENAME TO old_sessions",
        "ALTER TABLE sessions RENAME COLUMN expires_at TO ends_at",
    ],
    ids=["no such table", "no such column"],
)
def test_what_is_missing_in_the_database_is_named_and_nothing_starts(shop: Shell, engine: Engine, change: str) -> None:
    execute(engine, change)

    done = shop.sexton(*RUN)

    assert done.code == 2
    assert "shop.purge_sessions" in done.line
    assert ("expires_at" if "COLUMN" in change else "sessions") in done.line
    assert_nothing_started(engine)


def test_a_column_that_is_no_time_in_the_database_is_named_and_nothing_starts(shop: Shell, engine: Engine) -> None:
    execute(engine, "DROP TABLE sessions")
    execute(engine, "CREATE TABLE sessions (id bigint PRIMARY KEY, status text, expires_at bigint)")
    execute(engine, "INSERT INTO sessions VALUES (1, 'open', 32503680000)")

    done = shop.sexton(*RUN)

    assert done.code == 2
    assert "shop.purge_sessions" in done.line
    assert_nothing_started(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM sessions")).scalar() == 1


def test_a_database_that_was_never_migrated_says_how(shop: Shell, empty_database: str) -> None:
    url = empty_database
    if "sqlite" in url:
        Path(url.removeprefix("sqlite:///")).touch()

    for words in (RUN, ("run", "--due"), ("history",))[: 3 if "sqlite" in url else 1]:
        done = shop.sexton(*words, "--database", url)
        assert (done.code, done.out) == (2, "")
        assert "sexton migrate" in done.line
    fresh = create_engine(url)
    with fresh.connect() as connection:
        count = "SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'sexton')"
        asked = count if fresh.dialect.name == "postgresql" else "SELECT count(*) FROM sqlite_master"
        assert connection.execute(text(asked)).scalar() == 0
    fresh.dispose()


@pytest.mark.parametrize(("revision", "how"), [("0000", "sexton migrate"), ("9999", "newer")])
def test_tables_of_another_revision_are_refused_and_say_how(
    shop: Shell, engine: Engine, revision: str, how: str
) -> None:
    version = "sexton.schema_version" if engine.dialect.name == "postgresql" else "sexton_schema_version"
    execute(engine, f"UPDATE {version} SET version_num = '{revision}'")

    done = shop.sexton(*RUN)

    assert done.code == 2
    assert revision in done.line
    assert how in done.line
    assert_untouched(engine)


@pytest.mark.databases("sqlite", "postgres18")
def test_migrate_leaves_tables_of_a_newer_revision_alone_and_says_so(shop: Shell, engine: Engine) -> None:
    version = "sexton.schema_version" if engine.dialect.name == "postgresql" else "sexton_schema_version"
    execute(engine, f"UPDATE {version} SET version_num = '9999'")

    done = shop.sexton("migrate")

    assert done.code == 2
    assert "9999" in done.line
    assert "newer" in done.line


def assert_untouched(engine: Engine) -> None:
    """No run, and both sessions are there."""
    assert_nothing_started(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM sessions WHERE status = 'open'")).scalar() == 2


def execute(engine: Engine, sql: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(sql))
