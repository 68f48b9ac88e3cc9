"""The folder that a policy archives into: can this process write there, and is there room?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..errors import SettingsError
from ..files import group_number, others_may_write, trusted_owners
from ..policies.contract import ArchiveTo
from .finding import Case, Finding
from .workload import size_words

LOW_DISK_BYTES = 1024**3
"""Bytes that are free below which it is said."""


def why_unwritable(to: ArchiveTo) -> str | None:
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


def archive_folder(case: Case) -> Iterator[Finding]:
    """Whether it can be written to, and how much is free."""
    if case.plan.archive is None:
        return
    if why := why_unwritable(case.plan.archive):
        yield Finding("wrong", "archive", why)
        return
    if exposed := others_may_write(Path(case.plan.archive.folder) / case.plan.step, trusted_owners()):
        yield Finding("warning", "archive", str(exposed))
    folder = Path(case.plan.archive.folder).absolute()
    free = shutil.disk_usage(_nearest(folder)).free
    level = "warning" if free < LOW_DISK_BYTES else "ok"
    yield Finding(level, "archive", f"files go to {folder}, where {size_words(free)} are free")


def _nearest(folder: Path) -> Path:
    """The folder, or the one above it that is there."""
    return next(one for one in (folder, *folder.parents) if one.exists())
