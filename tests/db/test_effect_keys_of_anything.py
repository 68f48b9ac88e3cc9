"""SEC-7: two different keys never meet, whatever values they hold and however long; SQL and Python agree."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some
from sqlalchemy import Column, Engine, MetaData, Table, Text, insert, select

from sexton import effect_key, text_key
from sexton.db.connect import open_database, read_only
from sexton.db.effect_keys import MAX_KEY_CHARACTERS, bounded, escaped_part, subject_of
from sexton.db.ledger import subject_text

every = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])

TILDES = some.text(some.sampled_from("~01:,NXTIRa"), max_size=6)
WORDS = TILDES | some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
LONG = some.builds(lambda text, times: text * times, WORDS, some.integers(1, 900))
PAIRS = some.lists(some.tuples(LONG, WORDS) | some.tuples(WORDS, WORDS), min_size=1, max_size=40, unique=True)


@pytest.fixture
def pairs(engine: Engine) -> Table:
    table = Table("pairs", MetaData(), Column("one", Text), Column("other", Text))
    table.create(engine)
    return table


@pytest.mark.databases("sqlite", "postgres15")
@every
@given(rows=PAIRS)
@example(rows=[("a:b", "c"), ("a", "b:c"), ("a~1b", "c"), ("a,b", "c"), ("a", "b,c"), ("~", ""), ("~0", "")])
@example(rows=[("x" * size, "") for size in range(MAX_KEY_CHARACTERS - 8, MAX_KEY_CHARACTERS + 8)])
def test_sec_7_any_two_texts_of_any_length_make_keys_of_their_own(
    engine: Engine, pairs: Table, rows: list[tuple[str, str]]
) -> None:
    one, other = pairs.c.one, pairs.c.other
    asked = select(one, other, text_key("fact", one, other), text_key("fact", one), subject_text([one, other]))
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(insert(pairs), [{"one": left, "other": right} for left, right in rows])
        found = connection.execute(asked.add_columns(subject_text([one]))).all()
        transaction.rollback()

    for left, right, both, single, subject, alone in found:
        assert (both, single) == (effect_key("fact", left, right), effect_key("fact", left))
        assert (subject, alone) == (subject_of((left, right)), subject_of((left,)))
        assert max(map(len, (both, single, subject, alone))) <= MAX_KEY_CHARACTERS + 1
    assert len({row[2] for row in found}) == len({row[4] for row in found}) == len(rows)
    assert len({row[3] for row in found}) == len({row[5] for row in found}) == len({row[0] for row in rows})


@given(first=some.lists(LONG, min_size=1, max_size=4), second=some.lists(LONG, min_size=1, max_size=4))
def test_sec_7_keys_of_any_number_of_parts_differ(first: list[str], second: list[str]) -> None:
    assert (effect_key("fact", *first) == effect_key("fact", *second)) == (first == second)
    assert (subject_of(first) == subject_of(second)) == (first == second) or len(first) != len(second)


NUMBERS = some.integers(-(2**63), 2**63 - 1) | some.floats(allow_nan=False) | some.integers(-9, 9)
TEXTS = WORDS | some.text(max_size=5).filter(lambda text: text.isascii()) | NUMBERS.map(str) | some.just("Inf")
ANYTHING = some.tuples(some.just("value"), NUMBERS | TEXTS | some.binary(max_size=5)) | some.tuples(
    some.just("text of bytes"), some.binary(max_size=5)
)
KINDS = ("", "TEXT", "INTEGER", "BLOB", "NUMERIC", "REAL", "DATE", "VARCHAR(9)", "STRING", "DATETIME", "uuid")


@pytest.mark.databases("sqlite")
@every
@given(kinds=some.tuples(some.sampled_from(KINDS), some.sampled_from(KINDS)), data=some.data())
def test_sec_7_any_values_in_any_column_of_sqlite_make_keys_of_their_own(
    engine: Engine, kinds: tuple[str, str], data: some.DataObject
) -> None:
    """Numbers, text and bytes that read alike, text that is no text, NUL, and numbers that 15 digits do not tell."""
    rows = data.draw(some.lists(some.tuples(ANYTHING, ANYTHING), min_size=1, max_size=40))
    with engine.connect() as connection, connection.begin() as transaction:
        connection.exec_driver_sql(f"CREATE TABLE things (a {kinds[0]}, b {kinds[1]}, UNIQUE (a, b))")
        for row in rows:
            marks = ["CAST(? AS TEXT)" if form == "text of bytes" else "?" for form, _ in row]
            values = tuple(value for _, value in row)
            connection.exec_driver_sql(f"INSERT OR IGNORE INTO things VALUES ({', '.join(marks)})", values)
        table = Table("things", MetaData(), autoload_with=connection)
        names = select(text_key("fact", *table.c), subject_text(list(table.c)), text_key("fact", table.c.a))
        found = connection.execute(names.add_columns(subject_text([table.c.a]))).all()
        firsts = connection.exec_driver_sql("SELECT count(*) FROM (SELECT DISTINCT a FROM things)").scalar_one()
        transaction.rollback()

    assert all(isinstance(name, str) and len(name) <= MAX_KEY_CHARACTERS + 1 for row in found for name in row)
    assert [len({row[number] for row in found}) for number in range(4)] == [len(found)] * 2 + [firsts] * 2


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_sec_7_keys_are_the_same_in_every_encoding_of_a_file(encoding: str, tmp_path: Path) -> None:
    texts = ["plain", "a:~b", "漢\U0001f702:", "ü" * 501, "~"]
    with closing(sqlite3.connect(tmp_path / "shop.db")) as file:
        file.execute(f"PRAGMA encoding = '{encoding}'")
        file.execute("CREATE TABLE things (a TEXT PRIMARY KEY, b)")
        file.executemany("INSERT INTO things VALUES (?, x'00')", [(text,) for text in texts])
        file.commit()
    engine = open_database(f"sqlite:///{tmp_path}/shop.db")
    with engine.connect() as connection:
        table = Table("things", MetaData(), autoload_with=connection)
        both = text_key("fact", table.c.a, table.c.b), subject_text([table.c.a])
        found = connection.execute(select(table.c.a, *both)).all()
    engine.dispose()

    assert {row[0]: (row[1], row[2]) for row in found} == {
        text: (bounded(f"fact:{escaped_part(text, ':')}:~X00"), subject_of((text,))) for text in texts
    }


POSTGRESQL = {
    "float8": ["0.3", "0.30000000000000004", "NaN", "Infinity", "-Infinity", "1e300"],
    "numeric": ["NaN", "1", "1.5", "10000000000000000000000001", "10000000000000000000000002"],
    "timestamptz": ["-infinity", "infinity", "0044-03-15 12:00+00 BC", "0044-03-15 12:00+00", "12026-01-01 00:00+00"],
    "timestamp": ["-infinity", "infinity", "0044-03-15 12:00 BC", "0044-03-15 12:00", "12026-01-01"],
    "date": ["-infinity", "infinity", "0044-03-15 BC", "0044-03-15"],
    "uuid": ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000010"],
    "bytea": [r"\x00", r"\x", r"\x3a", r"\x7e30", r"\x5c303030"],
    "interval": ["1 day", "25:00:00", "-00:00:01", "1 mon"],
    "mood": ["a:b", "a,b", "a~1b", "a"],
    "text[]": ["{}", "{a,b}", '{"a,b"}', "{NULL}", '{"NULL"}'],
    "boolean": ["true", "false"],
}
ODD = {"extra_float_digits": "0", "bytea_output": "escape", "intervalstyle": "iso_8601", "datestyle": "SQL"}
"""Settings of a role that make less, or something else, of a value's text."""


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize("kind", POSTGRESQL)
def test_sec_7_keys_of_every_type_differ_and_no_setting_of_a_session_changes_them(engine: Engine, kind: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TYPE mood AS ENUM ('a:b', 'a,b', 'a~1b', 'a')")
        connection.exec_driver_sql(f"CREATE TABLE things (a {kind}, b text, PRIMARY KEY (a, b))")
        for value in POSTGRESQL[kind]:
            connection.exec_driver_sql(f"INSERT INTO things VALUES (%s::{kind}, 'b'), (%s::{kind}, ':b')", (value,) * 2)
        table = Table("things", MetaData(), autoload_with=connection)

    def names() -> list[Any]:
        both: list[Any] = [text_key("fact", *table.c), subject_text(list(table.c)), subject_text([table.c.a])]
        with read_only(engine) as connection:
            return [tuple(row) for row in connection.execute(select(*both).order_by(*table.c))]

    before = names()
    with engine.begin() as connection:
        for name, value in ODD.items():
            connection.exec_driver_sql(f"ALTER ROLE CURRENT_USER SET {name} = '{value}'")
    engine.dispose()
    try:
        after = names()
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER ROLE CURRENT_USER RESET ALL")

    assert after == before
    assert all(name is not None for row in before for name in row)
    assert [len({row[number] for row in before}) for number in range(3)] == [len(before)] * 2 + [len(before) // 2]
