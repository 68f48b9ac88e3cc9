"""SEC-8: SQL of the settings is one query that can only read, and leaves nothing in the session of anybody."""

from __future__ import annotations

from contextlib import nullcontext, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from sexton.db.operator_query import ask_in_own_session, one_query

ESCAPES = [
    "COMMIT; DELETE FROM keep; SELECT false",
    "SELECT 1; DELETE FROM keep",
    "SELECT 1) AS asked; DELETE FROM keep; SELECT * FROM (SELECT 1",
    "SELECT 1) AS asked; COMMIT; DELETE FROM keep; SELECT * FROM (SELECT 1 -- ",
    "DELETE FROM keep",
    "DELETE FROM keep RETURNING 1",
    "UPDATE keep SET id = 9 RETURNING id",
    "DROP TABLE keep",
    "COMMIT",
    "PRAGMA query_only = OFF",
    "VACUUM INTO '/nowhere/at/all'",
    "ATTACH ':memory:' AS other",
    "WITH gone AS (DELETE FROM keep RETURNING 1) SELECT count(*) FROM gone",
    "SELECT 1 /* ",
    "SELECT 'a",
    "SELECT 1) AS asked",
    "(SELECT 1",
    "SELECT ';' || E'\\';' ; DELETE FROM keep --'",
    "",
    " -- nothing",
    "; ;",
]

ON_POSTGRESQL = [
    "DO $$ BEGIN DELETE FROM keep; END $$",
    "SELECT 1 AS x INTO kept_by_us",
    "SELECT writes()",
    "SELECT nextval('numbers')",
    "SELECT setval('numbers', 99)",
    "SELECT set_config('transaction_read_only', 'off', false)::bool OR writes()",
    "SELECT id FROM keep FOR UPDATE",
    "SELECT $$;$$; DELETE FROM keep",
    "SELECT $a$ $b$ $a$ ; DELETE FROM keep; SELECT '$a$'",
    "SELECT * FROM keep; PREPARE p AS SELECT 1",
    "CALL commits()",
    "LISTEN secrets",
    "SET statement_timeout = 0",
    "CREATE TEMP TABLE mine (id int)",
    "COPY keep TO '/tmp/never'",
    "EXPLAIN ANALYZE DELETE FROM keep",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    "TABLE keep; TRUNCATE keep",
    "SELECT pg_sleep(600)",
]

READS = [
    ("SELECT count(*) > 2 FROM keep", True),
    ("SELECT max(id) FROM keep;", 3),
    (" select id from keep where id < 0 ", None),
    ("SELECT ';' || 'a'';b' -- a remark; of ours", ";a';b"),
    ("WITH few AS (SELECT id FROM keep) SELECT count(*) FROM few /* ; */;", 3),
    ("-- first\nSELECT '50%' LIKE '5%' AND '%s' = '%s'", True),
    ("VALUES (7)", 7),
    ("(SELECT 1)", 1),
]


@pytest.fixture
def keep(engine: Engine) -> Engine:
    """A table that no policy names."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE keep (id int)"))
        connection.execute(text("INSERT INTO keep VALUES (1), (2), (3)"))
        if engine.dialect.name == "postgresql":
            connection.execute(text("CREATE SEQUENCE numbers"))
            body = "$$ BEGIN DELETE FROM keep; RETURN true; END $$"
            connection.execute(text(f"CREATE FUNCTION writes() RETURNS bool LANGUAGE plpgsql AS {body}"))
            body = "$$ BEGIN COMMIT; DELETE FROM keep; END $$"
            connection.execute(text(f"CREATE PROCEDURE commits() LANGUAGE plpgsql AS {body}"))
            body = "$$ BEGIN EXECUTE 'PREPARE left_behind AS SELECT 1'; PERFORM pg_advisory_lock(7); RETURN 1/0; END $$"
            connection.execute(text(f"CREATE FUNCTION leaves() RETURNS int LANGUAGE plpgsql AS {body}"))
    return engine


def assert_nothing_happened(engine: Engine) -> None:
    with engine.begin() as connection:
        assert connection.execute(text("SELECT id FROM keep ORDER BY id")).scalars().all() == [1, 2, 3]
        if engine.dialect.name == "postgresql":
            assert connection.execute(text("SELECT is_called FROM numbers")).scalar_one() is False
            assert connection.execute(text("SELECT to_regclass('kept_by_us')")).scalar_one() is None


@pytest.mark.databases("sqlite", "postgres15")
def test_sec_8_what_is_no_single_query_is_refused_and_changes_nothing(keep: Engine) -> None:
    for sql in ESCAPES + (ON_POSTGRESQL if keep.dialect.name == "postgresql" else []):
        with pytest.raises((ValueError, DBAPIError)):
            print(sql, ask_in_own_session(keep, sql, 1.0))
        assert_nothing_happened(keep)


@pytest.mark.databases("sqlite", "postgres15")
def test_sec_8_the_database_refuses_what_nobody_saw_before(keep: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at the text is for a good sentence; it is not what keeps it from writing."""
    monkeypatch.setattr("sexton.db.operator_query.one_query", lambda sql: sql)
    for sql in ESCAPES + (ON_POSTGRESQL if keep.dialect.name == "postgresql" else []):
        with pytest.raises(Exception, match=r"\S"):
            print(sql, ask_in_own_session(keep, sql, 1.0))
        assert_nothing_happened(keep)


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize(("sql", "value"), READS)
def test_sec_8_a_query_is_answered(keep: Engine, sql: str, value: object) -> None:
    assert ask_in_own_session(keep, sql, 60.0) == value


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_advisory_lock(1) IS NOT NULL",
        "SELECT leaves()",
        "SELECT set_config('application_name', 'mine', false)",
        "SELECT pg_notify('sexton_wake', 'x') IS NULL",
        "SELECT lo_create(4711)",
    ],
)
def test_sec_8_nothing_is_left_in_any_session(keep: Engine, sql: str) -> None:
    with keep.connect() as connection:  # the pool's sessions are warm
        before = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with nullcontext() if "leaves" not in sql and "lo_" not in sql else suppress(DBAPIError):
        ask_in_own_session(keep, sql, 60.0)

    with keep.connect() as connection:
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
        mine = " (SELECT oid FROM pg_database WHERE datname = current_database())"
        assert connection.execute(text(locks + mine)).scalar_one() == 0
        assert connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one() == 0
        assert connection.execute(text("SELECT current_setting('application_name')")).scalar_one() != "mine"
        assert connection.execute(text("SELECT count(*) FROM pg_largeobject_metadata")).scalar_one() == 0
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() == before


def test_sec_8_a_text_with_several_statements_is_named_so() -> None:
    for sql in ("COMMIT; DELETE FROM keep; SELECT false", "SELECT 1) AS a; DROP TABLE b; SELECT (1", "SELECT ';'; x"):
        with pytest.raises(ValueError, match=r"holds more than one statement; write one SELECT"):
            one_query(sql)
    for sql in ("COMMIT", "DELETE FROM keep", "SET a = 1", "", "TABLE keep"):
        with pytest.raises(ValueError, match=r"is no query; write one SELECT"):
            one_query(sql)


@given(st.text("sSELCT1 ;'\"$-/*\\\n()eE%", max_size=60))
def test_sec_8_a_text_that_is_taken_is_a_query(sql: str) -> None:
    with suppress(ValueError):
        assert not one_query(sql).endswith((";", " "))
