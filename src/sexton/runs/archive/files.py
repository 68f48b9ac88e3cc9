"""Archive files: JSON Lines under gzip, with a manifest beside; written whole, read back, and never overwritten.

    NAME-20261122T031700Z-run17-0001.jsonl.gz           {"table": "orders", "key": ["1"], "row": {"id": 1, ...}}
    NAME-20261122T031700Z-run17-0001.manifest.json      count, range of keys, sha256 of the .gz, columns

A file appears under its name only when it is complete, on the disk, and was read back; its manifest appears before.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...errors import JobFailed
from ...files import create

ENDING, MANIFEST = ".jsonl.gz", ".manifest.json"
FORMAT = 2
"""1: values of PostgreSQL as the settings of role and database had them.  2: as `sexton.db.output` says."""


@dataclass(frozen=True, slots=True)
class Line:
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
        names = {"table": self.table, "key": self.key, **({"link": self.link} if self.link else {})}
        head = json.dumps(names, ensure_ascii=False)
        text = f', "text": {self.text}' if self.text else ""
        begin = f"{head[:-1]}{text}".encode("utf-8", "surrogatepass")
        return b"".join((begin, _ROW, self.row.encode("utf-8", "surrogatepass"), b"}\n"))


def digest_of(encoded: bytes) -> bytes:
    """Sixteen bytes that a line with another content would not have."""
    return hashlib.blake2b(encoded, digest_size=16).digest()


_ROW, _TEXT = b', "row": ', ', "text": '


def decoded(text: bytes) -> Line:
    """What `Line.encoded` wrote. ValueError, KeyError, TypeError for anything else."""
    begin, _, row = text.partition(_ROW)
    head = begin.decode("utf-8", "surrogatepass")
    names = json.loads(head + "}")
    _, found, beside = head.partition(_TEXT)
    plain = row[: row.rindex(b"}")].decode("utf-8", "surrogatepass")
    link = tuple(names.get("link", ()))
    return Line(names["table"], tuple(names["key"]), plain, beside if found else "", link)


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


@dataclass(frozen=True, slots=True)
class Content:
    """What was written: lines, and the sha256 of their text."""

    lines: int
    sha256: str


def write_content(path: Path, lines: Iterable[bytes], group: str | None = None) -> Content:
    """Write a new file, to the disk, of lines as they are encoded. group: its members may read it.

    FileExistsError; OSError when the disk is full; SettingsError for a group that cannot be given.
    """
    content, count = hashlib.sha256(), 0
    with create(path, group=group) as raw:
        with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
            for text in lines:
                content.update(text)
                packed.write(text)
                count += 1
        raw.flush()
        os.fsync(raw.fileno())
    return Content(count, content.hexdigest())


def read_back(path: Path) -> tuple[Content, str, int]:
    """The content of a file as it is on the disk, its own sha256, and its size. JobFailed when it is damaged."""
    whole = hashlib.sha256()
    with path.open("rb") as raw:
        while block := raw.read(1 << 20):
            whole.update(block)
        size = raw.tell()
    content, count = hashlib.sha256(), 0
    for text in _texts(path):
        content.update(text)
        count += 1
    return Content(count, content.hexdigest()), whole.hexdigest(), size


def _texts(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as lines:
            yield from lines
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise JobFailed(f"archive {path.name} is damaged: {error}") from error


def lines_of(path: Path) -> Iterator[Line]:
    """Its lines. JobFailed when it is damaged."""
    for text in _texts(path):
        try:
            yield decoded(text)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise JobFailed(f"archive {path.name} holds a line that cannot be read") from error


def publish(temporary: Path, path: Path, manifest: Manifest, group: str | None = None) -> None:
    """Give a file its name, its manifest first. FileExistsError when that name is taken: nothing is overwritten."""
    beside = manifest_of(path)
    note = temporary_of(beside)
    text = json.dumps(asdict(manifest), indent=2, ensure_ascii=False, default=str)
    with create(note, group=group) as raw:
        raw.write(f"{text}\n".encode())
        raw.flush()
        os.fsync(raw.fileno())
    os.link(note, beside)
    try:
        os.link(temporary, path)
    except FileExistsError:
        beside.unlink()
        raise
    sync_folder(path.parent)
    discard(path)


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


def read_manifest(path: Path) -> Manifest:
    """Of a file. JobFailed when it is missing or cannot be read."""
    try:
        known = json.loads(manifest_of(path).read_text(encoding="utf-8"))
        if known["format"] > FORMAT:
            raise JobFailed(
                f"archive {path.name} is of format {known['format']}, and this Sexton reads up to {FORMAT}; upgrade it"
            )
        return Manifest(**known)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise JobFailed(f"the manifest of archive {path.name} cannot be read: {error}") from error


def verify(path: Path) -> Manifest:
    """The manifest of a file that is as it was written. JobFailed, with what is wrong, else."""
    manifest = read_manifest(path)
    try:
        content, whole, _ = read_back(path)
    except OSError as error:
        raise JobFailed(f"archive {path.name} cannot be read: {error.strerror}") from error
    if (whole, content) != (manifest.sha256, Content(manifest.lines, manifest.content_sha256)):
        raise JobFailed(f"archive {path.name} is not as it was written: its checksum differs")
    return manifest


def discard(path: Path) -> None:
    """Remove what was written under temporary names on the way to this file."""
    for made in (path, manifest_of(path)):
        temporary_of(made).unlink(missing_ok=True)


def temporary_of(path: Path) -> Path:
    """Under which name a file, or its manifest, is written."""
    return path.with_name(path.name + ".tmp")
