"""SEC-14, SEC-22: what is no archive file, or holds what no row can be, costs one line and neither time nor memory."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, insert, select, text

from sexton.errors import JobFailed
from sexton.runs.archive import take
from sexton.runs.archive.files import ENDING, manifest_of
from sexton.runs.archive.records import record_of
from sexton.runs.archive.sealed import lines_of, measured
from tests.cli.shell import Done, Shell
from tests.declared.shop import Shop
from tests.declared.test_archive import archiving, files, ran
from tests.support.archives import as_it_says, forge, opened, restore

from .forged import archive, orders_of, prepare, put_back_as_it_says

MEGABYTE = 1 << 20


@pytest.fixture
def orders(shop: Shop, tmp_path: Path) -> Shop:
    """Nine orders, and the settings."""
    prepare(shop, tmp_path)
    return shop


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
        patch.setattr(take, "require_whole", lambda *_: (_ for _ in ()).throw(OSError(5, "a bad moment")))
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
    line = f'{{{{"table": "orders", "key": [{key}], "row": {{{{"id": {{}}, "ends": 1, "note": "{"x" * 8000}"}}}}}}}}\n'
    forge(theirs, "".join(line.format(n, n) for n in range(1, 10_001)).encode(), like=path)

    done = limited(tmp_path, "restore", theirs.name, "--without-record", "--yes")

    assert (done.code, done.out) == (0, "orders: 10,000 of 10,000 rows put back\n"), done


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


ROWS = {
    "number": '{"id": 18446744073709551616}',
    "number of many digits": '{"id": ' + "9" * 5000 + "}",
    "exponent": '{"id": 1, "ends": 1e999}',
    "no number": '{"id": 1, "ends": NaN}',
    "list": "[1, 2]",
    "text": '"id"',
    "null": "null",
    "nothing": "",
    "surrogate": '{"id": 1, "note": "\\ud800"}',
    "nul": '{"id": 1, "note": "\\u0000"}',
    "brackets": '{"id": ' + "[" * 200_000 + "]" * 200_000 + "}",
    "open brackets": '{"id": ' + "[" * 200_000 + "}",
    "within": '{"id": {"hex": 5}}',
    "odd digits": '{"id": 1, "note": {"hex": "xyz"}}',
    "kind": '{"id": 1, "note": {"real": "much"}}',
    "list of values": '{"id": 1, "note": [1]}',
}


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("odd", ROWS)
def test_sec_22_what_no_row_can_be_is_refused_in_words(odd: str, orders: Shop, tmp_path: Path) -> None:
    path = archive(orders, tmp_path)
    key = "[1]" if orders.sqlite else '["1"]'
    forge(path, f'{{"table": "orders", "key": {key}, "row": {ROWS[odd]}}}\n'.encode())

    why = put_back_as_it_says(orders, path)

    # On PostgreSQL JSON is a text as well, where a column is of that kind; on SQLite NUL is a letter of a text.
    fits = odd == "nul" if orders.sqlite else odd in ("odd digits", "kind", "list of values")
    assert bool(why) != fits, why
    assert "\n" not in why
    assert len(why) < 500
    assert len(orders_of(orders)) == fits


HEADS = {
    "brackets": b"[" * 200_000 + b"\n",
    "no row": b'{"table": "orders", "key": [1]}\n',
    "no text": b"\xff\xfe\n",
    "nul": b'{"table": "orders", "key": [1], "row": {"id": 1, "note": "\0"}}\n',
    "surrogate": b'{"table": "orders", "key": ["\\ud800"], "row": {"id": 1}}\n',
    "surrogate bytes": b'{"table": "orders", "key": ["\xed\xa0\x80"], "row": {"id": 1}}\n',
    "table": b'{"table": 5, "key": [1], "row": {"id": 1}}\n',
    "key": b'{"table": "orders", "key": 1, "row": {"id": 1}}\n',
    "key in key": b'{"table": "orders", "key": [[1]], "row": {"id": 1}}\n',
    "link": b'{"table": "orders", "key": [1], "link": "note", "row": {"id": 1}}\n',
    "column": b'{"table": "orders", "key": [1], "link": ["none"], "row": {"id": 1}}\n',
    "more": b'{"table": "orders", "key": [1], "more": 1, "row": {"id": 1}}\n',
    "twice": b'{"table": "items", "table": "orders", "key": [1], "row": {"id": 1}}\n',
    "open": b'{"table": "orders", "key": [1], "row": {"id": 1}}',
    "empty": b"\n",
}


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("odd", HEADS)
def test_sec_22_a_line_that_sexton_does_not_write_is_refused(odd: str, orders: Shop, tmp_path: Path) -> None:
    path = archive(orders, tmp_path)
    forge(path, HEADS[odd])

    assert put_back_as_it_says(orders, path)
    assert orders_of(orders) == []


MANIFESTS = {
    "brackets": "[" * 200_000,
    "list": "[]",
    "null": "null",
    "empty": "",
    "number": "9" * 5000,
    "nothing in it": "{}",
    "format": '{"format": "2"}',
    "no format": '{"format": true}',
    "later": '{"format": 99}',
    "no more": '{"format": 2}',
}


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("odd", MANIFESTS)
def test_sec_22_an_odd_manifest_is_refused_in_words(odd: str, orders: Shop, tmp_path: Path) -> None:
    path = archive(orders, tmp_path)
    manifest_of(path).write_text(MANIFESTS[odd])

    with pytest.raises(JobFailed) as refused:
        as_it_says(path)
    with pytest.raises(JobFailed, match="is not as it was written: its checksum differs"):
        opened(orders.engine, path)

    assert "Manifest" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "value", [None, -1, True, 1.5, "x", [], {}, [[1]], {"a": 1}, {"orders": 1}, {"orders": {"a": 1}}]
)
def test_sec_22_each_part_of_a_manifest_has_its_kind(value: object, orders: Shop, tmp_path: Path) -> None:
    """Each of them, one after the other: a sentence that names it, or it is taken."""
    path = archive(orders, tmp_path)
    known = json.loads(manifest_of(path).read_text())
    for name in known:
        manifest_of(path).write_text(json.dumps(known | {name: value}))
        with suppress(JobFailed):  # nothing else is raised
            as_it_says(path)
    for name in known.keys() - {"keys"}:
        manifest_of(path).write_text(json.dumps({one: known[one] for one in known if one != name}))
        with pytest.raises(JobFailed, match=f"it has no `{name}`|`{name}` must be"):
            as_it_says(path)


PIECES = (b'"', b"{", b"}}", b"\\u", b"[", b"9" * 30, b"null", b"-", b"\n", b"\xff")


def fuzzed(whole: bytes, chance: Random) -> bytes:
    """The same with a few bytes changed, left out, doubled or moved."""
    made = bytearray(whole)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(made))
        end = min(len(made), start + chance.choice((1, 1, 2, 9, 60)))
        match chance.randrange(4):
            case 0:
                made[start:end] = chance.randbytes(end - start)
            case 1:
                del made[start:end]
            case 2:
                made[start:start] = made[start:end]
            case _:
                made[start:end] = chance.choice(
                    (b'"', b"{", b"}}", b"\\u", b"[", b"9" * 30, b"null", b"-", b"\n", b"\xff")
                )
        if not made:
            return b"\n"
    return bytes(made)


@pytest.mark.databases("sqlite", "postgres15")
def test_sec_22_whatever_is_changed_is_refused_by_the_record_and_never_ends_in_a_traceback(
    orders: Shop, tmp_path: Path, chance: Random
) -> None:
    path = archive(orders, tmp_path)
    whole, manifest = path.read_bytes(), manifest_of(path).read_bytes()
    content = gzip.decompress(whole)
    for number in range(150):
        path.write_bytes(whole)
        manifest_of(path).write_bytes(manifest)
        match number % 3:
            case 0:
                forge(path, fuzzed(content, chance))
            case 1:
                path.write_bytes(fuzzed(whole, chance))
            case _:
                manifest_of(path).write_bytes(fuzzed(manifest, chance))
        if (path.read_bytes(), manifest_of(path).read_bytes()) != (whole, manifest):
            with pytest.raises(JobFailed):
                opened(orders.engine, path)
        put_back_as_it_says(orders, path)
        orders.do("DELETE FROM items", "DELETE FROM orders")
    path.write_bytes(whole)
    manifest_of(path).write_bytes(manifest)
    assert (
        hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest()
        == opened(orders.engine, path).manifest.content_sha256
    )
    assert put_back_as_it_says(orders, path) == ""
    with orders.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar_one() == 9


LETTERS = "aZ09 _-.,:;'\"`$%{}()[]\\/é中\u202e😀\u200d\ufeff\u2028"


@pytest.mark.databases("sqlite", "postgres15")
def test_sec_22_names_and_values_of_any_text_come_back(shop: Shop, tmp_path: Path, chance: Random) -> None:
    values = LETTERS + "\t\n\r\x01\x1b\x7f\x85\u2028\ud7ff\ue000\U0010ffff"

    def some(least: int, most: int, letters: str = values) -> str:
        return "".join(chance.choice(letters) for _ in range(chance.randint(least, most)))

    columns = ["row", "text", "table", *(f"{number}{some(3, 9, LETTERS)}" for number in range(3))]
    orders = Table(
        "orders",
        MetaData(),
        Column("id", Text, primary_key=True),
        Column("ends", BigInteger),
        *(Column(name, Text, key=f"c{number}") for number, name in enumerate(columns)),
    )
    odd = [None, "", '", "row": {}}, {"text": ', "null", "{}", "\\ud800", "\\u0000"]
    rows = [
        {"id": f"{number}{some(0, 12)}", "ends": 1}
        | {f"c{place}": chance.choice([*odd, some(0, 30), some(0, 30)]) for place in range(len(columns))}
        for number in range(60)
    ]
    with shop.engine.begin() as connection:
        orders.create(connection)
        connection.execute(insert(orders), rows)

    def stand() -> list[tuple[object, ...]]:
        with shop.engine.connect() as connection:
            return sorted(map(tuple, connection.execute(select(orders))), key=str)

    before = stand()
    outcome = ran(shop, archiving(shop, tmp_path))
    assert (outcome.state, outcome.total.changed) == ("succeeded", 60), outcome
    (restored,) = restore(shop.engine, files(tmp_path)[0])

    assert (restored.new, restored.refused, restored.changed) == (60, {}, {})
    assert stand() == before
