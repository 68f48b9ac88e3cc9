"""REP-7, REP-8: a row goes only if the reader that restore uses gives it back, whatever the database is set to."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sexton.db.render import for_driver
from sexton.testing import run_job
from tests.declared.shop import Shop
from tests.declared.test_archive import NOON, PAST, archived, archiving, files
from tests.support.archives import lines_of, restore

ODD = {
    "json": [
        r"""'{"private": "\u0000Order\u0000total"}'""",
        r"""'"\ud83d"'""",
        r"""'{"\u0000": 1, "n": 1e400}'""",
        """'  {"a" :\t1}  '""",
        "('[' || repeat('9', 5000) || ']')::json",
        "(repeat('[', 1500) || repeat(']', 1500))::json",
    ],
    "json[]": [r"""ARRAY['"\u0000"', ' null', NULL]::json[]"""],
    "noted": [r"""ROW(1, '"\u0000"')"""],
    "jsonb": ["(repeat('[', 1500) || repeat(']', 1500))::jsonb", "'1.10'", "'-0'"],
    "numeric": ["'Infinity'", "10::numeric ^ 4000", "1.10"],
    "numeric(5,2)": ["1"],
    "xml": ["'<a b=\"c\">&amp;</a>'", "'text'"],
    "int4multirange": ["'{[1,3),[5,7)}'"],
    "numrange": ["'(,1.10]'"],
    "daterange[]": ["""'{"[2026-01-01,2026-02-01)",empty}'"""],
    "interval": ["'-1 year +2 days -03:04:05.6'", "'1 mon -1 day'"],
    "bytea": [r"'\x5c00'", r"'\x'"],
    "money": ["'1234.5'", "'-0.01'"],
    "bit(3)": ["B'101'"],
    '"char"': [r"'\001'", "'a'"],
    "positive": ["1"],
    "timestamptz": ["'1883-11-18 12:00:00 America/New_York'"],
    "float8[]": ["'[2:3]={0.1,NaN}'"],
    "money[]": ["'{1.5}'"],
    "regclass": ["'pg_class'"],
    "tsquery": ["'a & !b'"],
    "path": ["'[(0.1,0.2),(1e-300,3)]'"],
    "text": [r"E'a\u0001b\\u0000'", "repeat('ä', 100000)"],
}


def all_rows(shop: Shop) -> list[Any]:
    """What stands in the table, each row as one text."""
    with shop.engine.connect() as connection:
        connection.exec_driver_sql("SET LOCAL extra_float_digits = 3")
        return list(connection.exec_driver_sql("SELECT orders::text FROM orders ORDER BY id").scalars())


def has_xml(shop: Shop) -> bool:
    """Whether the server was built with it."""
    with shop.engine.connect() as connection:
        asked = "SELECT setting LIKE '%%--with-libxml%%' FROM pg_config WHERE name = 'CONFIGURE'"
        return bool(connection.exec_driver_sql(asked).scalar_one())


@pytest.mark.databases("postgres15", "postgres18")
def test_rep_7_odd_values_come_back_as_they_were(shop: Shop, tmp_path: Path) -> None:
    odd = {kind: values for kind, values in ODD.items() if kind != "xml" or has_xml(shop)}
    columns = [f"v{number}" for number in range(len(odd))]
    shop.do(
        "CREATE TYPE noted AS (number int, note json)",
        "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
        "CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ends bigint, gone int, "
        + ", ".join(f"{name} {kind}" for name, kind in zip(columns, odd, strict=True))
        + ", twice int GENERATED ALWAYS AS (ends / 2) STORED)",
        "ALTER TABLE orders DROP COLUMN gone",
    )
    with shop.engine.begin() as connection:
        for name, values in zip(columns, odd.values(), strict=True):
            for value in values:
                row = f"INSERT INTO orders (ends, {name}) VALUES ({PAST}, {value})"
                connection.exec_driver_sql(for_driver(row, connection.dialect))
    before = all_rows(shop)

    outcome = run_job(shop.engine, archiving(shop, tmp_path), at=NOON)
    assert (outcome.said, outcome.total.changed, shop.ids("orders")) == ("", len(before), [])
    (restored,) = restore(shop.engine, files(tmp_path)[0])

    assert (restored.new, restored.refused, restored.changed) == (len(before), {}, {})
    assert all_rows(shop) == before


@pytest.mark.databases("postgres15")
def test_rep_7_what_cannot_be_put_back_stays_and_is_named(shop: Shop, tmp_path: Path) -> None:
    """A domain got a check that old values do not pass: no INSERT will ever take them again. Also below a row."""
    shop.do(
        "CREATE DOMAIN positive AS int",
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, amount positive)",
        "CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (id), amount positive)",
        f"INSERT INTO orders SELECT n, {PAST}, CASE WHEN n IN (3, 60) THEN -1 ELSE n END FROM generate_series(1, 99) n",
        "INSERT INTO items VALUES (1, 1, 1), (2, 2, -1), (4, 4, 4)",
        "ALTER DOMAIN positive ADD CHECK (VALUE > 0) NOT VALID",
    )

    outcome = run_job(shop.engine, archiving(shop, tmp_path, children={"items": "order_id"}), at=NOON)

    assert (outcome.state, outcome.total.poison, outcome.total.changed) == ("partial", 3, 96)
    assert shop.ids("orders") == [2, 3, 60]
    assert shop.ids("sexton.poison", key="subject") == ["2", "3", "60"]
    assert shop.ids("sexton.poison", "error LIKE '%could not be put back%positive_check%'", "subject") == [
        "2",
        "3",
        "60",
    ]
    assert {line.key for line in archived(tmp_path) if line.table == "orders"}.isdisjoint({("2",), ("3",), ("60",)})


SETTINGS = {
    "extra_float_digits": "0",
    "bytea_output": "escape",
    "intervalstyle": "sql_standard",
    "datestyle": "ISO, DMY",
    "timezone": "America/New_York",
    "xmloption": "document",
    "lc_monetary": "de_DE.UTF-8",
    "client_encoding": "LATIN1",
}


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize("whose", ["ROLE CURRENT_USER", "DATABASE"])
def test_rep_8_settings_of_role_and_database_change_nothing(whose: str, shop: Shop, tmp_path: Path) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, a float8, b bytea, c interval, d timestamptz, e text,"
        " f money, g text, h real[], i point)",
        f"""INSERT INTO orders VALUES (1, {PAST}, 0.1\\:\\:float8 + 0.2, '\\x00ff27', '-1 year 2 days -3\\:00',
            '2026-03-08 02\\:30+01',
            'text <b/>', 1234.5, 'Ωμέγα €', '{{0.1,3.4028235e38}}', '(0.30000000000000004,1)')""",
    )
    before = all_rows(shop)
    with shop.engine.begin() as connection:
        known = set(connection.exec_driver_sql("SELECT collname FROM pg_collation").scalars())
        target = whose
        if whose == "DATABASE":
            target = f'DATABASE "{connection.exec_driver_sql("SELECT current_database()").scalar_one()}"'
        given = {k: v for k, v in SETTINGS.items() if k != "lc_monetary" or v.replace("-", "").lower() in known}
        for name, value in given.items():
            connection.exec_driver_sql(f"ALTER {target} SET {name} = '{value}'")
    try:
        shop.engine.dispose()
        assert run_job(shop.engine, archiving(shop, tmp_path), at=NOON).total.changed == 1
        (restored,) = restore(shop.engine, files(tmp_path)[0])
    finally:
        with shop.engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER {target} RESET ALL")
        shop.engine.dispose()

    assert (restored.new, restored.changed) == (1, {})
    assert '"a":0.30000000000000004' in archived(tmp_path)[0].row
    assert all_rows(shop) == before


@pytest.mark.databases("sqlite")
def test_rep_7_text_that_is_not_utf_8_comes_back(shop: Shop, tmp_path: Path) -> None:
    """Other programs write bytes as text; the driver gives up at them. Also below a row, and as a number's place."""
    path = shop.database.removeprefix("sqlite:///")
    with sqlite3.connect(path) as raw:
        raw.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, ends bigint, note text, count int, double AS (id * 2))"
        )
        raw.execute("CREATE TABLE items (id text PRIMARY KEY, order_id int REFERENCES orders (id), note) WITHOUT ROWID")
        for number in range(1, 4):
            values = (number, PAST, b"caf\xe9" * number, b"\xff")
            raw.execute("INSERT INTO orders VALUES (?, ?, CAST(? AS TEXT), CAST(? AS TEXT))", values)
        raw.execute("INSERT INTO orders VALUES (4, ?, 'café', -0.0)", (PAST,))
        raw.execute("INSERT INTO items VALUES ('a', 1, CAST(? AS TEXT)), ('b', 2, ?), ('c', 2, '')", (b"\x80", b"\x80"))
    asked = "SELECT *, typeof(note), hex(note), typeof(count), hex(count) FROM orders ORDER BY id"
    below = "SELECT id, order_id, typeof(note), hex(note) FROM items ORDER BY id"

    def stand() -> list[Any]:
        with sqlite3.connect(path) as raw:
            raw.text_factory = bytes
            return [*raw.execute(asked), *raw.execute(below)]

    before = stand()
    outcome = run_job(shop.engine, archiving(shop, tmp_path, children={"items": "order_id"}), at=NOON)
    assert (outcome.said, outcome.total.changed, outcome.total.also) == ("", 4, {"items": 3})
    orders, items = restore(shop.engine, files(tmp_path)[0])

    assert (orders.new, items.new, orders.changed, items.changed) == (4, 3, {}, {})
    assert stand() == before
    assert json.loads(next(lines_of(files(tmp_path)[0])).row)["note"] == {"text": "636166e9"}


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_7_a_row_that_is_refused_stops_no_other(shop: Shop, tmp_path: Path) -> None:
    """Of 60 rows one is refused by a check of today, one has the name of another row, two are there already."""
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, name varchar(9), above int REFERENCES orders (id))",
        *(f"INSERT INTO orders VALUES ({n}, {PAST}, 'n{n}', NULL)" for n in range(1, 61)),
        "UPDATE orders SET above = id + 1 WHERE id IN (1, 2, 58)",
    )
    run_job(shop.engine, archiving(shop, tmp_path), at=NOON)
    (path,) = files(tmp_path)
    shop.do(
        "DROP TABLE orders",
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, name varchar(9) UNIQUE CHECK (name <> 'n7'),"
        " above int REFERENCES orders (id))",
        f"INSERT INTO orders VALUES (5, {PAST}, 'n5', NULL), (6, {PAST}, 'other', NULL), (99, {PAST}, 'n8', NULL)",
    )

    (restored,) = restore(shop.engine, path)

    assert (restored.rows, restored.new, restored.other) == (60, 56, 1)
    assert set(restored.refused) == {"7", "8"}
    assert "unique" in restored.refused["8"]
    assert "above refers" not in str(restored.refused)
    assert shop.ids("orders", "above IS NOT NULL") == [1, 2, 58]


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_7_rows_that_refer_to_each_other_in_a_circle_come_back(shop: Shop, tmp_path: Path) -> None:
    """In pieces of one row none could be first; with a reference that is looked at late they can go together."""
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, pair int)",
        f"INSERT INTO orders VALUES (1, {PAST}, 2), (2, {PAST}, 1)",
    )
    run_job(shop.engine, archiving(shop, tmp_path), at=NOON)
    shop.do(
        "DROP TABLE orders",
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint,"
        " pair int REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED)",
    )

    (restored,) = restore(shop.engine, files(tmp_path)[0])

    assert (restored.new, restored.refused) == (2, {})
