"""SEC-22: what no row can be, and what no manifest is, costs one line; whatever can be a row comes back as it was."""

from __future__ import annotations

import gzip
import hashlib
import json
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, insert, select, text

from sexton.archives.file_format import manifest_of
from sexton.errors import JobFailed
from tests.declared.shop import Shop
from tests.declared.test_archive import archiving, files, ran
from tests.support.archives import as_it_says, forge, opened, restore

from .forged import archive, orders_of, put_back_as_it_says

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
