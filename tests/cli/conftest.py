"""The command line in a user's folder: in a process of its own, or inside this one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .shell import Inside, Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """An empty folder; each command is a process."""
    return Shell(tmp_path)


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Inside]:
    """An empty folder; commands run in this process."""
    inside = Inside(tmp_path, monkeypatch, capfd)
    yield inside
    inside.close()
