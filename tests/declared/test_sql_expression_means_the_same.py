"""A condition written as SQL, read and built anew, picks the rows that the same text picks in a WHERE."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from sexton.declared.catalogue import Catalogue
from sexton.declared.sql_condition import read_condition
from sexton.declared.time_columns import TimeMeaning
from sexton.errors import PolicyError
from sexton.statements.batch_strategy import Request, parameters

from .shop import Shop

pytestmark = pytest.mark.slow

NUMBERS = st.sampled_from(["a", "b", "id", "0", "1", "2", "7", "-3", "NULL", "2.5"])
WORDS = st.sampled_from(["s", "t", "'x'", "'xy'", "''", "NULL", "'it''s'", "lower(s)", "coalesce(s, t)"])
SIGNS = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])


def number(depth: int) -> st.SearchStrategy[str]:
    """An expression of whole numbers, with and without the parentheses that it needs."""
    if depth == 0:
        return NUMBERS
    below = number(depth - 1)
    pair = st.tuples(below, st.sampled_from([" + ", " - ", " * "]), below).map("".join)
    whole = st.tuples(below, st.just(" / (abs("), below, st.just(") + 1)")).map("".join)
    chosen = st.tuples(condition(0), below, below).map(lambda parts: "CASE WHEN {} THEN {} ELSE {} END".format(*parts))
    return st.one_of(below, pair, pair.map("({})".format), whole, pair.map("abs({})".format), chosen)


def condition(depth: int) -> st.SearchStrategy[str]:
    """A condition, with and without the parentheses that it needs."""
    size = min(depth, 2)
    simple = st.one_of(
        st.tuples(number(size), SIGNS, number(size)).map(" ".join),
        st.tuples(WORDS, SIGNS, WORDS).map(" ".join),
        st.tuples(number(size), number(0), number(0)).map(lambda parts: "{} BETWEEN {} AND {}".format(*parts)),
        st.tuples(number(size), number(0), number(0)).map(lambda parts: "{} NOT IN ({}, {})".format(*parts)),
        st.tuples(st.sampled_from(["a", "s", "flag", "(a > 1)"]), st.sampled_from(["IS NULL", "IS NOT NULL"])).map(
            " ".join
        ),
        st.sampled_from(["flag", "flag IS TRUE", "flag IS NOT TRUE", "flag IS NOT FALSE", "flag = TRUE", "TRUE"]),
        st.sampled_from(["s LIKE 'x%'", "t NOT LIKE '%y'", "s || t = 'xy'", "s IS DISTINCT FROM t"]),
        st.sampled_from(["EXISTS (SELECT 1 FROM u WHERE u.a = rows_.a)", "a NOT IN (SELECT v FROM u)"]),
    )
    if depth == 0:
        return simple
    below = condition(depth - 1)
    joined = st.tuples(below, st.sampled_from([" AND ", " OR "]), below).map("".join)
    negated = below.map("NOT ({})".format)
    return st.one_of(simple, joined, joined.map("({})".format), negated, simple.map("NOT {}".format))


@pytest.fixture
def rows(shop: Shop) -> Shop:
    """Numbers, texts, truth values, and NULLs among them."""
    shop.do("CREATE TABLE rows_ (id int PRIMARY KEY, a int, b int, s text, t text, flag boolean)")
    shop.do("CREATE TABLE u (a int, v int)", "INSERT INTO u VALUES (1, 2), (7, 3), (NULL, 9)")
    values = [(1, 2, "x", "y"), (7, -3, "xy", "x"), (None, 0, None, "y"), (0, None, "", ""), (2, 2, "It's", None)]
    for number_, (a, b, s, t) in enumerate(values, 1):
        flag = (True, False, None, True, False)[number_ - 1]
        shop.do("INSERT INTO rows_ VALUES (:id, :a, :b, :s, :t, :flag)", id=number_, a=a, b=b, s=s, t=t, flag=flag)
    return shop


def meant(shop: Shop, sql: str) -> list[int]:
    with shop.engine.connect() as connection:
        asked = text(f"SELECT id FROM rows_ WHERE {sql}".replace(":", "\\:"))
        return sorted(connection.execute(asked).scalars())


def picked(shop: Shop, sql: str) -> list[int]:
    with shop.engine.connect() as connection:
        catalogue = Catalogue(connection)
        table = catalogue.table("rows_")
        built, _ = read_condition(catalogue, table, TimeMeaning(catalogue.dialect), sql)
        return sorted(connection.execute(select(table.c.id).where(built)).scalars())


@pytest.mark.databases("sqlite", "postgres15")
def test_it_means_the_same(rows: Shop) -> None:
    both: dict[str, int] = {"compared": 0, "refused": 0, "wrongly refused": 0}

    @given(condition(3))
    @settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
    def compare(sql: str) -> None:
        try:
            wanted = meant(rows, sql)
        except Exception:
            return  # the database has no such expression
        try:
            found = picked(rows, sql)
        except PolicyError as error:
            both["refused" if "parentheses" in str(error) else "wrongly refused"] += 1
            return
        assert found == wanted, sql
        both["compared"] += 1

    compare()
    assert both["compared"] > 100, both
    assert not both["wrongly refused"], both


@pytest.mark.parametrize(
    "sql",
    [
        "100 * a / (a + b) > 40 AND a + b <> 0",
        "(a + id) / 2 > 2",
        "12 / (id * 2) = 1",
        "(id + 1) || '0' = '20'",
        "a = NULL OR a <> NULL OR NOT (a = NULL)",
        "NOT (a IS NULL)",
        "flag IS NOT TRUE",
        "NOT (s < 'x')",
        "NOT a > 1",
        "- a + 3 > 1",
        "id - (a - 1) = 1",
    ],
)
def test_what_was_once_read_otherwise(sql: str, rows: Shop) -> None:
    if not rows.sqlite:
        sql = sql.replace("100 * a / (a + b) > 40 AND a + b <> 0", "100 * a / (abs(a + b) + 1) > 40")
    assert picked(rows, sql) == meant(rows, sql)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("a = 3 IN (1)", "put parentheses around"),
        ("s = 'x' LIKE '1'", "put parentheses around"),
        ("EXISTS (SELECT 1 FROM u JOIN rows_ AS r ON r.id = v WHERE a = 1)", "a column of several tables"),
        ("EXISTS (SELECT 1 FROM u JOIN u ON TRUE)", "stands in FROM twice"),
        ("nowhere.rows_.id = 1", "without its schema"),
        ("a < CURRENT_DATE", "compare it with now()"),
        ("a IN ()", "only: "),
        ("__g(id) > 1", "only: "),
        ("pg_backend_pid() > 1", "only: "),
        ("statement_timestamp() IS NULL", "only: "),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(sql: str, words: str, rows: Shop) -> None:
    with pytest.raises(PolicyError) as refused:
        picked(rows, sql)

    assert words in str(refused.value)


def test_names_in_capitals_are_folded_as_the_database_does(rows: Shop) -> None:
    sql = "EXISTS (SELECT 1 FROM U AS Other WHERE OTHER.A = ROWS_.A)"

    assert picked(rows, sql) == meant(rows, sql) == [1, 2]


@pytest.mark.databases("postgres")
def test_a_function_is_called_by_its_whole_name(rows: Shop) -> None:
    rows.do(
        "CREATE FUNCTION f_(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION f(int) RETURNS int VOLATILE LANGUAGE sql AS 'SELECT 0'",
    )
    assert picked(rows, "f_(id) = 1") == [1, 2, 3, 4, 5]


def stored(value: str, shop: Shop) -> Any:
    return value if shop.sqlite else value.replace("T", " ").removesuffix("Z")


def test_not_around_a_time_leaves_rows_without_one(shop: Shop) -> None:
    """`seen < x` is neither true nor false for them, whatever stands around it."""
    shop.do(f"CREATE TABLE rows_ (id int PRIMARY KEY, seen {'text' if shop.sqlite else 'timestamp'})")
    times = ["2020-01-01T00:00:00Z", "2200-01-01 00:00:00", None]
    for number_, at in enumerate(times, 1):
        shop.do("INSERT INTO rows_ VALUES (:id, :at)", id=number_, at=at and stored(at, shop))
    if shop.sqlite:
        shop.do("INSERT INTO rows_ VALUES (4, '2020-01-01'), (5, '2020-01-01T00:00:00+02:00')")

    found = {}
    for sql in ("seen < now()", "NOT (seen >= now())", "NOT (seen < now())", "seen > now() - interval '1 day'"):
        with shop.engine.connect() as connection:
            catalogue = Catalogue(connection)
            table = catalogue.table("rows_")
            built, _ = read_condition(catalogue, table, TimeMeaning(catalogue.dialect), sql)
            asked = select(table.c.id).where(built)
            values = parameters(asked, Request(0, None, datetime(2026, 6, 15, 12, tzinfo=UTC), "", None))
            found[sql] = sorted(connection.execute(asked, values).scalars())

    assert list(found.values()) == [[1], [1], [2], [2]]
