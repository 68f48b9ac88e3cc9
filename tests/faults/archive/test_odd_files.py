"""SEC-14: what is no archive file, or unpacks without end, costs one line and neither time nor memory."""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sexton.archives.file_format import ENDING, manifest_of
from sexton.archives.reader import lines_of, measured
from sexton.errors import JobFailed
from sexton.runs.archive import archiver
from sexton.runs.archive.records import record_of
from tests.cli.shell import Done, Shell
from tests.declared.shop import Shop
from tests.declared.test_archive import archiving, files, ran
from tests.support.archives import forge

from .forged import archive, orders_of, put_back_as_it_says

MEGABYTE = 1 << 20


def a_socket(path: Path) -> None:
    """A name that leads to a process."""
    short = Path(f"/tmp/sexton-{os.getpid()}.socket")  # such names have 107 bytes at most
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(short))
    short.rename(path)


ODD: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "socket": a_socket,
    "link": lambda path: path.symlink_to("/etc/hostname"),
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "nowhere": lambda path: path.symlink_to("/nowhere"),
}


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("manifest", [False, True])
def test_sec_14_what_is_no_regular_file_is_said(odd: str, manifest: bool, orders: Shop, tmp_path: Path) -> None:
    path = archive(orders, tmp_path)
    place = manifest_of(path) if manifest else path
    place.unlink()
    ODD[odd](place)
    stray = path.with_name(f"stray{ENDING}")
    os.mkfifo(stray)

    done = Shell(tmp_path).sexton("archive", "verify")

    assert (done.code, done.err) == (1, "")
    assert done.out.count("\n") == done.out.count("wrong") == 2
    assert any(words in done.out for words in ("is no regular file", "is a symbolic link", "cannot be read: No such"))
    assert Shell(tmp_path).sexton("archive", "restore", path.name, "--yes").code == 1
    assert put_back_as_it_says(orders, path)
    assert orders_of(orders) == []


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("odd", ["pipe", "link", "endless"])
def test_sec_14_a_run_is_neither_kept_waiting_nor_led_away(
    odd: str, orders: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, before = archiving(orders, tmp_path, children={"items": "order_id"}), orders_of(orders)
    with monkeypatch.context() as patch:
        patch.setattr(archiver, "require_whole", lambda *_: (_ for _ in ()).throw(OSError(5, "a bad moment")))
        assert ran(orders, job).state == "failed"
    (path,) = files(tmp_path)
    path.unlink()
    ODD[odd](path)

    outcome = ran(orders, job)

    assert (outcome.state, orders_of(orders)) == ("failed", before)
    assert "is no regular file" in str(outcome.error) or "is a symbolic link" in str(outcome.error)


def limited(folder: Path, *words: str) -> Done:
    """`sexton archive` with 160 MB of memory beyond what Python and its libraries take to begin with."""
    return Shell(folder).python("-m", "tests.support.archive_shop", "limited", str(160 * MEGABYTE), *words)


@pytest.mark.databases("sqlite", "postgres15")
def test_sec_14_a_bomb_is_found_out_in_little_memory(
    orders: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{os.environ.get('PYTHONPATH', '')}:{Path(__file__).parents[3]}")
    path = archive(orders, tmp_path)
    real = path.read_bytes()
    bomb = b'{"table": "orders", "key": [1], "row": {"id": 1, "note": "' + b"x" * (300 * MEGABYTE) + b'"}}\n'
    forge(path, bomb)
    theirs = path.with_name(f"theirs{ENDING}")
    theirs.write_bytes(path.read_bytes())
    manifest_of(theirs).write_bytes(manifest_of(path).read_bytes())

    done = limited(tmp_path, "verify", path.name)
    assert (done.code, "is not as it was written: it has" in done.out) == (1, True), done
    for words in (["verify", theirs.name], ["restore", theirs.name, "--yes"]):
        done = limited(tmp_path, *words, "--without-record")
        assert (done.code, "has a line of more than 268,435,456 bytes" in done.out + done.err) == (1, True), done

    path.write_bytes(real[:-8] + bytes(8))  # of the right size
    done = limited(tmp_path, "verify", path.name)
    assert (done.code, "is not as it was written: its checksum differs" in done.out) == (1, True), done


@pytest.mark.databases("sqlite", "postgres15")
def test_sec_14_many_rows_come_back_in_little_memory(
    orders: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eighty megabytes of them, from a file of another database."""
    monkeypatch.setenv("PYTHONPATH", f"{os.environ.get('PYTHONPATH', '')}:{Path(__file__).parents[3]}")
    path = archive(orders, tmp_path)
    theirs = path.with_name(f"theirs{ENDING}")
    key = "{}" if orders.sqlite else '"{}"'
    line = (
        f'{{{{"table": "orders", "key": [{key}], "row": {{{{"id": {{}}, "ends": 1, "note": "{"x" * 40_000}"}}}}}}}}\n'
    )
    forge(theirs, "".join(line.format(n, n) for n in range(1, 2_001)).encode(), like=path)

    done = limited(tmp_path, "restore", theirs.name, "--without-record", "--yes")

    assert (done.code, done.out) == (0, "orders: 2,000 of 2,000 rows put back\n"), done


@pytest.mark.databases("sqlite")
def test_sec_14_the_longest_line_is_on_record_and_is_the_limit(orders: Shop, tmp_path: Path) -> None:
    path = archive(orders, tmp_path)
    with orders.engine.connect() as connection:
        record = record_of(connection, path.name)
    assert record is not None
    assert record.seal is not None
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    assert (record.seal.longest, record.seal.text) == (max(map(len, lines)), sum(map(len, lines)))
    assert len(list(lines_of(path, record.seal))) == 18

    for seal, words in (
        (replace(record.seal, longest=record.seal.longest - 1), "has a line of more than"),
        (replace(record.seal, text=record.seal.text - 1), "unpacks to more than"),
    ):
        with pytest.raises(JobFailed, match=words):
            list(lines_of(path, seal))
        with pytest.raises(JobFailed, match=words):
            measured(path, seal)
