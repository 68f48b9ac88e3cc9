"""Children in an archive: all that a deletion takes along is in the file, and none is lost as it changes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from sexton.errors import PolicyError, UsageError
from sexton.runs.archive import deletion
from sexton.testing import run_job
from tests.support.archives import lines_of

from .shop import Shop
from .test_archive import archiving, files

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1
FUTURE = PAST + 10**6
CASCADE = "REFERENCES orders (id) ON DELETE CASCADE"


def test_an_archive_takes_children_by_their_foreign_key(shop: Shop, tmp_path: Path) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, no int UNIQUE, ends bigint)",
        "CREATE TABLE items (id int PRIMARY KEY, order_no int REFERENCES orders (no) ON DELETE CASCADE)",
        f"INSERT INTO orders VALUES (1, 2, {PAST}), (2, 1, {PAST + 9})",
        "INSERT INTO items VALUES (1, 1), (2, 2)",
    )

    run_job(shop.engine, archiving(shop, tmp_path, children={"items": "order_no"}), at=NOON)

    assert (shop.ids("orders"), shop.ids("items")) == ([2], [1])
    (path,) = files(tmp_path)
    assert [(line.table, str(line.key[0])) for line in lines_of(path)] == [("orders", "1"), ("items", "2")]


@pytest.mark.parametrize("children", [{"moves": "src"}, {"notes": "acc"}])
def test_an_archive_minds_every_cascade_below_and_beside(children: dict[str, str], shop: Shop, tmp_path: Path) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE moves (id int PRIMARY KEY, src int REFERENCES orders ON DELETE CASCADE,"
        " dst int REFERENCES orders ON DELETE CASCADE)",
        "CREATE TABLE notes (id int PRIMARY KEY, acc int REFERENCES orders)",
        "CREATE TABLE note_files (id int PRIMARY KEY, note int REFERENCES notes ON DELETE CASCADE)",
    )
    if "notes" in children:
        shop.do("DROP TABLE moves")

    with pytest.raises(UsageError, match=r"with ON DELETE CASCADE, so its rows would go and no file would have them"):
        run_job(shop.engine, archiving(shop, tmp_path, children=children), at=NOON)


@pytest.mark.databases("postgres")
def test_a_child_that_is_being_changed_is_not_lost(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed after it was read: the file has the old row, so the new one stays."""
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders, qty int)",
        f"INSERT INTO orders VALUES (1, {PAST})",
        "INSERT INTO items VALUES (1, 1, 5)",
    )
    known = deletion._known_children

    def looked(*arguments: Any) -> int | None:
        answer = known(*arguments)
        with shop.engine.connect() as other:
            other.execute(text("SET lock_timeout = '50ms'"))
            with pytest.raises(Exception, match="lock timeout"):
                other.execute(text("UPDATE items SET qty = 999"))
        return answer

    monkeypatch.setattr(deletion, "_known_children", looked)
    outcome = run_job(shop.engine, archiving(shop, tmp_path, children={"items": "order_id"}), at=NOON)

    assert outcome.total.changed == 1


@pytest.mark.databases("postgres")
def test_children_of_a_partitioned_table_are_those_of_its_partitions(shop: Shop, tmp_path: Path) -> None:
    shop.do(
        "CREATE TABLE orders (id int, ends bigint, PRIMARY KEY (id, ends)) PARTITION BY RANGE (ends)",
        f"CREATE TABLE old PARTITION OF orders FOR VALUES FROM (0) TO ({FUTURE - 1})",
        "CREATE TABLE items (id int PRIMARY KEY, o int, e bigint,"
        " FOREIGN KEY (o, e) REFERENCES orders (id, ends) ON DELETE CASCADE)",
        f"INSERT INTO orders VALUES (1, {PAST})",
        f"INSERT INTO items VALUES (7, 1, {PAST})",
    )

    with pytest.raises(PolicyError, match="items refers to old by o, e with ON DELETE CASCADE"):
        run_job(shop.engine, archiving(shop, tmp_path, archive="old"), at=NOON)
    children = {"items": {"column": ["o", "e"]}}
    assert run_job(shop.engine, archiving(shop, tmp_path, archive="old", children=children), at=NOON).total.also == {
        "items": 1
    }


def test_an_archive_of_rows_that_cascade_among_themselves_is_refused(shop: Shop, tmp_path: Path) -> None:
    shop.do(
        f"CREATE TABLE orders (id int PRIMARY KEY, ends bigint, parent int {CASCADE})",
        f"INSERT INTO orders VALUES (1, {PAST}, NULL), (2, {FUTURE}, 1), (3, {FUTURE}, 2), (4, {PAST}, NULL)",
    )

    with pytest.raises(PolicyError, match="ON DELETE CASCADE"):
        run_job(shop.engine, archiving(shop, tmp_path, children={"orders": "parent"}), at=NOON)
    kept = {"orders": "parent"}
    assert run_job(shop.engine, archiving(shop, tmp_path, unless_referenced_by=kept), at=NOON).total.changed == 1
    assert shop.ids("orders") == [1, 2, 3]
    assert len(files(tmp_path)) == 1
