"""P8: whoever reads our output goes away: the pipe is closed, the terminal is closed, the disk of the log is full."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton.testing.processes import wait_until
from tests.support.children import write_settings
from tests.support.once import assert_expired_once, is_free, states
from tests.support.sessions import make_sessions
from tests.support.workers import sexton

JOB = "shop.expire_sessions"
YEARS = timedelta(days=3650)


def nobody_reads() -> int:
    """The writing end of a pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def full_disk() -> int:
    """A file that takes nothing."""
    return os.open("/dev/full", os.O_WRONLY)


@pytest.mark.parametrize("output", [nobody_reads, full_disk])
@pytest.mark.databases("sqlite", "postgres18")
def test_p8_output_that_cannot_be_written_does_not_end_a_run(
    output: Callable[[], int], engine: Engine, database: str, tmp_path: Path
) -> None:
    """The rows are what counts: done, exit code 0, no traceback."""
    shop = make_sessions(engine)
    ids = shop.add(30, age=YEARS)
    descriptor = output()

    with sexton("run", JOB, write_settings(tmp_path, database), stdout=descriptor) as process:
        os.close(descriptor)
        _, errors = process.communicate(timeout=30)

    assert (process.returncode, errors) == (0, "")
    assert_expired_once(shop, ids)
    assert states(shop) == ["succeeded"]


CLOSING = """
import sys
from sexton import Job

def work(run):
    sys.stdout.close()
    sys.stderr.close()

job = Job("close.outputs", work=work)
"""


@pytest.mark.databases("sqlite")
def test_p8_outputs_that_the_function_itself_closes(engine: Engine, database: str, tmp_path: Path) -> None:
    (tmp_path / "closing.py").write_text(CLOSING)
    settings = write_settings(tmp_path, database, jobs="closing.py")

    with sexton("run", "close.outputs", settings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.communicate(timeout=60)

    assert process.returncode == 0


@pytest.mark.databases("sqlite")
def test_p8_both_outputs_closed(engine: Engine, database: str, tmp_path: Path) -> None:
    shop = make_sessions(engine)
    ids = shop.add(30, age=YEARS)
    descriptor = nobody_reads()

    with sexton("run", JOB, write_settings(tmp_path, database), stdout=descriptor, stderr=descriptor) as process:
        os.close(descriptor)
        process.wait(30)

    assert process.returncode == 0
    assert_expired_once(shop, ids)


@pytest.mark.databases("sqlite")
def test_p8_terminal_closed_during_a_run(engine: Engine, database: str, tmp_path: Path) -> None:
    """SIGHUP, and a progress bar that can draw no more: the run ends as cancelled, its lease is free."""
    config = write_settings(tmp_path, database)
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        import fcntl
        import termios

        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    with sexton(
        "run", "shop.think", config, stdin=theirs, stdout=theirs, start_new_session=True, preexec_fn=take_terminal
    ) as process:
        os.close(theirs)
        shop = make_sessions(engine)
        assert wait_until(lambda: states(shop) == ["running"], 60)
        os.close(ours)
        _, errors = process.communicate(timeout=30)

    assert errors == ""
    assert process.returncode == 3
    assert [(run.state, run.error) for run in shop.runs()] == [("cancelled", "stopped by SIGHUP")]
    assert is_free(engine, "shop.think")


@pytest.mark.databases("sqlite")
@pytest.mark.slow
def test_p8_reader_that_leaves_in_the_middle(engine: Engine, database: str, tmp_path: Path) -> None:
    """`sexton history | head -1`: an ordinary end, as for every tool of the shell."""
    shop = make_sessions(engine)
    shop.add(3, age=YEARS)
    config = write_settings(tmp_path, database)
    for _ in range(2):
        with sexton("run", JOB, config) as process:
            assert process.wait(30) == 0
    descriptor = nobody_reads()

    with sexton("history", config, stdout=descriptor) as process:
        os.close(descriptor)
        _, errors = process.communicate(timeout=30)

    assert errors == ""
    assert process.returncode in (0, 128 + signal.SIGPIPE)
