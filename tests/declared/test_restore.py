"""REP-9, REP-10: what stands after a restore is compared with what was written, and links that were cut come back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from sexton.cli.main import main
from sexton.declared import restore as product
from sexton.errors import JobFailed, UsageError
from sexton.testing import run_job
from tests.support.archives import opened, restore, triggers

from .shop import Shop
from .test_archive import NOON, PAST, archived, archiving, files

STAMP = {
    "sqlite": (
        (
            "CREATE TRIGGER stamp AFTER INSERT ON orders BEGIN"
            " UPDATE orders SET updated_at = 'now' WHERE id = new.id; INSERT INTO audit VALUES (new.id); END"
        ),
    ),
    "postgresql": (
        (
            "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " new.updated_at = 'now'; INSERT INTO audit VALUES (new.id); RETURN new; END $$"
        ),
        "CREATE TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION stamp()",
    ),
}


def gone(shop: Shop, folder: Path, *statements: str, **written: object) -> Path:
    """Ten orders in a file; then these statements."""
    shop.do(
        "CREATE TABLE customers (id int PRIMARY KEY)",
        "INSERT INTO customers VALUES (1), (2)",
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, updated_at text,"
        " customer int REFERENCES customers (id))",
        "CREATE TABLE audit (id int)",
        *(f"INSERT INTO orders VALUES ({n}, {PAST}, 'then', {1 + n % 2})" for n in range(1, 11)),
    )
    assert run_job(shop.engine, archiving(shop, folder, **written), at=NOON).total.changed == 10
    with shop.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    return files(folder)[0]


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_9_what_triggers_changed_is_named(shop: Shop, tmp_path: Path) -> None:
    path = gone(shop, tmp_path, *STAMP[shop.engine.dialect.name])
    shop.do(f"INSERT INTO orders VALUES (1, {PAST}, 'then', 1)")

    fire = triggers(shop.engine, path)
    (restored,) = restore(shop.engine, path)

    assert [re.fullmatch(r"stamp of orders, which may write to .*audit", one) is not None for one in fire] == [True]
    assert (restored.rows, restored.new, restored.changed) == (10, 9, {"updated_at": 9})
    assert restored.other == 1  # its stamp, and its customer


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_9_a_row_that_a_trigger_keeps_out_is_named(shop: Shop, tmp_path: Path) -> None:
    body = "BEFORE INSERT ON orders"
    swallow = {
        "sqlite": (f"CREATE TRIGGER no {body} WHEN new.id = 3 BEGIN SELECT RAISE(IGNORE); END",),
        "postgresql": (
            (
                "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN IF new.id = 3 THEN RETURN NULL; END IF; RETURN new; END $$"
            ),
            f"CREATE TRIGGER no {body} FOR EACH ROW EXECUTE FUNCTION no()",
        ),
    }
    path = gone(shop, tmp_path, *swallow[shop.engine.dialect.name])

    (restored,) = restore(shop.engine, path)

    assert (restored.new, list(restored.refused)) == (9, ["3"])
    assert "a trigger kept it out" in restored.refused["3"]


@pytest.mark.databases("postgres15")
def test_rep_9_without_triggers_rows_are_as_they_were_and_references_are_asked(shop: Shop, tmp_path: Path) -> None:
    path = gone(shop, tmp_path, *STAMP["postgresql"], "DELETE FROM customers WHERE id = 2")

    (restored,) = restore(shop.engine, path, without_triggers=True)

    assert (restored.new, restored.changed) == (5, {})
    assert set(restored.refused) == {"1", "3", "5", "7", "9"}
    assert "customer refers to a row that customers has not" in restored.refused["1"]
    assert shop.ids("audit") == []
    assert triggers(shop.engine, path, without=True) == []


@pytest.mark.databases("postgres15")
def test_rep_9_who_may_not_leave_triggers_out_is_told(shop: Shop, tmp_path: Path) -> None:
    path = gone(shop, tmp_path)
    shop.do("CREATE ROLE rep_nine LOGIN", "GRANT ALL ON ALL TABLES IN SCHEMA public TO rep_nine")
    plain = create_engine(shop.engine.url.set(username="rep_nine"))
    try:
        with pytest.raises(JobFailed, match="this role may not leave triggers out; a superuser can allow it"):
            product.restore(plain, opened(shop.engine, path), without_triggers=True)
    finally:
        plain.dispose()
        shop.do("DROP OWNED BY rep_nine", "DROP ROLE rep_nine")


@pytest.mark.databases("sqlite")
def test_rep_9_the_command_says_it_all(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = gone(shop, tmp_path, *STAMP["sqlite"], "DELETE FROM customers WHERE id = 2")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sexton.toml").write_text(f'database = "{shop.database}"\n')

    assert main(["archive", "restore", str(path), "--yes", "--without-triggers"]) == 1
    assert "SQLite cannot leave triggers out" in capsys.readouterr().err
    assert main(["archive", "restore", str(path), "--yes"]) == 3

    said = capsys.readouterr()
    assert "triggers fire: stamp of orders, which may write to orders, audit" in said.err
    assert said.out.splitlines()[:3] == [
        "orders: 5 of 10 rows put back",
        "orders: not as they were written, though put back: updated_at (5); see its triggers and types",
        "orders 1: not put back: FOREIGN KEY constraint failed",
    ]


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("rule", ["SET NULL", "SET DEFAULT"])
def test_rep_10_links_that_would_be_cut_have_to_be_listed(rule: str, shop: Shop, tmp_path: Path) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (id) ON DELETE CASCADE)",
        f"CREATE TABLE notes (id int PRIMARY KEY, item_id int DEFAULT NULL REFERENCES items (id) ON DELETE {rule})",
    )

    with pytest.raises(UsageError, match=r"notes refers to .*items by item_id with ON DELETE SET NULL or SET DEFAULT"):
        run_job(shop.engine, archiving(shop, tmp_path, children={"items": "order_id"}), at=NOON)


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("rule", ["ON DELETE SET NULL", "ON DELETE SET DEFAULT", ""])
def test_rep_10_links_come_back_where_they_are_still_empty(rule: str, shop: Shop, tmp_path: Path) -> None:
    """Two columns, one of them below a child; a link to another row by hand stays, a row that went is no matter."""
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, shop int NOT NULL, ends bigint, UNIQUE (shop, id))",
        "CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (id))",
        f"CREATE TABLE carts (id int PRIMARY KEY, shop int, order_id int, words text,"
        f" FOREIGN KEY (shop, order_id) REFERENCES orders (shop, id) {rule})",
        f"CREATE TABLE notes (id text PRIMARY KEY, item_id int REFERENCES items (id) {rule})",
        f"INSERT INTO orders VALUES (1, 7, {PAST}), (2, 7, {PAST}), (3, 7, {PAST + 99})",
        "INSERT INTO items VALUES (1, 1), (2, 2)",
        "INSERT INTO carts VALUES (1, 7, 1, 'a'), (2, 7, 2, 'b'), (3, 7, 3, 'c'), (4, 7, 1, 'd'), (5, 7, 1, 'e')",
        "INSERT INTO notes VALUES ('x', 1), ('y', 2), ('z', NULL)",
    )
    children = {
        "items": {"column": "order_id", "children": {"notes": {"column": "item_id", "action": "set null"}}},
        "carts": {"column": ["shop", "order_id"], "action": "set null"},
    }
    outcome = run_job(shop.engine, archiving(shop, tmp_path, children=children), at=NOON)
    assert (outcome.state, outcome.total.changed) == ("succeeded", 2)
    assert shop.ids("carts", "order_id IS NULL") == [1, 2, 4, 5]
    assert sorted((line.table, *line.link) for line in archived(tmp_path) if line.link) == [
        *[("carts", "shop", "order_id")] * 4,
        *[("notes", "item_id")] * 2,
    ]
    shop.do("UPDATE carts SET shop = 7, order_id = 3, words = 'new' WHERE id = 4", "DELETE FROM carts WHERE id = 5")

    restored = {one.table: one for one in restore(shop.engine, files(tmp_path)[0])}

    assert (restored["carts"].links, restored["carts"].linked) == (4, 2)
    assert (restored["notes"].links, restored["notes"].linked) == (2, 2)
    assert not any(one.refused for one in restored.values())
    assert (shop.ids("carts", "order_id = 1"), shop.ids("carts", "order_id = 2")) == ([1], [2])
    assert shop.ids("carts", "order_id = 3") == [3, 4]
    assert shop.ids("notes", "item_id = 1") == ["x"]


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_10_a_link_that_is_new_keeps_its_row_for_the_next_file(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sexton.archives.manifests import require_whole
    from sexton.archives.reader import Seal
    from sexton.runs.archive import archiver

    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE notes (id int PRIMARY KEY, order_id int REFERENCES orders (id) ON DELETE SET NULL)",
        f"INSERT INTO orders VALUES (1, {PAST}), (2, {PAST})",
    )

    def then(path: Path, seal: Seal) -> None:
        shop.do("INSERT INTO notes VALUES (9, 1)")
        require_whole(path, seal)

    job = archiving(shop, tmp_path, children={"notes": {"column": "order_id", "action": "set null"}})
    with monkeypatch.context() as patched:
        patched.setattr(archiver, "require_whole", then)
        assert run_job(shop.engine, job, at=NOON).total.changed == 1
    assert shop.ids("notes", "order_id = 1") == [9]
    assert run_job(shop.engine, job, at=NOON).total.changed == 1
    assert [line.key for line in archived(tmp_path) if line.link] in ([(9,)], [("9",)])
