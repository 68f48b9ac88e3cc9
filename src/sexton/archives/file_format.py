"""Archive files: JSON Lines under gzip, with a manifest beside; written whole, read back, and never overwritten (A3).

    NAME-20261122T031700Z-run17-0001.jsonl.gz           {"table": "orders", "key": ["1"], "row": {"id": 1, ...}}
    NAME-20261122T031700Z-run17-0001.manifest.json      count, range of keys, sha256 of the .gz, columns

A file appears under its name only when it is complete, on the disk, and was read back; its manifest appears before.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..errors import JobFailed
from ..files import create

ENDING, MANIFEST = ".jsonl.gz", ".manifest.json"
FORMAT = 2
"""1: values of PostgreSQL as the settings of role and database had them.  2: as `sexton.db.text_output` says."""

MAX_SHOWN_KEY_CHARACTERS = 500
"""Characters of one part of a key in a manifest."""


@dataclass(frozen=True, slots=True)
class ArchiveLine:
    """One row. table: its full name.  key: as JSON.  row: all its columns, as JSON text.

    text: a JSON object with the database's own text of values that JSON does not hold as they are, or "".
    link: the row stays, and only these columns of it, which lose what they refer to, are in `row`; (): it goes.
    """

    table: str
    key: tuple[Any, ...]
    row: str
    text: str = ""
    link: tuple[str, ...] = ()

    @property
    def part(self) -> tuple[str, ...]:
        """What it is a piece of: rows of a table, or links of one by these columns."""
        return (self.table, *self.link)

    def encoded(self) -> bytes:
        """As it stands in the file, with its end."""
        return b"".join((self.head(), _ROW, self.row.encode("utf-8", "surrogatepass"), b"}\n"))

    def head(self) -> bytes:
        """All of it but the row."""
        names = {"table": self.table, "key": self.key, **({"link": self.link} if self.link else {})}
        head = json.dumps(names, ensure_ascii=False)
        text = f', "text": {self.text}' if self.text else ""
        return f"{head[:-1]}{text}".encode("utf-8", "surrogatepass")


def digest_of(encoded: bytes) -> bytes:
    """Sixteen bytes that a line with another content would not have."""
    return hashlib.blake2b(encoded, digest_size=16).digest()


_ROW, _TEXT = b', "row": ', ', "text": '


def decoded(text: bytes) -> ArchiveLine:
    """What `ArchiveLine.encoded` wrote, and would write again. ValueError, RecursionError otherwise (SEC-3, SEC-22).

    Of `row` it is known that it ends with its line, no more: whoever reads its values parses it for itself.
    """
    begin, found, row = text.partition(_ROW)
    if not found or not row.endswith(b"}\n") or b"\0" in text:
        raise ValueError("it is no row with table, key and values")
    head = begin.decode()
    names = json.loads(head + "}")
    _require_names(names)
    _, text_found, beside = head.partition(_TEXT)
    line = ArchiveLine(
        names["table"],
        tuple(names["key"]),
        row[:-2].decode(),
        beside if text_found else "",
        tuple(names.get("link", ())),
    )
    if line.head() != begin:
        raise ValueError("it is not as Sexton writes a line")
    return line


def _require_names(names: Any) -> None:
    if not isinstance(names, dict) or not {"table", "key"} <= names.keys() <= {"table", "key", "link", "text"}:
        raise ValueError("it has other parts than table, key, link, text and row")
    link, beside = names.get("link", []), names.get("text", {})
    if not (isinstance(names["table"], str) and isinstance(names["key"], list) and isinstance(link, list)):
        raise ValueError("table is no name, or key and link are no lists")
    if not all(isinstance(one, str) for one in link) or not isinstance(beside, dict):
        raise ValueError("link is no list of names, or text no object")
    if any(isinstance(part, list) or (isinstance(part, dict) and len(part) != 1) for part in names["key"]):
        raise ValueError("a part of its key is no value")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What stands beside a file. rows: of the policy's table.  lines: with those of its children.

    first_key, last_key: in the order of archiving.  sha256: of the compressed file.  content_sha256: of its lines.
    columns: by table, the types of its columns as the database calls them.  keys: by table, what names its rows.
    """

    policy: str
    table: str
    run: int
    as_of: str
    rows: int
    lines: int
    first_key: list[Any]
    last_key: list[Any]
    sha256: str
    content_sha256: str
    size: int
    columns: dict[str, dict[str, str]]
    keys: dict[str, list[str]] = field(default_factory=dict)
    format: int = FORMAT

    def encoded(self) -> bytes:
        """As it stands beside its file. Long parts of keys are cut: they are for people, and nothing is looked up."""
        whole = asdict(self) | {"first_key": _shortened_key(self.first_key), "last_key": _shortened_key(self.last_key)}
        return f"{json.dumps(whole, indent=2, ensure_ascii=False, default=str)}\n".encode("utf-8", "replace")


def _shortened_key(key: list[Any]) -> list[Any]:
    return [
        part if len(str(part)) <= MAX_SHOWN_KEY_CHARACTERS else f"{str(part)[:MAX_SHOWN_KEY_CHARACTERS]}…"
        for part in key
    ]


@dataclass(frozen=True, slots=True)
class Written:
    """What went into a file. sha256, size: of the packed file, in bytes.  content_sha256, text: of its lines.

    longest: bytes of the longest line.
    """

    lines: int
    longest: int
    text: int
    content_sha256: str
    sha256: str
    size: int


class _HashingWriter:
    """A file that is written, and the sha256 of what went into it: nobody has to be asked for it afterwards (SEC-4)."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw, self.whole, self.size = raw, hashlib.sha256(), 0

    def write(self, block: bytes) -> int:
        """Write it, and count it in."""
        self.whole.update(block)
        self.size += len(block)
        return self.raw.write(block)

    def flush(self) -> None:
        """To the file."""
        self.raw.flush()


def write_content(path: Path, lines: Iterable[bytes], group: str | None = None) -> Written:
    """Write a new file, to the disk, of lines as they are encoded. group: its members may read it.

    FileExistsError; OSError when the disk is full; SettingsError for a group that cannot be given.
    """
    content, count, longest, size = hashlib.sha256(), 0, 0, 0
    with create(path, group=group) as raw:
        hashed = _HashingWriter(raw)
        with gzip.GzipFile(filename="", fileobj=cast(BinaryIO, hashed), mode="wb", mtime=0) as packed:
            for text in lines:
                content.update(text)
                packed.write(text)
                count, longest, size = count + 1, max(longest, len(text)), size + len(text)
        raw.flush()
        os.fsync(raw.fileno())
    return Written(count, longest, size, content.hexdigest(), hashed.whole.hexdigest(), hashed.size)


def publish(temporary: Path, path: Path, manifest: bytes, group: str | None = None) -> None:
    """Give a file its name, its manifest first. FileExistsError when that name is taken: nothing is overwritten."""
    beside = manifest_of(path)
    note = temporary_of(beside)
    with create(note, group=group) as raw:
        raw.write(manifest)
        raw.flush()
        os.fsync(raw.fileno())
    _name(note, beside)
    try:
        _name(temporary, path)
    except FileExistsError:
        beside.unlink()
        raise
    sync_folder(path.parent)
    discard(path)


def _name(temporary: Path, path: Path) -> None:
    """By a hard link, as a rename would take the place of what is there."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        raise OSError(error.errno, "its file system has no hard links, by which a file gets its name") from error


@contextmanager
def pinned(folder: Path) -> Iterator[Callable[[], None]]:
    """A look at a folder, to be taken while it is written to: JobFailed once it is another than at first (SEC-23).

    Who may write above it can move it away, or put a link in its place that leads to where others read.
    """
    handle, real = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), os.path.realpath(folder)

    def require() -> None:
        same = os.path.realpath(folder) == real and os.path.samestat(os.fstat(handle), os.stat(folder))
        if not same:
            raise JobFailed(f"archive {folder} is another folder than when the run began; no more rows were deleted")

    try:
        yield require
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Names in a folder are on the disk only once it is, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def manifest_of(path: Path) -> Path:
    """Where the manifest of a file is."""
    return path.with_name(path.name.removesuffix(ENDING) + MANIFEST)


def discard(path: Path) -> None:
    """Remove what was written under temporary names on the way to this file."""
    for made in (path, manifest_of(path)):
        temporary_of(made).unlink(missing_ok=True)


def temporary_of(path: Path) -> Path:
    """Under which name a file, or its manifest, is written."""
    return path.with_name(path.name + ".tmp")
