"""`sexton worker --end-with-parent` and `--stop-within`: for those who start a worker from a process of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sexton.testing.processes import wait_until
from tests.support.children import write_settings
from tests.support.leaks import runs
from tests.support.patience import PATIENCE
from tests.support.worker import JOBS, LONG
from tests.support.workers import ROOT, sexton

pytestmark = [pytest.mark.slow, pytest.mark.databases("sqlite")]

WITH_PARENT = ("--end-with-parent", "--stop-within", "1s")


@contextmanager
def worker(config: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A worker whose standard input is ours."""
    with sexton("worker", config, *words, stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_it_ends_in_order_when_its_standard_input_ends(database: str, tmp_path: Path) -> None:
    config = write_settings(tmp_path, database, jobs=JOBS, lease=LONG)
    with worker(config, *WITH_PARENT) as process:
        assert "worker started" in first_line(process)
        said, _ = process.communicate(timeout=PATIENCE)

        assert process.returncode == 0
        assert "the process that started it has ended" in said.splitlines()[-1]


def test_without_the_option_its_standard_input_means_nothing(database: str, tmp_path: Path) -> None:
    config = write_settings(tmp_path, database, jobs=JOBS, lease=LONG)
    with worker(config) as process:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        while "run ended" not in first_line(process):
            assert process.poll() is None
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_a_worker_that_hangs_in_an_import_ends_with_its_parent_all_the_same(database: str, tmp_path: Path) -> None:
    (tmp_path / "stuck.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(600)\n")
    config = write_settings(tmp_path, database, jobs="stuck.py")
    with worker(config, *WITH_PARENT) as process:
        assert first_line(process).strip() == "importing"
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux tells it")
def test_it_ends_with_its_parent_while_a_child_of_that_holds_the_other_end(database: str, tmp_path: Path) -> None:
    """As a product does that forks: the end of standard input never comes."""
    config = write_settings(tmp_path, database, jobs=JOBS, lease=LONG)
    parent = (
        "import os, subprocess, sys, time\n"
        "worker = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)\n"
        "child = os.fork()\n"
        "if child == 0:\n    time.sleep(600)\n"
        "print(worker.pid, child, flush=True)\ntime.sleep(600)\n"
    )
    command = [sys.executable, "-m", "sexton.cli.main", "worker", config, *WITH_PARENT]
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        [sys.executable, "-c", parent, *command],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    ) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(2)]
        numbers = next(line for line in seen if not line.startswith("{")).split()
        hosted, child = (int(number) for number in numbers)
        process.kill()
        try:
            assert wait_until(lambda: not runs(hosted), PATIENCE)
            assert runs(child)
        finally:
            os.kill(child, signal.SIGKILL)


def test_runs_are_ended_after_the_time_that_it_is_given(database: str, tmp_path: Path) -> None:
    """Its lease is longer than the test."""
    (tmp_path / "deaf.py").write_text(
        "import time\nfrom sexton import Job, every\ndef sleep(run):\n    while True:\n        try:\n"
        "            time.sleep(600)\n        except BaseException:\n            pass\n"
        'deaf = Job("deaf.sleep", schedule=every("1s"), work=sleep)\n'
    )
    config = write_settings(tmp_path, database, jobs="deaf.py", lease="1h")
    with worker(config, "--stop-within", "500ms") as process:
        while "run started" not in first_line(process):
            assert process.poll() is None
        process.terminate()

        assert process.wait(PATIENCE) == 0


def test_a_time_that_is_none_is_refused(database: str, tmp_path: Path) -> None:
    with worker(write_settings(tmp_path, database, jobs=JOBS), "--stop-within", "soon") as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "--stop-within: 'soon' is not a duration" in errors
