"""Where the list of databases comes from: the settings, files, a query on the home database."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ..config.fleet_settings import FleetSettings
from ..db.faults import describe
from ..db.operator_query import rows_in_own_session
from ..errors import SettingsError
from ..files import refuse_for_root

MOST_DATABASES = 100_000
"""Databases that one list may name."""

QUERY_SECONDS = 30.0
"""Seconds that the query for them may take."""

_JSON_LINES = (".jsonl", ".ndjson", ".json")


def items(settings: FleetSettings, folder: Path, home: Engine) -> Iterator[tuple[str, object]]:
    """Each item of the list with its place, not looked at yet. folder: of the settings file, for names of files.

    SettingsError when a file or the query cannot be read, DatabaseUnreachable.
    """
    match settings.source():
        case "databases":
            for number, item in enumerate(settings.databases, start=1):
                yield f"fleet.databases item {number}", item
        case "file":
            for path in _files(folder, str(settings.file)):
                yield from _in_file(path)
        case _:
            yield from _in_query(home, str(settings.query))


def _files(folder: Path, pattern: str) -> list[Path]:
    """Those that match; of a name without * and ? just that file, which has to be there."""
    if not any(sign in pattern for sign in "*?["):
        return [folder / pattern]
    anchor = Path(pattern).anchor
    return sorted(Path(anchor or folder).glob(pattern.removeprefix(anchor)))


def _in_file(path: Path) -> Iterator[tuple[str, object]]:
    try:
        os.lstat(path)  # one that is not there is nobody's
        refuse_for_root(path)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(f"fleet.file: {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"fleet.file: {path}: not UTF-8; save the file as UTF-8") from None
    yield from _json_lines(path, text) if path.suffix in _JSON_LINES else _tables(path, text)


def _json_lines(path: Path, text: str) -> Iterator[tuple[str, object]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield f"{path} line {number}", json.loads(line)
        except (ValueError, RecursionError):
            raise SettingsError(f"{path} line {number}: no JSON; write one object a line") from None


def _tables(path: Path, text: str) -> Iterator[tuple[str, object]]:
    """[[databases]], or one database alone."""
    try:
        written = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        position = str(error).rpartition("(at ")[2].rstrip(")")
        raise SettingsError(f"{path}: no TOML at {position}; write [[databases]] before each") from None
    listed = written.get("databases")
    if not isinstance(listed, list) or len(written) > 1:
        yield f"{path}", written
        return
    for number, item in enumerate(listed, start=1):
        yield f"{path} item {number}", item


def _in_query(home: Engine, query: str) -> Iterator[tuple[str, object]]:
    try:
        rows = rows_in_own_session(home, query, QUERY_SECONDS, most=MOST_DATABASES + 1)
    except DBAPIError as error:
        raise SettingsError(f"fleet.query: cannot be asked: {describe(error)}") from error
    if len(rows) > MOST_DATABASES:
        raise SettingsError(f"fleet.query: gives more than {MOST_DATABASES:,} databases")
    for number, row in enumerate(rows, start=1):
        place = f"fleet.query row {number}"
        yield place, {name: _value(place, name, value) for name, value in row._mapping.items() if value is not None}


def _value(place: str, name: str, value: Any) -> object:
    """As a settings file would have it: a query gives numbers for texts, and texts for tables."""
    if name == "labels":
        return _labels(place, value)
    if name == "port" and isinstance(value, str) and value.isdecimal() and len(value) < 6:
        return int(value)
    return value if isinstance(value, str) or name == "port" else str(value)


def _labels(place: str, value: Any) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise SettingsError(f"{place}: labels: no JSON; give an object of texts") from None
    if not isinstance(value, Mapping):
        return value
    return {str(name): one if isinstance(one, str) else json.dumps(one) for name, one in value.items()}
