"""Archive files for tests: opened by the record of their database, or, to look into one, as their manifest says."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from sexton.archives.file_format import ArchiveLine, Manifest, manifest_of
from sexton.archives.manifests import read_manifest
from sexton.declared import restore as product
from sexton.declared.restore import Restored
from sexton.runs.archive.believed_files import Archive, verify_by_manifest, verify_by_record
from sexton.runs.archive.records import record_of


def opened(engine: Engine, path: Path) -> Archive:
    """By the record."""
    with engine.connect() as connection:
        record = record_of(connection, path.name)
    return verify_by_record(path, record)


def restore(engine: Engine, path: Path, *, without_triggers: bool = False) -> list[Restored]:
    """Put back what the record says."""
    return product.restore(engine, opened(engine, path), without_triggers=without_triggers)


def triggers(engine: Engine, path: Path, *, without: bool = False) -> list[str]:
    """Which fire then."""
    return product.triggers(engine, opened(engine, path), without=without)


def as_it_says(path: Path) -> Archive:
    """By the manifest, of whatever table."""
    manifest = read_manifest(path)
    return verify_by_manifest(path, {manifest.policy: list(manifest.columns)})


def verify(path: Path) -> Manifest:
    """The manifest of a file that it fits."""
    return as_it_says(path).manifest


def lines_of(path: Path) -> Iterator[ArchiveLine]:
    """Its lines."""
    yield from as_it_says(path).lines()


def forge(path: Path, content: bytes, like: Path | None = None, **other: Any) -> None:
    """A file with this text, and a manifest that fits it, as somebody makes them who may write into the folder.

    like: the file whose manifest it was; None: its own.  other: what else the manifest says.
    """
    known = json.loads(manifest_of(like or path).read_text(encoding="utf-8"))
    packed = gzip.compress(content, mtime=0)
    path.unlink(missing_ok=True)
    path.write_bytes(packed)
    lines = content.count(b"\n")
    known |= {"sha256": hashlib.sha256(packed).hexdigest(), "size": len(packed), "rows": lines, "lines": lines}
    known |= {"content_sha256": hashlib.sha256(content).hexdigest(), **other}
    manifest_of(path).write_text(json.dumps(known), encoding="utf-8")
