"""The manifest beside an archive file, read: it describes a file, and decides nothing where a record is at hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..errors import JobFailed
from .file_format import FORMAT, Manifest, manifest_of
from .reader import Seal, regular, require_packed

MAX_MANIFEST_BYTES = 16 << 20
"""Bytes of a manifest."""


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _by_table(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(kind(one) for one in value.values())


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("policy", "table", "as_of", "sha256", "content_sha256"), (lambda x: isinstance(x, str), "a text")),
    **dict.fromkeys(("run", "rows", "lines", "size"), (_number, "a whole number, not below 0")),
    **dict.fromkeys(("first_key", "last_key"), (lambda value: isinstance(value, list), "a list")),
    "columns": (_by_table(_texts), "names of tables with their columns and types"),
    "keys": (_by_table(_names), "names of tables with lists of columns"),
}


def read_manifest(path: Path, sha256: str | None = None) -> Manifest:
    """The manifest of a file.

    JobFailed, in words, when it is missing or is none (SEC-22). sha256: of the one that it has to be.
    """
    what = f"the manifest of archive {path.name}"
    with regular(manifest_of(path), what) as raw:
        whole = b""
        while len(whole) <= MAX_MANIFEST_BYTES and (block := raw.read(MAX_MANIFEST_BYTES + 1 - len(whole))):
            whole += block
    if len(whole) > MAX_MANIFEST_BYTES:
        raise JobFailed(f"{what} cannot be read: it has more than {MAX_MANIFEST_BYTES:,} bytes")
    if sha256 is not None and hashlib.sha256(whole).hexdigest() != sha256:
        raise JobFailed(f"{what} is not as it was written: its checksum differs")
    return _manifest(path, what, _parsed(what, whole))


def require_whole(path: Path, seal: Seal) -> None:
    """JobFailed unless file and manifest are those of the seal: what is deleted could be put back."""
    require_packed(path, seal)
    read_manifest(path, seal.manifest)


def _parsed(what: str, whole: bytes) -> dict[str, Any]:
    try:
        known = json.loads(whole.decode())
    except RecursionError as error:
        raise JobFailed(f"{what} cannot be read: its brackets are too deep") from error
    except UnicodeDecodeError as error:
        raise JobFailed(f"{what} cannot be read: it is no UTF-8") from error
    except ValueError as error:
        raise JobFailed(f"{what} cannot be read: it is no JSON: {error}") from error
    if not isinstance(known, dict):
        raise JobFailed(f"{what} cannot be read: it is no JSON object")
    return known


def _manifest(path: Path, what: str, known: dict[str, Any]) -> Manifest:
    """What a later version adds within a format is left out."""
    number = known.get("format")
    if not isinstance(number, int) or not _number(number) or number == 0:
        raise JobFailed(f"{what} cannot be read: `format` must be {FORMAT} or less, from 1 on")
    if number > FORMAT:
        raise JobFailed(f"archive {path.name} is of format {number}, and this Sexton reads up to {FORMAT}; upgrade it")
    for name, (fits, kind) in _KINDS.items():
        if name not in known and name != "keys":  # which the first versions did not write
            raise JobFailed(f"{what} cannot be read: it has no `{name}`")
        if name in known and not fits(known[name]):
            raise JobFailed(f"{what} cannot be read: `{name}` must be {kind}")
    return Manifest(**{one.name: known[one.name] for one in fields(Manifest) if one.name in known})
