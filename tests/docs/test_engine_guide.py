"""What the guide "write an engine" adds carries runs and requests, and lets a run end its batch when it is to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sexton.testing.processes import spawn, wait_until
from tests.cli.shell import Shell
from tests.support.patience import PATIENCE

from .test_extension_guides import installed

pytestmark = pytest.mark.slow

SETTINGS = """
database = "sqlite:///shop.db"
jobs = ["shop_jobs.py"]
engine = "folder"
"""

JOBS = """
import time
from pathlib import Path

from sexton import Job, OnDemand


def note(run, number: int):
    Path(f"note-{number}").touch()


def linger(run):
    Path("lingers").touch()
    while True:
        run.check()
        time.sleep(0.02)


notes = Job("shop.note", work=note, on_demand=OnDemand())
stock = Job("shop.stock", work=lambda run: Path("stock").touch())
lingering = Job("shop.linger", work=linger, timeout="10m")
"""

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def shop(tmp_path: Path) -> Shell:
    """A product that has installed the package of the guide, and whose jobs it carries."""
    shell = installed("write-an-engine.md", tmp_path)
    shell.write("sexton.toml", SETTINGS)
    shell.write("shop_jobs.py", JOBS)
    assert shell.sexton("migrate").code == 0
    return shell


@pytest.fixture
def start(shop: Shell) -> Iterator[Start]:
    """`start("scheduler")`: `sexton scheduler` in the folder of the product."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(*words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "sexton.cli.main", *words]
        started.append(spawn(command, shop.folder, shop.folder / "log", {**os.environ, **shop.environment}, None))
        return started[-1]

    yield start_one
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def has(shop: Shell, *names: str) -> None:
    """Wait until the product's jobs have made these files."""
    there = wait_until(lambda: all((shop.folder / name).exists() for name in names), PATIENCE)
    assert there, (shop.folder / "log").read_text()


def test_the_engine_of_the_guide_carries_runs_and_requests(shop: Shell, start: Start) -> None:
    """BJ-25: installed and named, nothing else; while its folder is not there, what is asked for waits."""
    away = shop.sexton("engines")
    assert (away.code, "its folder is not there" in away.out + away.err) == (69, True)
    assert shop.sexton("trigger", "shop.stock").code == 0
    for number in range(20):
        assert shop.sexton("trigger", "shop.note", "--arg", f"number={number}").code == 0
    processes = [start("scheduler"), start("worker", "--engine", "folder", "--concurrency", "2")]

    (shop.folder / "queue").mkdir()

    has(shop, "stock", *(f"note-{number}" for number in range(20)))
    assert shop.sexton("engines").code == 0
    for process in processes:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(PATIENCE) for process in processes] == [0, 0]
    assert list((shop.folder / "queue").iterdir()) == []


def test_a_worker_of_the_engine_of_the_guide_ends_after_the_batch_in_hand(shop: Shell, start: Start) -> None:
    (shop.folder / "queue").mkdir()
    assert shop.sexton("trigger", "shop.linger").code == 0
    start("scheduler")
    worker = start("worker", "--engine", "folder")
    has(shop, "lingers")

    worker.send_signal(signal.SIGTERM)

    assert worker.wait(PATIENCE) == 0
    assert "cancelled" in shop.sexton("history", "shop.linger").out
