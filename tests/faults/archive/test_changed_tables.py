"""What was archived comes back into a table that has other constraints, keys, types or columns than it had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import event, text

from sexton.archives.file_format import manifest_of, write_content
from sexton.declared import restore as product
from sexton.errors import JobFailed
from sexton.runs.archive import archiver
from sexton.testing import run_job
from tests.declared.shop import Shop
from tests.declared.test_archive import NOON, PAST, archived, archiving, files
from tests.support.archives import as_it_says, restore, triggers

FIVE = f"INSERT INTO orders SELECT g, {PAST}, g FROM generate_series(1, 5) AS g"


def plainly(shop: Shop, *statements: str) -> None:
    """Statements with colons in them."""
    with shop.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.mark.databases("postgres15")
@pytest.mark.parametrize(
    ("columns", "then", "reason"),
    [
        ("id int PRIMARY KEY, ends bigint, place int UNIQUE DEFERRABLE INITIALLY DEFERRED", (), "duplicate key value"),
        ("id int PRIMARY KEY DEFERRABLE, ends bigint, place int UNIQUE", (), "duplicate key value"),
        (
            "id int PRIMARY KEY, ends bigint, place int, EXCLUDE (place WITH =) DEFERRABLE",
            (),
            "conflicting key value",
        ),
        (
            "id int PRIMARY KEY, ends bigint, place int UNIQUE",
            (
                "CREATE TABLE log (id int)",
                "CREATE RULE noted AS ON INSERT TO orders DO ALSO INSERT INTO log VALUES (new.id)",
            ),
            "duplicate key value",
        ),
    ],
    ids=["unique", "key", "exclusion", "rule"],
)
def test_beside_what_on_conflict_cannot_do(
    columns: str, then: tuple[str, ...], reason: str, shop: Shop, tmp_path: Path
) -> None:
    """PostgreSQL refuses ON CONFLICT beside constraints that may be deferred, and beside rules."""
    plainly(shop, f"CREATE TABLE orders ({columns})", FIVE)
    assert run_job(shop.engine, archiving(shop, tmp_path), at=NOON).total.changed == 5
    plainly(shop, *then, f"INSERT INTO orders VALUES (99, {PAST}, 3), (2, {PAST}, 22)")

    for new in (3, 0):
        (restored,) = restore(shop.engine, files(tmp_path)[0])

        assert (restored.new, restored.other, list(restored.refused)) == (new, 1, ["3"])
        assert reason in restored.refused["3"]
    assert shop.ids("orders") == [1, 2, 4, 5, 99]


@pytest.mark.databases("postgres15")
def test_what_a_new_type_takes_away_is_named(shop: Shop, tmp_path: Path) -> None:
    plainly(
        shop,
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, price numeric(10,2), at timestamptz, rate float8,"
        " same bigint, wide int, word text, list int[])",
        f"INSERT INTO orders VALUES (1, {PAST}, 1.25, '2026-01-01 10:00:00.5+00', 0.1234567890123, 5, 6, '12',"
        " '[0:1]={1,2}'), (2, 0, 3, '2026-01-01 10:00+00', 0.5, 5, 6, NULL, NULL)",
    )
    assert run_job(shop.engine, archiving(shop, tmp_path), at=NOON).total.changed == 2
    plainly(
        shop,
        "ALTER TABLE orders ALTER price TYPE numeric(10,0), ALTER at TYPE timestamptz(0), ALTER rate TYPE real,"
        " ALTER wide TYPE numeric(6,2), ALTER word TYPE int USING word::int, ALTER list TYPE bigint[]",
    )

    (restored,) = restore(shop.engine, files(tmp_path)[0])

    assert (restored.new, restored.refused) == (2, {})
    assert restored.changed == {"price": 1, "at": 1, "rate": 1}


@pytest.mark.databases("sqlite", "postgres15")
def test_what_is_computed_by_now_is_named(shop: Shop, tmp_path: Path) -> None:
    both = "id int PRIMARY KEY, ends bigint, twice int GENERATED ALWAYS AS (id * 2) STORED"
    shop.do(
        f"CREATE TABLE orders ({both}, note int)",
        f"INSERT INTO orders (id, ends, note) VALUES (1, {PAST}, 5), (2, 0, 10)",
    )
    assert run_job(shop.engine, archiving(shop, tmp_path), at=NOON).total.changed == 2
    shop.do("DROP TABLE orders", f"CREATE TABLE orders ({both}, note int GENERATED ALWAYS AS (id * 5) STORED)")
    (restored,) = restore(shop.engine, files(tmp_path)[0])
    assert (restored.new, restored.refused, restored.changed) == (2, {}, {})

    shop.do("DROP TABLE orders", f"CREATE TABLE orders ({both}, note int GENERATED ALWAYS AS (id + 8) STORED)")
    (restored,) = restore(shop.engine, files(tmp_path)[0])
    assert (restored.new, restored.refused, restored.changed) == (2, {}, {"note": 1})


@pytest.mark.databases("sqlite", "postgres15")
def test_a_table_with_another_key_gets_each_row_once(shop: Shop, tmp_path: Path) -> None:
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends bigint)", f"INSERT INTO orders VALUES (1, {PAST}), (2, 0)")
    assert run_job(shop.engine, archiving(shop, tmp_path), at=NOON).total.changed == 2
    number = "integer" if shop.sqlite else "serial"
    shop.do("DROP TABLE orders", f"CREATE TABLE orders (number {number} PRIMARY KEY, id int, ends bigint)")

    for new in (2, 0):
        (restored,) = restore(shop.engine, files(tmp_path)[0])
        assert (restored.new, restored.nameless) == (new, False)
    assert shop.ids("orders") == [1, 2]


@pytest.mark.databases("sqlite", "postgres15")
def test_a_key_that_is_gone_is_said(shop: Shop, tmp_path: Path) -> None:
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends bigint)", f"INSERT INTO orders VALUES (1, {PAST})")
    assert run_job(shop.engine, archiving(shop, tmp_path), at=NOON).total.changed == 1
    number = "integer" if shop.sqlite else "serial"
    shop.do("DROP TABLE orders", f"CREATE TABLE orders (number {number} PRIMARY KEY, ends bigint)")

    (restored,) = restore(shop.engine, files(tmp_path)[0])

    assert (restored.new, restored.nameless, restored.dropped) == (1, True, ("id",))


@pytest.mark.databases("sqlite", "postgres15")
def test_a_column_that_came_during_a_run_is_not_lost(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, note json)",
        f"INSERT INTO orders VALUES (1, {PAST}, NULL), (2, {PAST}, NULL)",
    )
    job, began = archiving(shop, tmp_path), archiver.Archiver._register

    def migrated(archiver: archiver.Archiver, number: int) -> Path:
        shop.do("ALTER TABLE orders ADD fresh text", "UPDATE orders SET fresh = 'mine'")
        return began(archiver, number)

    with monkeypatch.context() as patch:
        patch.setattr(archiver.Archiver, "_register", migrated)
        outcome = run_job(shop.engine, job, at=NOON)
    assert (outcome.state, outcome.total.changed) == ("failed", 0)
    assert "orders got other columns meanwhile" in str(outcome.error)

    assert run_job(shop.engine, job, at=NOON).total.changed == 2
    restore(shop.engine, files(tmp_path)[1])
    with shop.engine.connect() as connection:
        assert list(connection.execute(text("SELECT fresh FROM orders")).scalars()) == ["mine", "mine"]


@pytest.mark.databases("postgres15")
def test_a_row_that_only_text_gives_back_is_written_once(shop: Shop, tmp_path: Path) -> None:
    """A list of a domain over lists: JSON does not tell them apart."""
    plainly(
        shop,
        "CREATE DOMAIN label AS text[]",
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, labels label[])",
        "CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders, labels label[])",
        f"INSERT INTO orders VALUES (1, {PAST}, ARRAY['{{a,b}}'::label, '{{c}}'::label]), (2, {PAST}, NULL)",
        "INSERT INTO items VALUES (1, 1, ARRAY['{a,b}'::label, '{c}'::label])",
    )
    job = archiving(shop, tmp_path, children={"items": "order_id"})
    with shop.engine.begin() as other:
        other.exec_driver_sql("SELECT 1 FROM orders WHERE id = 1 FOR UPDATE")
        for _ in range(2):
            run_job(shop.engine, job, at=NOON)
    assert run_job(shop.engine, job, at=NOON).total.changed == 1

    assert len(files(tmp_path)) == 1
    assert sorted((line.table, line.key) for line in archived(tmp_path)) == [
        ("items", ("1",)),
        ("orders", ("1",)),
        ("orders", ("2",)),
    ]
    assert [one.new for one in restore(shop.engine, files(tmp_path)[0])] == [2, 1]


@pytest.mark.databases("sqlite")
def test_a_key_that_is_not_what_its_column_says(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite takes STRING, DECIMAL and any other word for a type, and lets such a key be anything."""
    monkeypatch.setattr("sexton.runs.archive.portions.FIRST", 1)
    monkeypatch.setattr("sexton.runs.archive.portions.READ", 2)
    shop.do(
        "CREATE TABLE orders (id STRING, at DATE, flag BOOLEAN, part JSON, ends bigint,"
        " PRIMARY KEY (id, at, flag, part))"
    )
    for key in ("abc", "1e3", 7, 9007199254740993, 1.5, b"\x00\xff", "'"):
        shop.do(f"INSERT INTO orders VALUES (:key, :key, :key, :key, {PAST})", key=key)
    everything = "quote(id) || quote(at) || quote(flag) || quote(part)"
    before = shop.ids("orders", key=everything)

    outcome = run_job(shop.engine, archiving(shop, tmp_path), at=NOON)
    assert (outcome.said, outcome.total.changed, shop.ids("orders")) == ("", 7, [])
    assert [one.new for one in restore(shop.engine, files(tmp_path)[0])] == [7]
    assert shop.ids("orders", key=everything) == before


@pytest.mark.databases("sqlite", "postgres15")
def test_triggers_that_fire_when_links_are_set_again_are_named(shop: Shop, tmp_path: Path) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (id) ON DELETE SET NULL, at text)",
        f"INSERT INTO orders VALUES (1, {PAST})",
        "INSERT INTO items VALUES (1, 1, 'then')",
    )
    children = {"items": {"column": "order_id", "action": "set null"}}
    assert run_job(shop.engine, archiving(shop, tmp_path, children=children), at=NOON).total.changed == 1
    if shop.sqlite:
        body = "BEGIN UPDATE items SET at = 'now' WHERE id = new.id; END"
        plainly(
            shop,
            f"CREATE TRIGGER stamp AFTER UPDATE OF order_id ON items {body}",
            f"CREATE TRIGGER new_ones AFTER INSERT ON items {body}",
        )
    else:
        plainly(
            shop,
            "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.at = 'now'; RETURN new; END $$",
            "CREATE TRIGGER stamp BEFORE UPDATE OF order_id ON items FOR EACH ROW EXECUTE FUNCTION stamp()",
            "CREATE TRIGGER other BEFORE UPDATE OF at ON items FOR EACH ROW EXECUTE FUNCTION stamp()",
            "CREATE TRIGGER new_ones BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION stamp()",
        )

    fire = triggers(shop.engine, files(tmp_path)[0])

    assert [one.partition(",")[0] for one in fire] == ["stamp of items"]


@pytest.mark.databases("postgres15")
def test_triggers_of_a_partition_are_named(shop: Shop, tmp_path: Path) -> None:
    plainly(
        shop,
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint) PARTITION BY RANGE (id)",
        "CREATE TABLE few PARTITION OF orders FOR VALUES FROM (0) TO (10)",
        f"INSERT INTO orders VALUES (1, {PAST})",
    )
    assert run_job(shop.engine, archiving(shop, tmp_path), at=NOON).total.changed == 1
    plainly(
        shop,
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$",
        "CREATE TRIGGER whole BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION stamp()",
        "CREATE TRIGGER part BEFORE INSERT ON few FOR EACH ROW EXECUTE FUNCTION stamp()",
    )

    assert triggers(shop.engine, files(tmp_path)[0]) == ["part of orders", "whole of orders"]


@pytest.mark.databases("postgres15")
def test_rows_whose_parent_is_gone_are_found_at_once(shop: Shop, tmp_path: Path) -> None:
    """Not one by one, which takes minutes for a file; chains of rows of the same table are followed."""
    plainly(
        shop,
        "CREATE TABLE customers (id int PRIMARY KEY)",
        "INSERT INTO customers VALUES (1), (2)",
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, customer int REFERENCES customers,"
        " before int REFERENCES orders)",
        f"INSERT INTO orders SELECT g, {PAST}, 1 + mod(g, 2), nullif(greatest(g - 2, 0), 0)"
        " FROM generate_series(1, 300) AS g",
    )
    assert run_job(shop.engine, archiving(shop, tmp_path), at=NOON).total.changed == 300
    plainly(shop, "DELETE FROM customers WHERE id = 2")
    statements: list[str] = []
    event.listen(shop.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))

    (restored,) = restore(shop.engine, files(tmp_path)[0])

    assert (restored.new, len(restored.refused)) == (150, 150)
    assert "customer refers to a row that customers has not" in restored.refused["1"]
    assert len(statements) < 60


VERSION_0_1 = {
    "sqlite": (
        '{"table": "orders", "key": [1], "row": {"id": 1, "ends": 5, "note": {"hex": "00ff"}}}',
        '{"table": "orders", "key": [2], "row": {"id": 2, "ends": 5, "note": {"real": "inf"}}}',
    ),
    "postgresql": (
        """{"table": "orders", "key": ["1"], "row": {"id":1,"ends":5,"note":"a"}}""",
        """{"table": "orders", "key": ["2"], "text": {"note" : "b"}, "row": {"id":2,"ends":5,"note":"other"}}""",
    ),
}


@pytest.mark.databases("sqlite", "postgres15")
def test_a_file_of_the_first_format_comes_back(shop: Shop, tmp_path: Path) -> None:
    lines = [f"{line}\n".encode() for line in VERSION_0_1[shop.engine.dialect.name]]
    path = tmp_path / "tidy-20260615T120000Z-run1-0001-c7b786.jsonl.gz"
    written = write_content(path, lines)
    manifest = {
        **{"policy": "policies.tidy", "table": "orders", "run": 1, "as_of": "2026-06-15T12:00:00Z", "rows": 2},
        **{"lines": 2, "first_key": [1], "last_key": [2], "sha256": written.sha256, "size": written.size},
        **{"content_sha256": written.content_sha256, "format": 1},
        **{"columns": {"orders": {"id": "INTEGER", "ends": "BIGINT", "note": "TEXT"}}},
    }
    manifest_of(path).write_text(json.dumps(manifest))
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, note)"
        if shop.sqlite
        else "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, note text)"
    )

    (restored,) = product.restore(shop.engine, as_it_says(path))

    assert (restored.new, restored.refused, restored.changed) == (2, {}, {})
    expected = [b"\x00\xff", float("inf")] if shop.sqlite else ["a", "b"]
    assert [shop.ids("orders", f"id = {number}", "note")[0] for number in (1, 2)] == expected

    manifest_of(path).write_text(json.dumps({**manifest, "format": 3, "more": True}))
    with pytest.raises(JobFailed, match="is of format 3, and this Sexton reads up to 2"):
        as_it_says(path)
