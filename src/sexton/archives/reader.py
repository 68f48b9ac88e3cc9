"""Archive files as they are read: what one has to be is known before, and nothing in its folder can say otherwise.

Who may write into the folder may put anything there: other rows with a manifest that fits, a bomb, a pipe, a link. So
a `Seal` comes from the memory of the run that wrote the file, or from the database's record; see `verification` (SEC-3,
SEC-4, SEC-14). The packed file is measured before a byte of it is unpacked, and no line is longer than it may be.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..errors import JobFailed
from .file_format import ArchiveLine, Written, decoded

BLOCK = 1 << 16
"""Bytes that are read, or unpacked, at once."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What a file has to be. sha256, size: of the packed file, in bytes.  rows: of the policy's table; None: given up.

    longest, text: bytes of its longest line and of all of them, at most.  manifest: sha256 of its manifest, None: not
    known.
    """

    sha256: str
    size: int
    rows: int | None
    longest: int
    text: int
    manifest: str | None = None


@contextmanager
def regular(path: Path, what: str) -> Iterator[BinaryIO]:
    """A file, open to be read; JobFailed for anything else, which neither keeps us waiting nor leads away (SEC-14).

    what: how messages call it.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        link = error.errno == errno.ELOOP and path.is_symlink()
        raise JobFailed(
            f"{what} is a symbolic link; name the file itself" if link else f"{what} cannot be read: {error.strerror}"
        ) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise JobFailed(f"{what} is no regular file")
    with open(handle, "rb", buffering=0) as raw:
        try:
            yield cast(BinaryIO, raw)
        except OSError as error:
            raise JobFailed(f"{what} cannot be read: {error.strerror or error}") from error


class _HashingReader:
    """A file that is read, and the sha256 of what was read of it."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw, self.whole = raw, hashlib.sha256()

    def read(self, size: int = BLOCK) -> bytes:
        """At most so many bytes."""
        block = self.raw.read(size if size > 0 else BLOCK)
        self.whole.update(block)
        return block


def require_packed(path: Path, seal: Seal) -> None:
    """JobFailed unless the packed file is the one that the seal is of. Nothing is unpacked."""
    with regular(path, f"archive {path.name}") as raw:
        hashed = _packed(path, raw, seal)
        left = seal.size + 1  # more is another file, however long it grows
        while left > 0 and (block := hashed.read(min(BLOCK, left))):
            left -= len(block)
        _require_digest(path, hashed, seal)


def _packed(path: Path, raw: BinaryIO, seal: Seal) -> _HashingReader:
    size = os.fstat(raw.fileno()).st_size
    if size != seal.size:
        raise JobFailed(f"archive {path.name} is not as it was written: it has {size:,} bytes, not {seal.size:,}")
    return _HashingReader(raw)


def _require_digest(path: Path, hashed: _HashingReader, seal: Seal) -> None:
    if hashed.whole.hexdigest() != seal.sha256:
        raise JobFailed(f"archive {path.name} is not as it was written: its checksum differs")


@contextmanager
def _unpacked(path: Path, seal: Seal) -> Iterator[gzip.GzipFile]:
    """Its text. Who reads it to the end is told then if it was another file all the same."""
    with regular(path, f"archive {path.name}") as raw:
        hashed = _packed(path, raw, seal)
        try:
            with gzip.GzipFile(filename="", fileobj=cast(BinaryIO, hashed), mode="rb") as unpacked:
                yield unpacked
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise JobFailed(f"archive {path.name} is damaged: {error}") from error
        _require_digest(path, hashed, seal)


def measured(path: Path, seal: Seal) -> Written:
    """What is in a file, in memory that does not grow with it. JobFailed: it is another, damaged, beyond limits."""
    require_packed(path, seal)
    content, lines, longest, current, size = hashlib.sha256(), 0, 0, 0, 0
    with _unpacked(path, seal) as unpacked:
        while block := unpacked.read(BLOCK):
            content.update(block)
            size += len(block)
            *ended, rest = block.split(b"\n")
            for piece in ended:
                longest, current = max(longest, current + len(piece) + 1), 0
            current += len(rest)
            lines += len(ended)
            _require_limits(path, seal, max(longest, current), size)
    if current:
        raise JobFailed(f"archive {path.name} ends within a line")
    return Written(lines, longest, size, content.hexdigest(), seal.sha256, seal.size)


def _require_limits(path: Path, seal: Seal, longest: int, text: int) -> None:
    """SEC-14: a few hundred kilobytes unpack to as many megabytes."""
    if longest > seal.longest:
        raise JobFailed(
            f"archive {path.name} has a line of more than {seal.longest:,} bytes, the most that it may have"
        )
    if text > seal.text:
        raise JobFailed(f"archive {path.name} unpacks to more than {seal.text:,} bytes, the most that it may have")


def lines_of(path: Path, seal: Seal) -> Iterator[ArchiveLine]:
    """Its lines, one in memory at a time. JobFailed: as `measured`, or one cannot be read."""
    require_packed(path, seal)
    size = 0
    with _unpacked(path, seal) as unpacked:
        number = 0
        while text := unpacked.readline(seal.longest + 1):
            number += 1
            size += len(text)
            _require_limits(path, seal, len(text), size)
            yield _readable(f"archive {path.name}, line {number:,}, cannot be read", text, decoded)


def _readable(what: str, text: bytes, read: Callable[[bytes], Any]) -> Any:
    """SEC-22: whatever somebody wrote there, it is one line that says so."""
    try:
        return read(text)
    except RecursionError as error:
        raise JobFailed(f"{what}: its brackets are too deep") from error
    except UnicodeError as error:
        raise JobFailed(f"{what}: it is no UTF-8") from error
    except ValueError as error:
        raise JobFailed(f"{what}: {error}") from error
