"""SEC-3, SEC-4: who may write into the folder makes no row come, and no row go."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sexton.archives.file_format import ENDING, manifest_of
from sexton.archives.manifests import require_whole
from sexton.cli.main import main
from sexton.db.tables import own_tables
from sexton.runs.archive import archiver
from sexton.runs.archive.records import forget
from sexton.testing import run_job
from tests.cli.shell import Done, Shell
from tests.declared.shop import Shop
from tests.declared.test_archive import NOON, archiving, files, ran, records
from tests.support.archives import forge

from .forged import SETTINGS, archive, orders_of, put_back_as_it_says

ADMIN = b'{"table": "accounts", "key": ["1"], "row": {"id": 1, "role": "admin"}}\n'
ACCOUNTS: dict[str, Any] = {"table": "accounts", "columns": {"accounts": {"id": "INTEGER", "role": "TEXT"}}}

pytestmark = pytest.mark.databases("sqlite", "postgres15")


def sexton(folder: Path, *words: str) -> Done:
    """`sexton archive`, in a process of its own."""
    return Shell(folder).sexton("archive", *words)


def test_sec_3_a_file_that_was_replaced_is_neither_whole_nor_put_back(orders: Shop, tmp_path: Path) -> None:
    path = archive(orders, tmp_path)
    forge(path, ADMIN, **ACCOUNTS)

    for words in (["verify"], ["restore", str(path), "--yes"], ["restore", str(path), "--yes", "--without-record"]):
        done = sexton(tmp_path, *words)
        assert (done.code, "is not as it was written: it has" in done.out + done.err) == (1, True)
    assert orders_of(orders) == []


def test_sec_3_a_manifest_that_was_replaced_is_found_out(orders: Shop, tmp_path: Path) -> None:
    """It says which columns of a row are put back."""
    path = archive(orders, tmp_path)
    known = json.loads(manifest_of(path).read_text())
    del known["columns"]["orders"]["note"]
    manifest_of(path).write_text(json.dumps(known))

    done = sexton(tmp_path, "restore", path.name, "--yes")
    assert done.code == 1
    assert done.line == f"sexton: the manifest of archive {path.name} is not as it was written: its checksum differs"
    assert orders_of(orders) == []


def test_sec_3_a_record_of_the_version_before_knows_less_and_decides_all_the_same(orders: Shop, tmp_path: Path) -> None:
    path = archive(orders, tmp_path)
    archives = own_tables(orders.engine.dialect.name).archives
    with orders.engine.begin() as connection:
        connection.execute(archives.update().values(longest=None, text_size=None, manifest=None))
    known = manifest_of(path).read_text()
    for name, value in (("rows", 8), ("policy", "policies.other"), ("run", 999), ("lines", 3)):
        manifest_of(path).write_text(json.dumps(json.loads(known) | {name: value}))
        assert "it differs from the record" in sexton(tmp_path, "restore", path.name, "--yes").line
    manifest_of(path).write_text(known)

    assert sexton(tmp_path, "verify").code == 0
    assert sexton(tmp_path, "restore", path.name, "--yes").code == 0
    assert len(orders_of(orders)) == 18


def test_sec_3_a_file_of_another_database_wants_a_word_and_a_policy_of_its_tables(orders: Shop, tmp_path: Path) -> None:
    path = archive(orders, tmp_path)
    theirs = tmp_path / f"theirs{ENDING}"
    theirs.write_bytes(path.read_bytes())
    manifest_of(theirs).write_bytes(manifest_of(path).read_bytes())
    bad = tmp_path / f"bad{ENDING}"
    forge(bad, ADMIN, like=path, **ACCOUNTS)
    hidden = tmp_path / f"hidden{ENDING}"  # its manifest does not say what its lines do
    forge(hidden, ADMIN, like=path)
    other = tmp_path / f"other{ENDING}"
    forge(other, b"", like=path, policy="policies.none")

    def refused(*words: str) -> str:
        done = sexton(tmp_path, *words)
        assert done.code in (1, 2)
        return done.out + done.err

    assert "theirs.jsonl.gz is not on record in this database" in refused("verify", str(theirs))
    assert "(of another database: --without-record)" in refused("restore", str(theirs), "--yes")
    assert "has rows of accounts, which policies.tidy does not" in refused("verify", str(bad), "--without-record")
    assert "has rows of accounts" in refused("restore", str(bad), "--without-record", "--yes")
    assert "a table that its manifest does not name" in refused("restore", str(hidden), "--without-record", "--yes")
    assert "is of policies.none, which the settings do not" in refused("verify", str(other), "--without-record")
    shown = refused("restore", str(theirs), "--without-record")
    assert "theirs.jsonl.gz: 9 rows of orders in 18 lines, by run" in shown
    assert "this database has no record of it, and its manifest may say anything" in shown
    assert "\n  orders: id, ends, note\n  items: id, order_id\n" in shown
    assert "nobody can answer here; say --yes to put its rows back" in shown
    assert orders_of(orders) == []

    said = sexton(tmp_path, "verify", str(theirs), "--without-record").out
    assert "9 rows, as its manifest says, and on record nowhere here" in said
    assert sexton(tmp_path, "restore", str(theirs), "--without-record", "--yes").code == 0
    assert len(orders_of(orders)) == 18


@pytest.mark.databases("sqlite")
def test_sec_3_a_database_without_tables_of_sexton_has_no_record(orders: Shop, tmp_path: Path) -> None:
    path = archive(orders, tmp_path)
    with sqlite3.connect(tmp_path / "bare.db") as bare:
        bare.execute("CREATE TABLE orders (id int PRIMARY KEY, ends bigint, note text)")
        bare.execute("CREATE TABLE items (id int PRIMARY KEY, order_id int)")
    (tmp_path / "sexton.toml").write_text(SETTINGS.format(f"sqlite:///{tmp_path}/bare.db"))

    assert "run: sexton migrate" in sexton(tmp_path, "restore", path.name, "--yes").line
    done = sexton(tmp_path, "restore", path.name, "--yes", "--without-record")
    assert (done.code, done.out) == (0, "orders: 9 of 9 rows put back\nitems: 9 of 9 rows put back\n")


@pytest.mark.parametrize(
    "row",
    [
        '{"id": 2}}, {"row": {"id": 3}',
        '{"id": 2}}, {"number": 1, "row": {"id": 3}, "text": {}',
        '{"id": 2}}], "x": [{"row": {"id": 3}',
        '{"id": 2}, "row": {"id": 3}',
    ],
)
def test_sec_3_a_line_is_one_row_or_none(row: str, orders: Shop, tmp_path: Path) -> None:
    path = archive(orders, tmp_path)
    key = [1] if orders.sqlite else ["1"]
    forge(path, f'{{"table": "orders", "key": {json.dumps(key)}, "row": {row}}}\n'.encode())

    assert put_back_as_it_says(orders, path)
    assert orders_of(orders) == []


@pytest.mark.databases("sqlite")
def test_sec_3_a_person_is_asked(orders: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(orders, tmp_path)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = iter(["", "n", "y"])
    monkeypatch.setattr("builtins.input", lambda _question: next(answers))

    assert [main(["archive", "restore", path.name]) for _ in range(3)] == [1, 1, 0]
    assert len(orders_of(orders)) == 18


def replaced(name: str, folder: Path, *, kill: bool = False) -> Callable[..., Any]:
    """A step of the run, and just after it somebody who is faster: the pair, or its beginnings, is another one."""
    step = getattr(archiver, name)

    def then(*arguments: Any, **options: Any) -> Any:
        done = step(*arguments, **options)
        for path in [*(folder / "archive" / "tidy").glob(f"*{ENDING}*")]:
            real = path.with_name(path.name.removesuffix(".tmp"))
            whole = path.read_bytes()
            path.unlink()
            path.write_bytes(b"" if not whole else b"\x1f\x8b\x08" + b"\0" * 17)
            if manifest_of(real).exists():
                manifest_of(real).chmod(0o600)
                forge(path, b"") if path == real else None
        if kill:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    return then


STEPS = ["write_content", "measured", "seal_in", "publish"]


@pytest.mark.parametrize("step", STEPS)
def test_sec_4_what_lies_in_the_folder_makes_no_row_vanish(
    step: str, orders: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, before = archiving(orders, tmp_path, children={"items": "order_id"}), orders_of(orders)
    with monkeypatch.context() as patch:
        patch.setattr(archiver, step, replaced(step, tmp_path))
        outcome = ran(orders, job)

    assert (outcome.state, outcome.total.changed) == ("failed", 0), outcome
    assert orders_of(orders) == before
    again = ran(orders, job)  # it is not believed later, either
    assert (again.state, orders_of(orders)) in [("failed", before), ("succeeded", [])]
    for path in files(tmp_path) if again.state == "failed" else ():
        assert path.name in str(again.error)
        with orders.engine.begin() as connection:
            forget(connection, path.name)
    assert (ran(orders, job).state, orders_of(orders)) == ("succeeded", [])
    assert (9, 9, True) in records(orders.engine)


@pytest.mark.parametrize("step", STEPS)
def test_sec_4_after_a_kill_the_record_decides(step: str, orders: Shop, tmp_path: Path) -> None:
    job, before = archiving(orders, tmp_path, children={"items": "order_id"}), orders_of(orders)
    orders.engine.dispose()
    child = os.fork()
    if child == 0:
        try:
            setattr(archiver, step, replaced(step, tmp_path, kill=True))
            run_job(orders.engine, job, at=NOON)
        finally:
            os._exit(4)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    leases = own_tables(orders.engine.dialect.name).leases
    with orders.engine.begin() as connection:
        connection.execute(leases.update().values(holder=None))

    outcome = ran(orders, job)

    if step == "publish":
        assert (outcome.state, orders_of(orders)) == ("failed", before)
        assert "is not as it was written" in str(outcome.error)
    else:  # it never had its name, and is written anew
        assert (outcome.state, orders_of(orders)) == ("succeeded", [])
        assert sexton(tmp_path, "verify").code == 0


def interrupted(orders: Shop, folder: Path, monkeypatch: pytest.MonkeyPatch, **record: object) -> Path:
    """A file that is published, and no row is gone by it yet; then its record is changed."""
    with monkeypatch.context() as patch:
        patch.setattr(archiver, "require_whole", lambda *_: (_ for _ in ()).throw(OSError(5, "a bad moment")))
        assert ran(orders, archiving(orders, folder, children={"items": "order_id"})).state == "failed"
    archives = own_tables(orders.engine.dialect.name).archives
    with orders.engine.begin() as connection:
        connection.execute(archives.update().values(deleted=0, **record))
    (path,) = files(folder)
    return path


def test_sec_4_a_file_of_the_version_before_is_taken_up_by_the_checksum_on_record(
    orders: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(orders, tmp_path, monkeypatch, longest=None, text_size=None, manifest=None)

    outcome = ran(orders, archiving(orders, tmp_path, children={"items": "order_id"}))

    assert (outcome.state, outcome.total.changed, len(files(tmp_path))) == ("succeeded", 9, 1)
    assert sexton(tmp_path, "verify").code == 0


def test_sec_4_without_a_checksum_on_record_no_row_goes_by_a_file(
    orders: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version before put it on record with the first row that went; until then the file may be anybody's."""
    path = interrupted(orders, tmp_path, monkeypatch, rows=None, sha256=None, size=None, manifest=None)

    outcome = ran(orders, archiving(orders, tmp_path, children={"items": "order_id"}))

    assert (outcome.state, outcome.total.changed, len(files(tmp_path))) == ("succeeded", 9, 2)
    assert f"archive {path.name} was never finished, and is forgotten" in str(outcome.note)
    done = sexton(tmp_path, "verify")
    assert (done.code, done.out.count("is not on record in this database"), done.out.count("ok ")) == (1, 1, 1)


def test_sec_4_what_is_taken_up_is_read_from_the_file_on_record(
    orders: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replaced between the look at its digest and the reading of its lines."""
    from sexton.runs.archive import records as module

    job = archiving(orders, tmp_path, children={"items": "order_id"})
    path, before = interrupted(orders, tmp_path, monkeypatch), orders_of(orders)
    whole = path.read_bytes()

    def then(path: Path, seal: Any) -> None:
        require_whole(path, seal)
        path.write_bytes(whole[:-9] + b"\0" * 9)

    with monkeypatch.context() as patch:
        patch.setattr(module, "require_whole", then)
        assert (ran(orders, job).state, orders_of(orders)) == ("failed", before)
    path.write_bytes(whole)
    assert (ran(orders, job).state, orders_of(orders)) == ("succeeded", [])
