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


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `sexton demo --keep` leaves, made once."""
    folder = tmp_path_factory.mktemp("demo")
    done = Shell(folder).sexton("demo", "--keep", "kept")
    assert done.code == 0, done.err
    (folder / "told.txt").write_text(done.out)
    return folder


@pytest.fixture
def demo(made: Path, tmp_path: Path, inside: Inside) -> Inside:
    """A copy of it to work in."""
    for file in (made / "kept").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return inside
