"""SEC-24: whatever stands in `only`, it is read or refused with one sentence; nobody waits for it without end."""

from __future__ import annotations

import random
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError

from sexton.db.connect import read_only
from sexton.db.statement_timeout import answered_in_time, statement_limit
from sexton.declared.catalogue import Catalogue
from sexton.declared.sql_condition import read_condition
from sexton.declared.time_columns import TimeMeaning
from sexton.errors import SextonError, TimedOut
from sexton.runs.dry_run import dry_run

from .shop import Shop

BOTH = pytest.mark.databases("sqlite", "postgres15")

CLAUSES = [
    *"""
a = 1 § s LIKE 'x%' § NOT flag § a IN (1, 2) § a BETWEEN 1 AND 2 § s IS NULL § (a, b) = (1, 2) § flag
ends < now() - interval '3 days' § ends < datetime('now', '-3 days') § lower(s) = 'x' § s ~ 'x' § s || t
EXISTS (SELECT 1 FROM u WHERE u.a = rows_.a) § a = (SELECT max(v) FROM u) § a = ANY (ARRAY[1, 2])
s::regclass IS NULL § s::x.y IS NULL § s::int[] IS NULL § s::varchar(3) = 'x' § CAST(a AS text) = '1'
a::numeric(3, 1) > 1 § s::interval > '1' § a IS DISTINCT FROM b § s -> 'a' = '1' § extract(year FROM ends) = 1
s AT TIME ZONE 'UTC' = t § CASE WHEN flag THEN a END = 1 § a[1] = 2 § (rows_).a = 1 § rows_.* IS NULL § * § $1 § :x
? § %s § {} § @x § a = 1 -- b § /* */ a = 1 § ' § a OVER (PARTITION BY b) = 1 § sum(a) FILTER (WHERE flag) = 1
count(DISTINCT a) > 1 § s SIMILAR TO 'x' § interval '1 day' > s § x'1f' = a § b'1' = a § 1e400 = a § 0x1f = a
1_000 = a § a = .5 § NULL § '' § a OPERATOR(pg_catalog.=) 1 § ROW(a, b) = ROW(1, 2) § a IN (VALUES (1))
DATE '2026-01-01' < ends § a <=> 1 § EXPLAIN SELECT 1 § SHOW x § CALL f() § SELECT 1 § a; b § DO $$ $$ § VACUUM
COPY x TO 'y' § ends < now § json_each(s) = 1 § s MATCH 'x' § s GLOB 'x*' § a IS TRUE § a ISNULL § a NOTNULL
s REGEXP 'x' § f(a => 1) § a IN (SELECT v FROM u UNION SELECT 1) § EXISTS (WITH w AS (SELECT 1) SELECT 1 FROM w)
a = SOME (1) § EXISTS (SELECT 1 FROM u, u AS w, u AS x, rows_ AS y) § EXISTS (SELECT 1 FROM (SELECT 1) AS z)
now() = now() § now() - now() > interval '1 day' § ends - now() - ends < interval '1 d' § CURRENT_DATE = ends
""".strip()
    .replace("\n", " § ")
    .split(" § "),
    *("s COLLATE \"C\" = 'x'", '"', "\ud800", "\x00"),
]
WORDS = [
    "AND",
    "OR",
    "NOT",
    "(",
    ")",
    ",",
    "::",
    ".",
    "CASE",
    "WHEN",
    "END",
    "-",
    "||",
    "IN",
    "IS",
    "now()",
    "'x'",
    "a",
]


@pytest.fixture
def rows(shop: Shop) -> Shop:
    """Numbers, texts, truth values, a time."""
    kind = "text" if shop.sqlite else "timestamp"
    shop.do(f"CREATE TABLE rows_ (id int PRIMARY KEY, a int, b int, s text, t text, flag boolean, ends {kind})")
    shop.do("CREATE TABLE u (a int, v int)", "INSERT INTO u VALUES (1, 2), (7, 3)")
    shop.do("INSERT INTO rows_ VALUES (1, 1, 2, 'x', 'y', true, '2026-01-01 00:00:00')")
    return shop


def said(shop: Shop, sql: str) -> str:
    """The sentence that refuses it; empty: it was read, and written for this database. Anything else is raised."""
    with warnings.catch_warnings(), read_only(shop.engine) as connection:
        warnings.simplefilter("error")
        catalogue = Catalogue(connection)
        table = catalogue.table("rows_")
        try:
            condition, _ = read_condition(catalogue, table, TimeMeaning(catalogue.dialect), sql)
        except SextonError as error:
            return str(error)
        str(select(table.c.id).where(condition).compile(shop.engine))
        return ""


def assert_one_sentence(told: str, sql: str) -> None:
    assert "\n" not in told, (sql, told)
    assert len(told) < 2_000, (sql, told)
    for word in ("Error", "Traceback", "object has no attribute", "recursion", "sqlglot"):
        assert word not in told, (sql, told)


@BOTH
@pytest.mark.parametrize("joined", [" AND ", " OR "])
def test_sec_24_hundreds_of_conditions_are_read(rows: Shop, joined: str) -> None:
    assert said(rows, joined.join(["a=1"] * 440)) == ""
    assert said(rows, joined.join(["(a=1)"] * 380)) == ""


@BOTH
def test_sec_24_hundreds_of_conditions_pick_what_they_say(rows: Shop) -> None:
    job = rows.job(purge="rows_", by="ends", keep="1d", only=" AND ".join(["a=1"] * 440))
    assert dry_run(rows.engine, job).steps["tidy"].picked == 1


@BOTH
@pytest.mark.parametrize("kind", ["regclass", "x.y", "oid", "regprocedure", '"Odd Type"', "char(3)", "pg_catalog.text"])
def test_sec_24_a_cast_to_anything_is_a_sentence(rows: Shop, kind: str) -> None:
    told = said(rows, f"s::{kind} = 'x'")

    assert "cast" in told or "cannot" in told or "condition" in told, told
    assert_one_sentence(told, kind)


@BOTH
@pytest.mark.parametrize(
    "sql",
    [
        "(" * 900 + "a=1" + ")" * 900,
        "NOT " * 900 + "flag",
        "a = " + "-" + "(-" * 900 + "1" + ")" * 900,
        "a = " + " + ".join(["1"] * 900),
        "s = " + " || ".join(["'x'"] * 500),
        "a = " + "abs(" * 600 + "a" + ")" * 600,
        "a = " + "CASE WHEN flag THEN " * 150 + "1" + " END" * 150,
        "EXISTS (SELECT 1 FROM u WHERE " * 100 + "flag" + ")" * 100,
        "a = 1 AND (b = 1 OR (" * 150 + "flag" + "))" * 150,
        "s" + "::text" * 600 + " = 'x'",
        "a" + "[1]" * 900 + " = 1",
        "(" * 2_000,
    ],
    ids=range(12),
)
def test_sec_24_what_is_too_deep_is_a_sentence(rows: Shop, sql: str) -> None:
    told = said(rows, sql)

    assert told
    assert_one_sentence(told, sql[:60])


@BOTH
def test_sec_24_fifty_parts_inside_each_other_are_written(rows: Shop) -> None:
    assert said(rows, "(" * 40 + "a=1" + ")" * 40) == ""
    assert said(rows, "a = " + " + ".join(["1"] * 40)) == ""


@BOTH
def test_sec_24_each_clause_is_read_or_refused(rows: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    for sql in CLAUSES:
        for shape in ("{}", "NOT ({})", "{} AND a = 1", "({}) IS NULL", "s = {}", "lower({}) = 'x'"):
            written = shape.replace("{}", sql)
            assert_one_sentence(said(rows, written), written)
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@BOTH
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.one_of(st.sampled_from(CLAUSES), st.sampled_from(WORDS)), min_size=1, max_size=9).map(" ".join))
def test_sec_24_any_row_of_words_is_read_or_refused(rows: Shop, sql: str) -> None:
    assert_one_sentence(said(rows, sql), sql)


@pytest.mark.slow
@BOTH
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 2**32))
def test_sec_24_any_nest_is_read_or_refused(rows: Shop, seed: int) -> None:
    sql = nest(random.Random(seed), 12)[:4_000]
    assert_one_sentence(said(rows, sql), sql)


def nest(chance: random.Random, depth: int) -> str:
    if depth == 0 or chance.random() < 0.1:
        return chance.choice(CLAUSES[:30])
    inner = nest(chance, depth - 1)
    shapes = ["({})", "NOT ({})", "{} AND {}", "{} OR {}", "({}) = ({})", "CASE WHEN {} THEN {} END", "abs({})"]
    return chance.choice(shapes).replace("{}", inner)


SLOW = (
    "EXISTS (SELECT 1 FROM big AS x JOIN big AS y ON y.n > -1 JOIN big AS z ON z.n > -1 JOIN big AS w ON w.n > -1"
    " WHERE x.n + y.n + z.n + w.n < 0)"
)


@pytest.fixture
def slow(shop: Shop) -> Shop:
    """A condition that the database would think about for days."""
    shop.do("CREATE TABLE rows_ (id int PRIMARY KEY, ends bigint)", "INSERT INTO rows_ VALUES (1, 5)")
    shop.do("CREATE TABLE big (n int)")
    with shop.engine.begin() as connection:
        connection.execute(text("INSERT INTO big VALUES (:n)"), [{"n": n} for n in range(3_000)])
    return shop


@BOTH
def test_sec_24_a_dry_run_takes_no_longer_than_a_run_may(slow: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    job = slow.job(purge="rows_", by="ends", unit="s", only=SLOW, timeout="2s")

    with pytest.raises(TimedOut) as told:
        dry_run(slow.engine, job)

    assert str(told.value).startswith("policies.tidy: counting what is due took longer than 2.0 s; `sexton doctor ")
    assert capfd.readouterr().err == "", "no warning of a library about four tables without a join"


@pytest.mark.databases("sqlite")
def test_sec_24_limits_may_stand_inside_each_other(shop: Shop) -> None:
    forever = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    with read_only(shop.engine) as connection, answered_in_time(connection, 600.0, "counting", "wait"):
        with statement_limit(connection, 600.0):
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
        with pytest.raises(TimedOut, match=r"^counting took longer than 1\.0 s; wait$"):
            count_for(connection, 1.0, forever)
        with pytest.raises(DBAPIError, match="interrupted"), statement_limit(connection, 1.0):
            count_within(connection, 600.0, forever)
    with read_only(shop.engine) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def count_for(connection: Connection, seconds: float, sql: str) -> None:
    with answered_in_time(connection, seconds, "counting", "wait"):
        connection.execute(text(sql))


def count_within(connection: Connection, seconds: float, sql: str) -> None:
    with statement_limit(connection, seconds):
        connection.execute(text("SELECT 1"))
    connection.execute(text(sql))
