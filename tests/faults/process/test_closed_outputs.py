"""P8: whoever reads our output goes away: the pipe is closed, the terminal is closed, the disk of the log is full."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton.testing.processes import wait_until
from tests.support.children import write_settings
from tests.support.database_checks import assert_expired_once, is_free, states
from tests.support.patience import PATIENCE
from tests.support.sessions import make_sessions
from tests.support.workers import ROOT, sexton

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
        _, errors = process.communicate(timeout=PATIENCE)

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
        process.communicate(timeout=PATIENCE)

    assert process.returncode == 0


@pytest.mark.databases("sqlite")
def test_p8_both_outputs_closed(engine: Engine, database: str, tmp_path: Path) -> None:
    shop = make_sessions(engine)
    ids = shop.add(30, age=YEARS)
    descriptor = nobody_reads()

    with sexton("run", JOB, write_settings(tmp_path, database), stdout=descriptor, stderr=descriptor) as process:
        os.close(descriptor)
        process.wait(PATIENCE)

    assert process.returncode == 0
    assert_expired_once(shop, ids)


WITHOUT = "import os, sys; [os.close(int(each)) for each in sys.argv[1].split()]; os.execv(sys.executable, {words})"


def command(words: tuple[str, ...], settings: str, output: int | None, closed: str = "") -> tuple[int, str]:
    """Exit code and errors. Python keeps what it writes until there is enough of it, as it does for everybody.

    closed: numbers of the descriptors that are closed before it begins."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    run = [sys.executable, "-m", "sexton.cli.main", *words, settings]
    if closed:
        run = [sys.executable, "-c", WITHOUT.format(words=repr(run)), closed]
    done = subprocess.run(
        run,
        stdout=output,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=Path(settings.removeprefix("--config=")).parent,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("output", [nobody_reads, full_disk])
@pytest.mark.databases("sqlite")
def test_sec_9_attack_output_that_python_keeps_for_later_changes_no_exit_code(
    output: Callable[[], int], engine: Engine, database: str, tmp_path: Path
) -> None:
    """What stays in its buffer is written when it ends, and fails there: 120, and two lines of Python's own."""
    make_sessions(engine).add(30, age=YEARS)
    settings, descriptor = write_settings(tmp_path, database), output()
    full = output is full_disk
    try:
        assert command(("run", JOB), settings, descriptor) == (0, "")
        told = "sexton: standard output cannot be written: No space left on device\n"
        assert command(("history",), settings, descriptor) == ((1, told) if full else (0, ""))
        assert command(("nonsense",), settings, descriptor)[0] == 2
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("closed", ["1", "0 1 2"])
@pytest.mark.databases("sqlite")
def test_sec_9_attack_outputs_that_were_closed_before_keep_no_run_from_its_work(
    closed: str, engine: Engine, database: str, tmp_path: Path
) -> None:
    shop = make_sessions(engine)
    ids = shop.add(30, age=YEARS)
    settings = write_settings(tmp_path, database)

    assert command(("run", JOB), settings, None, closed) == (0, "")
    assert_expired_once(shop, ids)
    for words in (("run", "--due"), ("history",), ("jobs",), ("calendar",)):
        assert command(words, settings, None, closed) == (0, "")


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
        assert wait_until(lambda: states(shop) == ["running"], PATIENCE)
        os.close(ours)
        _, errors = process.communicate(timeout=PATIENCE)

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
            assert process.wait(PATIENCE) == 0
    descriptor = nobody_reads()

    with sexton("history", config, stdout=descriptor) as process:
        os.close(descriptor)
        _, errors = process.communicate(timeout=PATIENCE)

    assert errors == ""
    assert process.returncode in (0, 128 + signal.SIGPIPE)
