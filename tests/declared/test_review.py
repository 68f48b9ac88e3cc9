"""What a hostile reader of the policies found, each kept from coming back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from sexton.cli._run_report import sample_lines
from sexton.errors import UsageError
from sexton.runs.archive import deletion
from sexton.runs.archive.records import forget
from sexton.statements.samples import Sample
from sexton.testing import preview_job, run_job
from tests.support.archives import lines_of

from .shop import Shop
from .test_archive import archiving, files, records
from .test_options import jobs_of, stored

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1
DAY = timedelta(days=1)


def run(shop: Shop, **written: Any) -> Any:
    """One run, of which a dry run before it told the truth."""
    job = shop.armed(by="ends", unit="s", max_share=1.0, **written)
    before = preview_job(shop.engine, job, at=NOON).total
    outcome = run_job(shop.engine, job, at=NOON)
    assert outcome.total == before
    return outcome


def test_children_hang_on_what_their_foreign_key_says_not_on_the_key(shop: Shop) -> None:
    """Order 1 has the number 2: the item of number 2 is its own, that of number 1 is not."""
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, no int UNIQUE, ends bigint)",
        "CREATE TABLE items (id int PRIMARY KEY, order_no int REFERENCES orders (no))",
        "CREATE TABLE notes (id int PRIMARY KEY, item int REFERENCES items (id))",
        f"INSERT INTO orders VALUES (1, 2, {PAST}), (2, 1, {PAST + 9})",
        "INSERT INTO items VALUES (1, 1), (2, 2)",
        "INSERT INTO notes VALUES (1, 1), (2, 2)",
    )

    run(shop, purge="orders", children={"items": {"column": "order_no", "children": {"notes": "item"}}})

    assert (shop.ids("orders"), shop.ids("items"), shop.ids("notes")) == ([2], [1], [1])


def test_keepers_hold_what_their_foreign_key_says(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, no int UNIQUE, ends bigint)",
        "CREATE TABLE pay (id int PRIMARY KEY, order_no int REFERENCES orders (no))",
        f"INSERT INTO orders VALUES (1, 2, {PAST}), (2, 1, {PAST})",
        "INSERT INTO pay VALUES (1, 2)",
    )

    run(shop, purge="orders", unless_referenced_by={"pay": "order_no"})

    assert shop.ids("orders") == [1]


def test_a_composite_foreign_key_in_another_order(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (no int, region int, ends bigint, PRIMARY KEY (no, region))",
        "CREATE TABLE items (id int PRIMARY KEY, region int, no int, FOREIGN KEY (region, no)"
        " REFERENCES orders (region, no))"
        if shop.sqlite
        else "CREATE TABLE items (id int PRIMARY KEY, region int, no int)",
        f"INSERT INTO orders VALUES (1, 2, {PAST}), (2, 1, {PAST + 9})",
    )
    if not shop.sqlite:
        shop.do(
            "CREATE UNIQUE INDEX ON orders (region, no)",
            "ALTER TABLE items ADD FOREIGN KEY (region, no) REFERENCES orders (region, no)",
        )
    shop.do("CREATE UNIQUE INDEX orders_region_no ON orders (region, no)")
    shop.do("INSERT INTO items VALUES (1, 2, 1), (2, 1, 2)")

    run(shop, purge="orders", children={"items": ["region", "no"]})

    assert (shop.ids("orders", key="no"), shop.ids("items")) == ([2], [2])


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
def test_an_index_whose_building_failed_is_no_key(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE rows_ (no int NOT NULL, ends bigint)",
        "CREATE UNIQUE INDEX rows_no ON rows_ (no)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'rows_no'::regclass",
        "DROP INDEX rows_no",
        "CREATE UNIQUE INDEX rows_no ON rows_ (no)",
    )
    shop.do("UPDATE pg_index SET indisvalid = false, indisunique = true WHERE indexrelid = 'rows_no'::regclass")

    job = shop.armed(purge="rows_", by="ends", unit="s")

    (plan,) = [step.plan() for step in [job.load()] if hasattr(step, "plan")]
    assert [column.name for column in plan.key] == ["ctid"]


@pytest.mark.databases("postgres")
def test_a_table_that_others_inherit_from_is_refused(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint)", "CREATE TABLE heirs (extra text) INHERITS (orders)"
    )

    with pytest.raises(UsageError, match="other tables inherit from orders; write a policy for each of them"):
        run_job(shop.engine, shop.job(purge="orders", by="ends", unit="s"), at=NOON)


def test_our_own_tables_are_nobodys(shop: Shop) -> None:
    own = "sexton_runs" if shop.sqlite else "sexton.runs"

    with pytest.raises(UsageError, match=r"is Sexton's own"):
        run_job(shop.engine, shop.job(purge=own, by="started_at", keep="1d"), at=NOON)


def test_a_policy_does_not_wait_for_what_a_limit_left(shop: Shop) -> None:
    """The mark is that of a run that took all there was."""
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends timestamp, state text)")
    shop.do("CREATE TABLE raw (id int PRIMARY KEY, ends timestamp)")
    for number in (1, 2):
        shop.do("INSERT INTO orders VALUES (:id, :at, 'x')", id=number, at=stored(shop, NOON - 3 * DAY))
        shop.do("INSERT INTO raw VALUES (:id, :at)", id=number, at=stored(shop, NOON - 3 * DAY))
    jobs = jobs_of(
        shop,
        mark={"transition": "orders", "by": "ends", "set": {"state": "y"}, "limit": 1, "max_share": 1.0},
        tidy={"purge": "raw", "by": "ends", "before": "mark", "max_share": 1.0},
    )

    for left in ([1, 2], [1, 2], []):
        run_job(shop.engine, jobs["mark"], at=NOON)
        run_job(shop.engine, jobs["tidy"], at=NOON)
        assert shop.ids("raw") == left


@pytest.mark.databases("postgres")
def test_one_table_is_one_however_it_is_written(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends timestamp, state text)")
    written: dict[str, Any] = {"by": "ends", "max_share": 1.0}
    jobs = jobs_of(
        shop,
        mark={"transition": "public.orders", "set": {"state": "y"}, **written},
        tidy={"purge": "orders", "before": "mark", **written},
    )
    run_job(shop.engine, jobs["mark"], at=NOON)
    shop.do("INSERT INTO orders VALUES (1, :at, 'late')", at=stored(shop, NOON - 3 * DAY))

    assert run_job(shop.engine, jobs["tidy"], at=NOON).total.changed == 0


def test_a_child_table_that_hangs_on_two_others_loses_both_and_is_counted_whole(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE a (id int PRIMARY KEY, o int)",
        "CREATE TABLE b (id int PRIMARY KEY, o int)",
        "CREATE TABLE shots (id int PRIMARY KEY, a int, b int)",
        f"INSERT INTO orders VALUES (1, {PAST})",
        "INSERT INTO a VALUES (1, 1)",
        "INSERT INTO b VALUES (1, 1)",
        "INSERT INTO shots VALUES (1, 1, NULL), (2, NULL, 1), (3, NULL, NULL)",
    )
    children = {
        "a": {"column": "o", "children": {"shots": "a"}},
        "b": {"column": "o", "children": {"shots": "b"}},
    }

    assert run(shop, purge="orders", children=children).total.also == {"shots": 2, "a": 1, "b": 1}
    assert shop.ids("shots") == [3]


@pytest.mark.databases("postgres")
def test_statistics_that_know_late_of_rows_that_went_hide_no_flood(shop: Shop) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint) WITH (autovacuum_enabled = false)",
        f"INSERT INTO orders SELECT n, {PAST} FROM generate_series(1, 60000) n",
        "ANALYZE orders",
        "DELETE FROM orders WHERE id > 5000",
    )

    outcome = run_job(shop.engine, shop.armed(purge="orders", by="ends", unit="s", allowed=0), at=NOON)

    assert outcome.state == "failed"
    assert "more than 1,000 rows are due, max_share = 0.2 of 5,000" in (outcome.error or "")


def test_one_row_is_no_flood(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends bigint)", f"INSERT INTO orders VALUES (1, {PAST})")

    assert run_job(shop.engine, shop.armed(purge="orders", by="ends", unit="s", allowed=0), at=NOON).total.changed == 1


@pytest.mark.parametrize("name", ["picked", "facts", "aside", "noticed", "newer", "sexton", "keys"])
def test_tables_may_have_the_names_that_statements_use(name: str, shop: Shop, tmp_path: Path) -> None:
    shop.do(f"CREATE TABLE {name} (id int PRIMARY KEY, ends bigint, grp int)")
    for number in range(4):
        shop.do(f"INSERT INTO {name} VALUES ({number}, {PAST - number}, 1)")

    assert run(shop, warn=name).total.told == 4
    assert run(shop, transition=name, set={"grp": 2}, event="changed").total.changed == 4
    assert run(shop, purge=name, keep_last=3, per=["grp"]).total.changed == 1
    assert run_job(shop.engine, archiving(shop, tmp_path, archive=name, limit=2), at=NOON).total.changed == 2
    assert run(shop, purge=name).total.changed == 1


@pytest.mark.databases("sqlite")
def test_a_table_with_a_quote_in_its_name_is_archived(shop: Shop, tmp_path: Path) -> None:
    shop.do('CREATE TABLE "a""b" ("k""" int PRIMARY KEY, ends bigint)', f'INSERT INTO "a""b" VALUES (1, {PAST})')

    assert run_job(shop.engine, archiving(shop, tmp_path, archive='a"b'), at=NOON).total.changed == 1


@pytest.mark.databases("sqlite")
def test_a_key_that_is_null_stands_in_nobodys_way(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id text PRIMARY KEY, ends bigint)")
    for number, key in enumerate((None, None, None, "a", "b")):
        shop.do("INSERT INTO orders VALUES (:key, :ends)", key=key, ends=PAST - 9 + number)

    assert run(shop, purge="orders", batch=2).total.changed == 2
    with shop.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar_one() == 3


@pytest.mark.databases("sqlite")
def test_times_in_only_are_compared_as_times(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends bigint, seen datetime)")
    for number, seen in enumerate(("2026-01-01 00:00:00", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59.999Z"), 1):
        shop.do("INSERT INTO orders VALUES (:id, :ends, :seen)", id=number, ends=PAST, seen=seen)
    limit = datetime.fromisoformat("2026-01-01T03:00:00+03:00")

    run(shop, purge="orders", only={"seen": {"below": limit}})
    assert shop.ids("orders") == [1, 2]
    run(shop, purge="orders", only={"seen": {"at_least": limit}})
    assert shop.ids("orders") == []


def test_a_number_that_no_column_holds_is_refused_in_one_line(shop: Shop) -> None:
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends bigint)")

    with pytest.raises(UsageError, match=r"only.id: 99999999999999999999999 is more than id can hold"):
        run_job(
            shop.engine, shop.job(purge="orders", by="ends", unit="s", only={"id": 99999999999999999999999}), at=NOON
        )


def test_a_half_deleted_file_that_moved_away_stays_on_record(shop: Shop, tmp_path: Path) -> None:
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends bigint)")
    for number in range(4):
        shop.do(f"INSERT INTO orders VALUES ({number}, {PAST})")
    run_job(shop.engine, archiving(shop, tmp_path, limit=2), at=NOON)
    own = "sexton_archives" if shop.sqlite else "sexton.archives"
    shop.do(f"UPDATE {own} SET finished_at = NULL, deleted = 1")
    files(tmp_path)[0].rename(tmp_path / "moved")

    assert run_job(shop.engine, archiving(shop, tmp_path), at=NOON).state == "failed"
    assert [row[1] for row in records(shop.engine)] == [1]
    with shop.engine.begin() as connection:
        forget(connection, str(connection.execute(text(f"SELECT file FROM {own}")).scalar_one()))
    run_job(shop.engine, archiving(shop, tmp_path), at=NOON)

    assert sorted(row[1] for row in records(shop.engine)) == [1, 2]


def test_what_a_terminal_obeys_is_not_printed() -> None:
    sample = Sample(
        ("id",), "at", [{"id": "evil\x1b[31m" + "x" * 300, "at": "2026\x07"}], [("e\n", "to\r", {"a": "\x1b"})]
    )

    printed = "\n".join(sample_lines("step", sample, 1))

    assert printed.isprintable() or all(letter.isprintable() or letter == "\n" for letter in printed)
    assert max(map(len, printed.splitlines())) <= 80
