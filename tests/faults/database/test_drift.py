"""D14: the schema is not what the job was written for. What breaks is refused at once, what is slow is named."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, text
from sqlalchemy.exc import DBAPIError

from sexton import Job, Purge, Transition, UtcDateTime
from sexton.doctor.inspection import job_warnings
from sexton.errors import PolicyError
from sexton.testing import preview_job, run_job
from tests.support.sessions import NOON, Sessions, make_sessions

from .nothing import assert_nothing_started


@pytest.mark.parametrize("kind", ["purge", "expire", "warn"])
def test_d14_a_renamed_column_is_refused_by_name_and_nothing_starts(engine: Engine, kind: str) -> None:
    shop = make_sessions(engine)
    shop.add(3, age=timedelta(hours=1))
    execute(engine, "ALTER TABLE sessions RENAME COLUMN expires_at TO ends_at")
    job = getattr(shop, kind)()

    for start in (run_job, preview_job):
        with pytest.raises(PolicyError, match=rf"{job.name}.*expires_at") as refused:
            start(engine, job, at=NOON)
        assert "\n" not in str(refused.value)
        assert refused.value.exit_code == 2
    assert shop.count() == 3
    assert_nothing_started(engine)


def test_d14_a_missing_column_that_would_only_be_written_is_refused_as_well(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(1, age=timedelta(hours=1))
    written = Table(
        "sessions",
        MetaData(),
        *(Column(c.name, c.type, primary_key=c.primary_key) for c in shop.table.c),
        Column("ended", Integer),
    )
    work = Transition(written, {"ended": 1}, only=written.c.status == "open", by=written.c.expires_at, kind="deadline")

    with pytest.raises(PolicyError, match="ended"):
        run_job(engine, Job("shop.end_sessions", work=work), at=NOON)

    assert_nothing_started(engine)


def test_d14_a_missing_table_is_refused_by_name_and_nothing_starts(engine: Engine) -> None:
    shop = make_sessions(engine)
    execute(engine, "DROP TABLE accesses")
    execute(engine, "DROP TABLE sessions")

    with pytest.raises(PolicyError, match=r"shop\.purge_sessions.*sessions"):
        run_job(engine, shop.purge(), at=NOON)

    assert_nothing_started(engine)


def about_indexes(engine: Engine, shop: Sessions) -> list[str]:
    """What is said beside that accesses refer to sessions."""
    return [warning for warning in job_warnings(engine, shop.purge()) if "refers to" not in warning]


def test_d14_an_index_that_is_there_needs_no_warning(engine: Engine) -> None:
    assert about_indexes(engine, make_sessions(engine)) == []


def test_d14_a_missing_index_is_named_in_words_that_can_be_run(engine: Engine) -> None:
    shop = make_sessions(engine, indexed=False)

    warnings = about_indexes(engine, shop)
    for warning in warnings:
        execute_alone(engine, warning[warning.index("CREATE INDEX") :])

    assert any("sessions (expires_at, id)" in warning for warning in warnings)
    assert any("accesses (session_id)" in warning for warning in warnings)
    assert about_indexes(engine, shop) == []


@pytest.mark.databases("postgres")
def test_d14_an_invalid_index_counts_as_missing(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.one(1, NOON)
    shop.one(2, NOON)
    execute(engine, "DROP INDEX sessions_expires")
    with (
        pytest.raises(DBAPIError, match="could not create unique index"),
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        connection.execute(text("CREATE UNIQUE INDEX CONCURRENTLY sessions_expires ON sessions (expires_at)"))

    warnings = about_indexes(engine, shop)

    assert [re.sub(" serves .*", "", warning) for warning in warnings] == ["no index"]


def test_d14_a_column_that_has_become_a_number_is_refused_by_check_and_by_run(engine: Engine) -> None:
    """On SQLite every number is less than any text: all rows would be due."""
    shop = with_numbers(engine)

    for start in (job_warnings, run_job, preview_job):
        with pytest.raises(PolicyError, match=r"shop\.purge_sessions"):
            start(engine, shop.purge())

    assert shop.count() == 2
    assert_nothing_started(engine)


def test_d14_a_view_in_place_of_the_table_is_refused(engine: Engine) -> None:
    shop = make_sessions(engine)
    execute(engine, "CREATE VIEW current AS SELECT * FROM sessions")
    view = Table("current", MetaData(), Column("id", Integer, primary_key=True), Column("expires_at", UtcDateTime))
    work = Purge(view, by=view.c.expires_at, keep="0s", kind="deadline")

    with pytest.raises(PolicyError, match="current"):
        run_job(engine, Job("shop.purge_view", work=work), at=NOON)

    assert shop.count() == 0
    assert_nothing_started(engine)


def with_numbers(engine: Engine) -> Sessions:
    """Sessions whose deadlines are seconds since 1970, far in the future."""
    shop = make_sessions(engine)
    execute(engine, "DROP TABLE accesses")
    execute(engine, "DROP TABLE sessions")
    execute(engine, "CREATE TABLE sessions (id bigint PRIMARY KEY, status text, expires_at bigint, created_at bigint)")
    execute(engine, "INSERT INTO sessions VALUES (1, 'open', 32503680000, 0), (2, 'open', 32503680001, 0)")
    return shop


def execute(engine: Engine, sql: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(sql))


def execute_alone(engine: Engine, sql: str) -> None:
    """Outside a transaction, as CONCURRENTLY wants it; SQLite has no such need."""
    level = {"isolation_level": "AUTOCOMMIT"} if engine.dialect.name == "postgresql" else {}
    with engine.connect().execution_options(**level) as connection:
        connection.execute(text(sql))
        connection.commit()
