"""Archive, then purge: what is deleted stands in a file that was read back; what changed meanwhile stays."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sexton import Job
from sexton.app import App
from sexton.archives.file_format import ENDING, ArchiveLine
from sexton.archives.manifests import require_whole
from sexton.archives.reader import Seal
from sexton.config import Settings
from sexton.declared.policy_fingerprint import definition_of
from sexton.doctor.inspection import job_warnings
from sexton.errors import PolicyError, UsageError
from sexton.guard.arming import arm
from sexton.runs.archive.records import forget
from sexton.runs.context import Limits
from sexton.runs.outcome import Outcome
from sexton.testing import preview_job, run_job
from tests.support.archives import lines_of, verify
from tests.support.findings import examined

from .shop import Shop, settings_of

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
PAST = int(NOON.timestamp()) - 1


@pytest.fixture
def orders(shop: Shop) -> Shop:
    """Four orders, three of them due, with items."""
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint, note text)",
        "CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (id))",
        f"INSERT INTO orders VALUES (1, {PAST - 2}, 'a'), (2, {PAST - 1}, 'b'), (3, {PAST}, 'c'), (4, {PAST + 9}, 'd')",
        "INSERT INTO items VALUES (1, 1), (2, 1), (3, 3), (4, 4)",
    )
    return shop


def archiving(shop: Shop, folder: Path, **written: Any) -> Job:
    """The job of an armed policy that archives orders below a folder."""
    written = {"archive": "orders", "by": "ends", "unit": "s", "max_share": 1.0, **written}
    with shop.engine.begin() as connection:
        arm(connection, "tidy", definition_of(settings_of(written)), allowed=10**9, by="a test")
    return App(Settings(database=shop.database, policies={"tidy": written}), folder=folder).registry.get(
        "policies.tidy"
    )


def files(folder: Path) -> list[Path]:
    """The archive files, in the order of their names."""
    return sorted((folder / "archive" / "tidy").glob(f"*{ENDING}"))


def archived(folder: Path) -> list[ArchiveLine]:
    """All lines of all files."""
    return [line for path in files(folder) for line in lines_of(path)]


def records(engine: Engine) -> list[tuple[Any, ...]]:
    """Rows, deleted, and whether it is finished, of each file."""
    own = "sexton_archives" if engine.dialect.name == "sqlite" else "sexton.archives"
    with engine.connect() as connection:
        asked = text(f"SELECT rows, deleted, finished_at IS NOT NULL FROM {own} ORDER BY file")
        return [tuple(row) for row in connection.execute(asked)]


def test_rows_and_their_children_are_in_a_file_before_they_go(orders: Shop, tmp_path: Path) -> None:
    job = archiving(orders, tmp_path, children={"items": "order_id"})

    before = preview_job(orders.engine, job, at=NOON).total
    outcome = run_job(orders.engine, job, at=NOON)

    assert outcome.total == before
    assert (outcome.total.changed, outcome.total.also) == (3, {"items": 3})
    assert (orders.ids("orders"), orders.ids("items")) == ([4], [4])
    (path,) = files(tmp_path)
    assert re.fullmatch(rf"tidy-20260615T120000Z-run{outcome.run_id}-0001-[0-9a-f]{{6}}\.jsonl\.gz", path.name)
    with gzip.open(path, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    assert [(row["table"], row["row"]["id"]) for row in rows] == [
        *(("orders", number) for number in (1, 2, 3)),
        *(("items", number) for number in (1, 2, 3)),
    ]
    manifest = verify(path)
    assert (manifest.rows, manifest.lines, manifest.run) == (3, 6, outcome.run_id)
    assert [str(*key) for key in (manifest.first_key, manifest.last_key)] == ["1", "3"]
    assert set(manifest.columns) == {"orders", "items"}
    assert records(orders.engine) == [(3, 3, True)]


def test_again_there_is_nothing_to_do_and_no_file_is_made(orders: Shop, tmp_path: Path) -> None:
    job = archiving(orders, tmp_path, children={"items": "order_id"})

    run_job(orders.engine, job, at=NOON)
    assert run_job(orders.engine, job, at=NOON).total.picked == 0
    assert len(files(tmp_path)) == 1


def test_children_that_nobody_listed_keep_their_row_here(orders: Shop, tmp_path: Path) -> None:
    """The database refuses: set aside, and the others go."""
    outcome = run_job(orders.engine, archiving(orders, tmp_path), at=NOON)

    assert (outcome.state, outcome.total.changed, outcome.total.poison) == ("partial", 1, 2)
    assert orders.ids("orders") == [1, 3, 4]
    assert records(orders.engine) == [(3, 1, False)]  # the two wait in the file


def test_children_that_would_be_dragged_along_have_to_be_listed(shop: Shop, tmp_path: Path) -> None:
    shop.do(
        "CREATE TABLE orders (id int PRIMARY KEY, ends bigint)",
        "CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (id) ON DELETE CASCADE)",
    )

    with pytest.raises(UsageError, match=r"items refers to orders by order_id with ON DELETE CASCADE"):
        run_job(shop.engine, archiving(shop, tmp_path), at=NOON)


def test_a_row_that_changed_meanwhile_stays(orders: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the file and the delete somebody edits one order, and adds an item to another."""
    from sexton.runs.archive import archiver

    def then(path: Path, seal: Seal) -> None:
        orders.do("UPDATE orders SET note = 'new' WHERE id = 2", "INSERT INTO items VALUES (9, 1)")
        require_whole(path, seal)

    job = archiving(orders, tmp_path, children={"items": "order_id"})
    with monkeypatch.context() as patched:
        patched.setattr(archiver, "require_whole", then)
        assert run_job(orders.engine, job, at=NOON).total.changed == 1

    assert (orders.ids("orders"), orders.ids("items")) == ([1, 2, 4], [1, 2, 4, 9])
    assert records(orders.engine) == [(3, 1, True)]
    assert run_job(orders.engine, job, at=NOON).total.changed == 2
    newest = [json.loads(line.row) for line in lines_of(files(tmp_path)[1])]
    assert {"id": 2, "ends": PAST - 1, "note": "new"} in newest
    assert {"id": 9, "order_id": 1} in newest


def test_limit_and_many_files(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sexton.runs.archive import archiver, portions

    monkeypatch.setattr(archiver, "MAX_FILE_ROWS", 40)
    monkeypatch.setattr(portions, "READ", 15)
    shop.do("CREATE TABLE orders (id int PRIMARY KEY, ends bigint, note text)")
    for number in range(100):
        shop.do("INSERT INTO orders VALUES (:id, :ends, 'x')", id=number, ends=PAST - number)

    assert run_job(shop.engine, archiving(shop, tmp_path, limit=30), at=NOON).total.changed == 30
    assert run_job(shop.engine, archiving(shop, tmp_path), at=NOON).total.changed == 70
    assert [row[0] for row in records(shop.engine)] == [30, 40, 30]
    assert sorted(int(json.loads(line.row)["id"]) for line in archived(tmp_path)) == list(range(100))


def test_rows_with_many_children_make_more_files(orders: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run holds in memory does not grow with the children that a row happens to have."""
    from sexton.runs.archive import archiver, portions

    monkeypatch.setattr(archiver, "MAX_FILE_LINES", 200)
    monkeypatch.setattr(portions, "FIRST", 5)
    for number in range(10, 50):
        orders.do(f"INSERT INTO orders VALUES ({number}, {PAST - 1000}, '')")
        children = ", ".join(f"({number * 100 + child}, {number})" for child in range(20))
        orders.do(f"INSERT INTO items VALUES {children}")

    assert run_job(orders.engine, archiving(orders, tmp_path, children={"items": "order_id"}), at=NOON).total.also == {
        "items": 803
    }

    assert [verify(path).rows for path in files(tmp_path)] == [10, 10, 10, 10, 3]
    assert max(verify(path).lines for path in files(tmp_path)) <= 200 + 20


def test_the_limit_of_a_trial_is_kept(orders: Shop, tmp_path: Path) -> None:
    """`sexton test JOB --limit 1`"""
    job = archiving(orders, tmp_path, children={"items": "order_id"})

    assert run_job(orders.engine, job, at=NOON, limits=Limits(row_limit=1)).total.changed == 1
    assert orders.ids("orders") == [2, 3, 4]


def ran(shop: Shop, job: Job) -> Outcome:
    return run_job(shop.engine, job, at=NOON)


def test_a3_a_name_that_is_taken_is_not_overwritten(
    orders: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that went back, another database with the same folder, chance: its file stays, the run says so."""
    monkeypatch.setattr("sexton.runs.archive.archiver.token_hex", lambda _size: "abcdef")
    job = archiving(orders, tmp_path, children={"items": "order_id"})
    first = ran(orders, job)
    theirs = tmp_path / "archive" / "tidy" / f"tidy-20260615T120000Z-run{(first.run_id or 0) + 1}-0001-abcdef.jsonl.gz"
    theirs.write_bytes(b"theirs")
    orders.do(f"INSERT INTO orders VALUES (5, {PAST}, 'e')")

    outcome = ran(orders, job)

    assert outcome.state == "failed"
    assert "no row was deleted for it" in (outcome.error or "")
    assert theirs.read_bytes() == b"theirs"
    assert orders.ids("orders") == [4, 5]


def test_a4_a_damaged_file_deletes_nothing(orders: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sexton.runs.archive import archiver

    def damaged(path: Path, seal: Seal) -> None:
        whole = bytearray(path.read_bytes())
        whole[len(whole) // 2] ^= 1
        path.write_bytes(bytes(whole))
        require_whole(path, seal)

    job = archiving(orders, tmp_path, children={"items": "order_id"})
    with monkeypatch.context() as patched:
        patched.setattr(archiver, "require_whole", damaged)
        outcome = ran(orders, job)

    assert outcome.state == "failed"
    assert orders.ids("orders") == [1, 2, 3, 4]
    assert ran(orders, job).state == "failed"
    assert orders.ids("orders") == [1, 2, 3, 4]


def test_the_doctor_says_when_nobody_may_write_there(orders: Shop, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    levels = {}
    for into in ("file/below", "new/folder"):
        job = archiving(orders, tmp_path, into=into)
        levels[into] = [finding.level for finding in examined(orders.engine, job) if finding.about == "archive"]

    assert levels == {"file/below": ["wrong"], "new/folder": ["ok"]}


def test_check_says_so_before_a_run_fails(orders: Shop, tmp_path: Path) -> None:
    job = archiving(orders, tmp_path, children={"items": "order_id"})
    (tmp_path / "archive").write_text("no folder")

    with pytest.raises(PolicyError, match="is no folder"):
        job_warnings(orders.engine, job)
    assert run_job(orders.engine, job, at=NOON).state == "failed"
    assert orders.ids("orders") == [1, 2, 3, 4]


def test_sec_4_a_folder_that_everybody_can_write_to_is_said(orders: Shop, tmp_path: Path) -> None:
    job = archiving(orders, tmp_path, children={"items": "order_id"})
    run_job(orders.engine, job, at=NOON)
    folder = tmp_path / "archive" / "tidy"
    folder.chmod(0o750)

    def said() -> list[str]:
        found = examined(orders.engine, job)
        return [one.text for one in found if (one.level, one.about) == ("warning", "archive")]

    assert said() == []
    for exposed in (folder, tmp_path / "archive"):
        exposed.chmod(0o777)
        assert [line for line in said() if str(exposed) in line] == said() != []
        exposed.chmod(0o750)


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
