"""REP-11, REP-31, REP-32: rows that stay wait in the file they are in; a file that is lost is never passed over."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from sexton.archives.file_format import manifest_of
from sexton.cli.main import main
from sexton.runs.archive.records import forget
from sexton.testing import run_job
from tests.declared.shop import Shop
from tests.declared.test_archive import PAST, archived, archiving, files, ran, records

KEEP = {
    "sqlite": (
        "CREATE TRIGGER guard BEFORE DELETE ON orders WHEN {} BEGIN SELECT RAISE(IGNORE); END",
        "DROP TRIGGER guard",
    ),
    "postgresql": (
        (
            "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN IF {} THEN RETURN NULL; END IF; RETURN old; END $$;"
            " CREATE TRIGGER guard BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION guard()"
        ),
        "DROP TRIGGER guard ON orders",
    ),
}


@pytest.fixture
def orders(shop: Shop) -> Shop:
    """Nine orders that are due, with an item each."""
    numbers = range(1, 10)
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, note text)",
        "CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (id))",
        f"INSERT INTO orders VALUES {', '.join(f'({n}, {PAST}, NULL)' for n in numbers)}",
        f"INSERT INTO items VALUES {', '.join(f'({n}, {n})' for n in numbers)}",
    )
    return shop


def keep(shop: Shop, condition: str = "true") -> str:
    """A trigger that swallows the delete; what takes it away again."""
    make, drop = KEEP[shop.engine.dialect.name]
    with shop.engine.begin() as connection:
        connection.exec_driver_sql(make.format(condition))
    return drop


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("condition", ["true", "old.id <> 5"])
def test_rep_11_rows_that_a_trigger_keeps_are_written_once(condition: str, orders: Shop, tmp_path: Path) -> None:
    job = archiving(orders, tmp_path, children={"items": "order_id"})
    drop = keep(orders, condition)
    left = [n for n in range(1, 10) if condition == "true" or n != 5]

    first = ran(orders, job)
    assert (first.state, first.total.kept) == ("partial", len(left))
    words = f"{len(left)} rows of orders found and not deleted; see the trigger guard"
    assert first.note == words
    for _ in range(2):
        again = ran(orders, job)
        assert again.state == "failed"
        assert again.error == f"{words}, not for the first time"
    assert (orders.ids("orders"), orders.ids("items", key="order_id")) == (left, left)  # no row loses its children
    assert len(files(tmp_path)) == 1
    assert records(orders.engine) == [(9, 9 - len(left), False)]

    orders.do(drop, "UPDATE orders SET note = 'moved' WHERE id = 9", f"INSERT INTO orders VALUES (10, {PAST}, NULL)")
    last = ran(orders, job)

    assert (last.state, last.total.kept, orders.ids("orders")) == ("succeeded", 0, [])
    keys = sorted(int(line.key[0]) for line in archived(tmp_path) if line.table == "orders")
    assert keys == [*range(1, 9), 9, 9, 10]  # once more only the one that changed, and the new one
    assert all(finished for _, _, finished in records(orders.engine))


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_11_after_a_file_none_of_whose_rows_went_no_other_is_written(
    orders: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sexton.runs.archive import archiver

    monkeypatch.setattr(archiver, "MAX_FILE_ROWS", 3)
    job = archiving(orders, tmp_path, children={"items": "order_id"})
    keep(orders)

    assert [ran(orders, job).state for _ in range(3)] == ["partial", "failed", "failed"]
    assert records(orders.engine) == [(3, 0, False)]


@pytest.mark.databases("postgres15")
def test_rep_31_a_row_that_stays_locked_is_written_once(orders: Shop, tmp_path: Path) -> None:
    job = archiving(orders, tmp_path, children={"items": "order_id"})
    with orders.engine.connect() as holder:
        holder.execute(text("SELECT 1 FROM orders WHERE id = 4 FOR UPDATE"))
        for _ in range(3):
            outcome = ran(orders, job)
            assert (outcome.state, outcome.total.skipped) == ("partial", 1)
        assert records(orders.engine) == [(9, 8, False)]

    assert (ran(orders, job).state, orders.ids("orders")) == ("succeeded", [])
    assert records(orders.engine) == [(9, 9, True)]


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_31_a_row_that_is_set_aside_is_written_once(orders: Shop, tmp_path: Path) -> None:
    """Refused, resting, tried again, refused again; then nothing refers to it any more."""
    job = archiving(orders, tmp_path, children={"items": "order_id"})
    orders.do("CREATE TABLE notes (order_id int REFERENCES orders (id))", "INSERT INTO notes VALUES (6)")

    states = [run_job(orders.engine, job, at=f"2026-06-15T{hour}:00:00Z").state for hour in (12, 12, 14, 14)]

    assert states == ["partial", "succeeded", "partial", "succeeded"]
    assert (records(orders.engine), orders.ids("orders")) == ([(9, 8, False)], [6])
    orders.do("DELETE FROM notes")
    assert run_job(orders.engine, job, at="2026-06-17T12:00:00Z").state == "succeeded"
    assert (records(orders.engine), orders.ids("orders")) == ([(9, 9, True)], [])


def harm(path: Path, how: str) -> None:
    """What may happen to a file on its disk."""
    whole = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "no manifest":
        manifest_of(path).unlink()
    else:
        path.write_bytes({"empty": b"", "truncated": whole[:-20], "other": whole[:60] + b"\0" + whole[61:]}[how])


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "other", "no manifest"])
def test_rep_32_a_lost_file_by_which_rows_went_is_named_until_somebody_says_so(
    how: str, orders: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = archiving(orders, tmp_path, children={"items": "order_id"})
    drop = keep(orders, "old.id = 5")
    ran(orders, job)
    orders.do(drop)
    (path,) = files(tmp_path)
    harm(path, how)

    for _ in range(2):
        outcome = ran(orders, job)
        assert (outcome.state, orders.ids("orders")) == ("failed", [5])
        assert path.name in (outcome.error or "")
        assert "8 rows were deleted on its strength" in (outcome.error or "")
    if orders.sqlite:
        monkeypatch.chdir(tmp_path)
        policy = 'archive = "orders"\nby = "ends"\nunit = "s"\nmax_share = 1.0\nchildren = {items = "order_id"}'
        (tmp_path / "sexton.toml").write_text(f'database = "{orders.database}"\n[policies.tidy]\n{policy}\n')
        assert main(["archive", "verify"]) == 1
        assert main(["archive", "forget", path.name]) == 0
        assert "8 rows that were deleted on its strength are in no other file" in capsys.readouterr().out
        assert main(["archive", "forget", "another"]) == 2
    else:
        with orders.engine.begin() as connection:
            assert forget(connection, path.name) == 8
    assert (ran(orders, job).state, orders.ids("orders")) == ("succeeded", [])
    whole = next(one for one in files(tmp_path) if one != path)
    assert not orders.sqlite or main(["archive", "forget", whole.name]) == 2


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_32_a_lost_file_by_which_no_row_went_is_forgotten_with_a_word(orders: Shop, tmp_path: Path) -> None:
    job = archiving(orders, tmp_path, children={"items": "order_id"})
    drop = keep(orders)
    ran(orders, job)
    orders.do(drop)
    (path,) = files(tmp_path)
    harm(path, "missing")

    outcome = ran(orders, job)

    assert (outcome.state, outcome.total.changed) == ("succeeded", 9)
    assert path.name in (outcome.note or "")
    assert records(orders.engine) == [(9, 9, True)]
