"""Archive files for tests: opened by the record of their database, or, to look into one, as their manifest says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine

from sexton.declared import restore as product
from sexton.declared.restore import Restored
from sexton.runs.archive.files import Line, Manifest
from sexton.runs.archive.manifests import read_manifest
from sexton.runs.archive.records import record_of
from sexton.runs.archive.trusted import Archive, believed, recorded


def opened(engine: Engine, path: Path) -> Archive:
    """By the record."""
    with engine.connect() as connection:
        record = record_of(connection, path.name)
    return recorded(path, record)


def restore(engine: Engine, path: Path, *, without_triggers: bool = False) -> list[Restored]:
    """Put back what the record says."""
    return product.restore(engine, opened(engine, path), without_triggers=without_triggers)


def triggers(engine: Engine, path: Path, *, without: bool = False) -> list[str]:
    """Which fire then."""
    return product.triggers(engine, opened(engine, path), without=without)


def as_it_says(path: Path) -> Archive:
    """By the manifest, of whatever table."""
    manifest = read_manifest(path)
    return believed(path, {manifest.policy: list(manifest.columns)})


def verify(path: Path) -> Manifest:
    """The manifest of a file that it fits."""
    return as_it_says(path).manifest


def lines_of(path: Path) -> Iterator[Line]:
    """Its lines."""
    yield from as_it_says(path).lines()
