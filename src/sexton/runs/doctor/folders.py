"""The folder that a policy archives into: can this process write there, and is there room?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .finding import Case, Finding
from .load import size_words

LITTLE = 1024**3
"""Bytes that are free below which it is said."""


def archive_folder(case: Case) -> Iterator[Finding]:
    """Nothing is written to find out."""
    if case.plan.archive is None:
        return
    folder = Path(case.plan.archive.folder).absolute()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield Finding("wrong", "archive", f"this process may not write into {there}; give it the right, or set `into`")
        return
    free = shutil.disk_usage(there).free
    level = "warning" if free < LITTLE else "ok"
    yield Finding(level, "archive", f"files go to {folder}, where {size_words(free)} are free")
