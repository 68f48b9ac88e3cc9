"""Missing servers: a test that needs one is skipped with the reason, or fails when SEXTON_REQUIRE names it.

SEXTON_REQUIRE is "all", or a comma list such as "postgres15,redis".
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

REQUIRED = frozenset(filter(None, os.environ.get("SEXTON_REQUIRE", "").replace(" ", "").split(",")))


def missing(name: str, reason: str) -> NoReturn:
    """Skip the running test, or fail it when `name` is required."""
    if name in REQUIRED or "all" in REQUIRED:
        pytest.fail(f"{name} is required (SEXTON_REQUIRE) and missing: {reason}", pytrace=False)
    pytest.skip(f"{name}: {reason}")


def program(name: str, reason: str = "no such program; run: make services") -> str:
    """The path of a program, also where only administrators look; skips or fails without it."""
    places = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin:/opt/homebrew/bin"
    found = shutil.which(name, path=places)
    return found if found is not None else missing(name, reason)


def library(name: str) -> str:
    """The path of a shared library to load before others; skips or fails without it."""
    found = next(Path("/usr/lib").glob(f"*/*/{name}"), None)
    return str(found) if found is not None else missing(name, "no such library; run: make services")


def as_root() -> None:
    """Skip or fail a test that sets up other users, where this process is not root."""
    if os.geteuid():
        missing("root", "only root can be two users at once; run the tests as root, in a container for instance")
