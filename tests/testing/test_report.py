"""What a test run says at its end: skipped tests by reason, missing servers, processes left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import require
from tests.support.patience import PATIENCE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

NEEDS_A_SERVER = """
import pytest

@pytest.mark.databases("postgres9")
def test_on_a_server_that_is_nowhere(empty_database):
    pass
"""

LEAVES_AN_ORPHAN = """
import subprocess
from tests.support import leaks

leaks.PATIENCE = 0.1

def test_that_forgets():
    subprocess.run(["sh", "-c", "sleep 3600 >/dev/null 2>&1 & echo $! >orphan"], cwd={folder!r})
"""


def run_inner(folder: Path, code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a test file of its own, with our fixtures, in another process."""
    file = folder / "test_inner.py"
    file.write_text(code)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", *options]
    environment = {**os.environ, "SEXTON_REQUIRE": ""}
    return subprocess.run(
        [*command, "--rootdir", folder, file],
        check=False,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_missing_server_is_skipped_with_its_reason(tmp_path: Path) -> None:
    result = run_inner(tmp_path, NEEDS_A_SERVER)
    assert result.returncode == pytest.ExitCode.OK
    assert "skipped: 1" in result.stdout
    assert "1  postgres9: no PostgreSQL 9 on this machine" in result.stdout


@pytest.mark.parametrize("required", [{"all"}, {"redis", "postgres9"}])
def test_required_server_fails_when_missing(required: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(require, "REQUIRED", required)
    with pytest.raises(pytest.fail.Exception, match=r"postgres9 is required .* and missing: it is nowhere"):
        require.missing("postgres9", "it is nowhere")


def test_other_servers_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(require, "REQUIRED", {"redis"})
    with pytest.raises(pytest.skip.Exception, match="postgres9: it is nowhere"):
        require.missing("postgres9", "it is nowhere")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("options", [(), ("-n1",)])
def test_a_run_that_leaves_a_process_fails(tmp_path: Path, options: tuple[str, ...]) -> None:
    try:
        result = run_inner(tmp_path, LEAVES_AN_ORPHAN.format(folder=str(tmp_path)), *options)
    finally:
        os.kill(int((tmp_path / "orphan").read_text()), signal.SIGKILL)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 passed" in result.stdout
    assert "processes left behind" in result.stdout
    assert "sleep 3600" in result.stdout
