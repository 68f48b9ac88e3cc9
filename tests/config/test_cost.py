"""Reading the settings stays cheap: nothing is imported that a command may do without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "sqlalchemy",
    "asyncio",
    "sexton.jobs",
    "sexton.config.template",
    "sexton.config.dotenv_file",
    "dotenv",
    "tomllib",
    "json",
)


def imported_after(program: str, folder: Path) -> set[str]:
    """The modules that are loaded after the program ran in a process of its own."""
    code = f"{program}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env={}, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_defaults_cost_no_parser_and_no_check(tmp_path: Path) -> None:
    modules = imported_after("from sexton.config import load; load()", tmp_path)
    assert "sexton.config.sources" in modules
    assert modules.isdisjoint(HEAVY)


@pytest.mark.parametrize("line", ['timezone = "Europe/Berlin"', '[job."a.b"]\nschedule = "5 4 * * *"'])
def test_no_setting_ever_loads_the_database_library(tmp_path: Path, line: str) -> None:
    (tmp_path / "sexton.toml").write_text(line)
    modules = imported_after("from sexton.config import load; load()", tmp_path)
    assert "sexton.jobs" in modules
    assert "sqlalchemy" not in modules
