"""IANA time zones: which names count, and their rules, read again once their files were replaced."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, tzinfo
from functools import cache
from importlib import import_module

from ..errors import ScheduleError, suggestion

_read: dict[str, tuple[float, ...]] = {}
"""Zones whose rules this process has, by the file they came from."""


def check_zone(name: str) -> str:
    """The same name, if it is in the IANA list, case included. Raises ScheduleError with the nearest names.

    ZoneInfo itself would open "Asia" as a directory and, on some file systems, take "europe/berlin".
    """
    if name == "UTC":
        return name
    known = zone_names()
    if not isinstance(name, str) or name not in known:
        raise ScheduleError(f"time zone {name!r} is not in the IANA list{_nearest(str(name), known)}")
    return name


@cache
def zone_names() -> frozenset[str]:
    """The list of the tzdata package; zoneinfo has one too, but opens hundreds of files to make it."""
    with open(os.path.join(_package(), "zones"), encoding="ascii") as lines:
        return frozenset(lines.read().split())


def load_zone(name: str) -> tzinfo:
    """The rules of a checked zone; ZoneInfo keeps them until `renew_zones`."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # reads the build settings of Python, which no job in UTC needs to pay for

    if name not in _read:
        _read[name] = _file(name)  # before the rules: replaced in between, they are read once more
    return ZoneInfo(name)


def renew_zones() -> bool:
    """Read the rules of zones again whose file was replaced, as a package manager does under a running process.

    Whether there were any; what was computed with the old rules is to be computed anew.
    """
    renewed = {name: file for name, before in _read.items() if (file := _file(name)) != before}
    if renewed:
        from zoneinfo import ZoneInfo

        _read.update(renewed)
        ZoneInfo.clear_cache(only_keys=renewed)
    return bool(renewed)


def _file(name: str) -> tuple[float, ...]:
    """Which file the rules of a zone are read from, and its age: the first one there is, as ZoneInfo does."""
    from zoneinfo import TZPATH

    for number, folder in enumerate((*TZPATH, os.path.join(_package(), "zoneinfo"))):
        with suppress(OSError):
            file = os.stat(os.path.join(folder, name))
            return (number, file.st_mtime_ns, file.st_size, file.st_ino)
    return ()


def _package() -> str:
    return os.path.dirname(import_module("tzdata").__file__ or "")


def _nearest(name: str, known: frozenset[str]) -> str:
    for candidate in known:
        if candidate.lower() == name.strip().lower():
            return f"; did you mean {candidate}?"
    return suggestion(name, known) or "; write a name such as Europe/Berlin, or UTC"
