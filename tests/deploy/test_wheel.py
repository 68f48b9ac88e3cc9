"""What ships to users: the package, its migrations and its licence; nothing that only makes or tests it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .files import ROOT

KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SEXTON_TRUST_OWNER")
"""What the built package is started with, beside its own path."""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel holds."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "whole")
    return folder / "whole"


def held(folder: Path) -> set[str]:
    """Names of the files below a folder, without what Python makes of them."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_package_and_its_licence_only(unpacked: Path) -> None:
    shipped = held(unpacked)
    about = {name.partition("/")[2] for name in shipped if name.startswith("sexton-")}

    assert about == {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    assert {name for name in shipped if not name.startswith("sexton-")} == held(ROOT / "src")
    # .txt, .html: templates of mails; .ttf: of invoices; .sql: functions that migrations make
    kinds = {".py", ".mako", ".typed", ".txt", ".html", ".ttf", ".sql"}
    assert {Path(name).suffix for name in held(ROOT / "src")} == kinds


def test_what_makes_the_manual_stays_at_home(unpacked: Path) -> None:
    """A page of the manual or a schema is text for people, and made from the declarations when they change."""
    telling = ("json-schema.org", "docs/generate.py", "docs.making")
    found = [
        f"{path.relative_to(unpacked)}: {text}"
        for path in unpacked.rglob("*.py")
        for text in telling
        if text in path.read_text(encoding="utf-8")
    ]
    assert found == []


def test_it_starts_by_itself(unpacked: Path, tmp_path: Path) -> None:
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    for words in (["init"], ["migrate"], ["check"], ["jobs"]):
        done = subprocess.run(
            [sys.executable, "-m", "sexton.cli.main", *words],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(unpacked)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    where = subprocess.run(
        [sys.executable, "-c", "import sexton; print(sexton.__file__)"],
        env={**environment, "PYTHONPATH": str(unpacked)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.strip() == str(unpacked / "sexton" / "__init__.py")
