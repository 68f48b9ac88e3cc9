"""The folder that a policy archives into: can this process write there, and is there room?"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from ...errors import SettingsError
from ...files import group_number
from ...policies.contract import ArchiveTo
from .finding import Case, Finding
from .load import size_words

LITTLE = 1024**3
"""Bytes that are free below which it is said."""


def barred(to: ArchiveTo) -> str | None:
    """Why files cannot be written there; None: they can. Nothing is written to find out."""
    there = _nearest(Path(to.folder).absolute())
    if not there.is_dir():
        return f"{there} is no folder; set `into`"
    if not os.access(there, os.W_OK | os.X_OK):
        return f"this process may not write into {there}; give it the right, or set `into`"
    if to.group is not None:
        try:
            group_number(to.group)
        except SettingsError as error:
            return str(error)
    return None


def open_to_all(to: ArchiveTo, step: str) -> str | None:
    """Which folder of the files anybody on this host can write to, or replace; None: none of them (SEC-4)."""
    files = Path(os.path.realpath(Path(to.folder) / step))
    for folder in (files, files.parent, files.parent.parent):
        mode = folder.stat().st_mode if folder.is_dir() else 0
        if mode & stat.S_IWOTH and not (mode & stat.S_ISVTX and folder != files):
            return f"anybody on this host can write into {folder}, where its archives lie; chmod o-w"
    return None


def archive_folder(case: Case) -> Iterator[Finding]:
    """Whether it can be written to, and how much is free."""
    if case.plan.archive is None:
        return
    if why := barred(case.plan.archive):
        yield Finding("wrong", "archive", why)
        return
    if why := open_to_all(case.plan.archive, case.plan.step):
        yield Finding("warning", "archive", why)
    folder = Path(case.plan.archive.folder).absolute()
    free = shutil.disk_usage(_nearest(folder)).free
    level = "warning" if free < LITTLE else "ok"
    yield Finding(level, "archive", f"files go to {folder}, where {size_words(free)} are free")


def _nearest(folder: Path) -> Path:
    """The folder, or the one above it that is there."""
    return next(one for one in (folder, *folder.parents) if one.exists())
