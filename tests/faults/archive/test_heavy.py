"""REP-13: files and reads end by bytes as well as by rows, so memory is flat whatever a row weighs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.support import archive_shop

from .test_full_and_killed import python

pytestmark = pytest.mark.slow

MEGABYTE = 1 << 20


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize(
    ("orders", "items", "size", "more", "files"),
    [(400, 1, 160_000, 90, 2), (1, 400, 160_000, 150, 1)],
    ids=["rows", "children"],
)
def test_rep_13_memory_is_flat(
    orders: int, items: int, size: int, more: int, files: int, engine: Engine, database: str, tmp_path: Path
) -> None:
    archive_shop.prepare(engine)
    heavy = "items" if items > 1 else "orders"
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE items ADD note text"))
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"ALTER TABLE {heavy} ALTER note SET STORAGE EXTERNAL"))
        fill = "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {})"
        insert = "INSERT INTO orders " + fill + " SELECT id, {}, '{}' FROM n"
        connection.execute(text(insert.format(orders, archive_shop.PAST, "x" * size if heavy == "orders" else "")))
        insert = "INSERT INTO items " + fill + " SELECT id, 1, '{}' FROM n"
        connection.execute(text(insert.format(items, "x" * size if heavy == "items" else "")))
    engine.dispose()

    state, error, changed, written, new = json.loads(python("narrow", database, str(tmp_path), str(more * MEGABYTE)))

    assert (state, error, changed, written, new) == ("succeeded", None, orders, files, orders + items), error


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_13_too_little_memory_says_what_to_do(engine: Engine, database: str, tmp_path: Path) -> None:
    archive_shop.prepare(engine)
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO orders VALUES (1, {archive_shop.PAST}, '{'x' * 40_000_000}')"))
    engine.dispose()

    state, error, changed, _, _ = json.loads(python("narrow", database, str(tmp_path), str(30 * MEGABYTE)))

    assert (state, changed) == ("failed", 0), error
    assert "orders, or below it, is more than the memory that this process may use; give it more" in error
