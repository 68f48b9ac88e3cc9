"""A4, Q6: values of every type, also those that Python cannot read, come back from a file as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from sexton.db.render import for_driver
from sexton.errors import JobFailed
from sexton.testing import run_job
from tests.declared.shop import Shop
from tests.declared.test_archive import NOON, PAST, archiving, files
from tests.support.archives import restore

TYPES = {
    "timestamptz": ["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'20000-01-01 00:00:00.000001+14'"],
    "timestamp": ["'infinity'", "'0001-01-01 00:00:00 BC'"],
    "date": ["'infinity'", "'4700-01-01 BC'"],
    "time": ["'24:00'"],
    "timetz": ["'23:59:59.999999-12'"],
    "interval": ["'1 year -2 days 03:04:05.678'"],
    "float8": ["'NaN'", "'Infinity'", "'-0'", "1e308", "0.1", "5e-324"],
    "real": ["'NaN'", "3.4e38", "0.1"],
    "numeric": ["'NaN'", "123456789012345678901234567890.123456789", "'1e-100'"],
    "bigint": ["9223372036854775807", "-9223372036854775808"],
    "boolean": ["true", "NULL"],
    "bytea": [r"'\x00ff0a0d22'", "''"],
    "text": ["''", r"E'a\nb\t\"c\" \\ \u2028 \U0001F600'", """', "row": '"""],
    "char(5)": ["'ab'"],
    "uuid": ["'1d3f6c5e-0000-4000-8000-000000000000'"],
    "inet": ["'10.0.0.0/8'", "'::1'"],
    "macaddr": ["'08:00:2b:01:02:03'"],
    "jsonb NOT NULL DEFAULT '0'": ["'null'"],
    "jsonb[]": ["""'{"null",NULL,"[1]"}'"""],
    "document": ["'null'", "NULL"],
    "label": ["'[5:5]={x}'"],
    "jsonb": ["""'{"a": [1, null, "x\\n"], "b": 1e400}'""", "'\"text\"'", "'[null]'", "'null'", "NULL", "'\"null\"'"],
    "json": ["""'{ "b" :\n 1 }'""", "' null'", "NULL", """'{"b": 1, "b": 2}'"""],
    "integer[]": ["'{}'", "'{{1,2},{3,NULL}}'", "'[0:1]={1,2}'", "NULL"],
    "text[]": ["""'{"a,b",NULL,"","\\"q\\""}'"""],
    "int4range": ["'[1,5)'", "'empty'"],
    "tsvector": ["'a:1 cat:2'"],
    "point": ["'(1.5,-2)'"],
    "bit varying": ["B'101'"],
    "mood": ["'so so'"],
    "pair": ["ROW(1, 'it''s')"],
    "money": ["'-12.34'"],
}


@pytest.mark.databases("postgres")
def test_every_type_of_postgresql_comes_back(shop: Shop, tmp_path: Path) -> None:
    columns = [f"v{number}" for number in range(len(TYPES))]
    shop.do(
        "CREATE TYPE mood AS ENUM ('so so', 'fine')",
        "CREATE TYPE pair AS (number int, word text)",
        "CREATE DOMAIN document AS jsonb",
        "CREATE DOMAIN label AS text[]",
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, "
        + ", ".join(f"{name} {kind}" for name, kind in zip(columns, TYPES, strict=True))
        + ", twice int GENERATED ALWAYS AS (id * 2) STORED)",
        "CREATE SEQUENCE numbers",
    )
    for name, values in zip(columns, TYPES.values(), strict=True):
        for value in values:
            with shop.engine.begin() as connection:
                row = f"INSERT INTO orders (id, ends, {name}) VALUES (nextval('numbers'), {PAST}, {value})"
                connection.exec_driver_sql(for_driver(row, connection.dialect))
    everything = "SELECT orders::text FROM orders ORDER BY id"
    with shop.engine.connect() as connection:
        before = list(connection.exec_driver_sql(everything).scalars())

    assert run_job(shop.engine, archiving(shop, tmp_path), at=NOON).total.changed == len(before)
    assert shop.ids("orders") == []
    (restored,) = restore(shop.engine, files(tmp_path)[0])

    assert (restored.rows, restored.new, restored.dropped) == (len(before), len(before), ())
    with shop.engine.connect() as connection:
        after = list(connection.exec_driver_sql(everything).scalars())
    assert after == before


@pytest.mark.databases("postgres15")
def test_a_type_of_an_extension_that_turns_itself_into_json_comes_back(shop: Shop, tmp_path: Path) -> None:
    """`row_to_json` makes an object of hstore, which hstore does not read."""
    shop.do(
        "CREATE EXTENSION hstore",
        """CREATE TABLE orders (id int PRIMARY KEY, ends bigint, "is 5%\\:a" hstore, more hstore[])""",
        f"""INSERT INTO orders VALUES (1, {PAST}, 'a=>1, b=>NULL, "1 \\"c"=>""', ARRAY['x=>y'\\:\\:hstore, NULL])""",
        f"INSERT INTO orders VALUES (2, {PAST}, NULL, '[0\\:0]={{a=>b}}'), (3, {PAST}, '', NULL)",
    )
    everything = "SELECT orders::text FROM orders ORDER BY id"
    with shop.engine.connect() as connection:
        before = list(connection.exec_driver_sql(everything).scalars())

    assert run_job(shop.engine, archiving(shop, tmp_path), at=NOON).total.changed == 3
    (restored,) = restore(shop.engine, files(tmp_path)[0])

    assert restored.new == 3
    with shop.engine.connect() as connection:
        assert list(connection.exec_driver_sql(everything).scalars()) == before


@pytest.mark.databases("sqlite")
def test_every_value_of_sqlite_comes_back(shop: Shop, tmp_path: Path) -> None:
    shop.do("CREATE TABLE orders (id blob PRIMARY KEY, ends bigint, anything, at datetime)")
    values: list[Any] = [
        None,
        0,
        -(2**63),
        2**63 - 1,
        1.5,
        float("inf"),
        float("-inf"),
        1e-320,
        "",
        "a\n'\"\x00b",
        "🙂",
    ]
    values += [b"", b"\x00\xff\n", '{"hex": "00"}', ', "row": ', "2026-01-01", "not a time"]
    for number, value in enumerate(values):
        shop.do(f"INSERT INTO orders VALUES (:id, {PAST}, :value, :value)", id=bytes([number, 255]), value=value)
    asked = text("SELECT id, typeof(id), anything, typeof(anything), at, typeof(at) FROM orders ORDER BY id")
    with shop.engine.connect() as connection:
        before = [tuple(row) for row in connection.execute(asked)]

    assert run_job(shop.engine, archiving(shop, tmp_path), at=NOON).total.changed == len(values)
    (restored,) = restore(shop.engine, files(tmp_path)[0])

    assert restored.new == len(values)
    with shop.engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(asked)] == before


def test_a4_into_a_table_that_changed_meanwhile(shop: Shop, tmp_path: Path) -> None:
    """A column is gone, one is new: the file is older than the table, and still serves. Twice does no harm."""
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, note text, gone text)",
        "CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (id))",
        f"INSERT INTO orders VALUES (1, {PAST}, 'a', 'x'), (2, {PAST}, 'b', 'y')",
        "INSERT INTO items VALUES (1, 1)",
    )
    run_job(shop.engine, archiving(shop, tmp_path, children={"items": "order_id"}), at=NOON)
    shop.do("ALTER TABLE orders DROP COLUMN gone", "ALTER TABLE orders ADD fresh int DEFAULT 7")
    (path,) = files(tmp_path)

    first = restore(shop.engine, path)

    assert [(one.table, one.new, one.dropped) for one in first] == [("orders", 2, ("gone",)), ("items", 1, ())]
    assert shop.ids("orders", "note IS NOT NULL AND fresh = 7") == [1, 2]
    assert [one.new for one in restore(shop.engine, path)] == [0, 0]


def test_a4_a_damaged_file_is_not_put_back(shop: Shop, tmp_path: Path) -> None:
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends bigint)", f"INSERT INTO orders VALUES (1, {PAST})")
    run_job(shop.engine, archiving(shop, tmp_path), at=NOON)
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:-9])

    with pytest.raises(JobFailed, match="is not as it was written: it has"):
        restore(shop.engine, path)
    assert shop.ids("orders") == []
