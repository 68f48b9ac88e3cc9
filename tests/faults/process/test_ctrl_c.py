"""Ctrl-C acts at once: the first ends what a person waits for, the second the process; the terminal stays whole."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT, SIGTERM

import pytest
from sqlalchemy import Engine, text

from sexton.db.connect import read_only
from sexton.slots.history import RunRecord, history
from sexton.testing.processes import wait_until
from tests.support.children import command_line, write_settings
from tests.support.database_checks import is_free
from tests.support.patience import PATIENCE
from tests.support.workers import Start, Worker

JOBS = "tests.support.busy_jobs"
LONG = {"lease": "30m", "renew": "1m", "statement_timeout": "10m"}
"""Nothing but Ctrl-C ends a statement while a test waits."""

HIDDEN = b"\x1b[?25l"
"""What hides the cursor of a terminal."""


def runs(engine: Engine) -> list[RunRecord]:
    """Newest first."""
    with read_only(engine) as connection:
        return history(connection)


def begun(start: Start, folder: Path, database: str, *words: str) -> Worker:
    """`sexton run …` whose function is away."""
    worker = start(command_line, "run", *words, write_settings(folder, database, jobs=JOBS, **LONG))
    worker.wait_for("away\n")
    return worker


def again_and_again(press: Callable[[], object], ended: Callable[[], bool]) -> None:
    """Press Ctrl-C until it has ended, as a person does."""

    def once_more() -> bool:
        if not ended():
            press()
        return ended()

    assert wait_until(once_more, PATIENCE, pause=0.1)


@pytest.mark.databases("sqlite", "postgres15")
@pytest.mark.parametrize("job", ["sleep", "compute", "wait", "query"])
def test_the_first_ctrl_c_ends_a_function_wherever_it_is(
    job: str, engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    worker = begun(start, tmp_path, database, f"busy.{job}")

    worker.send(SIGINT)

    assert worker.wait() == 3
    assert worker.errors == ""
    assert json.loads(worker.output.splitlines()[-1])["state"] == "cancelled"
    assert [(run.state, run.error) for run in runs(engine)] == [("cancelled", "stopped by SIGINT")]
    assert is_free(engine, f"busy.{job}")


@pytest.mark.databases("sqlite", "postgres15")
def test_a_second_ctrl_c_ends_the_process_whatever_it_does(
    engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    worker = begun(start, tmp_path, database, "busy.stay")
    worker.send(SIGINT)
    worker.wait_for("still here")

    again_and_again(lambda: worker.send(SIGINT), lambda: not worker.runs)

    assert worker.wait() == 130
    assert [run.state for run in runs(engine)] == ["running"]  # its lease runs out, and the next one closes it


@pytest.mark.databases("sqlite")
def test_sigterm_interrupts_no_function_and_a_signal_right_behind_another_is_not_lost(
    database: str, tmp_path: Path, start: Start
) -> None:
    """A deploy lets it come to its next `run.check()`. The kernel may give the second signal to another thread."""
    worker = begun(start, tmp_path, database, "busy.stay")
    worker.send(SIGTERM)
    worker.send(SIGINT)

    worker.wait_for("still here")

    assert worker.output.count("still here") == 1
    again_and_again(lambda: worker.send(SIGINT), lambda: not worker.runs)


@pytest.mark.databases("sqlite", "postgres15")
def test_ctrl_c_ends_a_dry_run(engine: Engine, database: str, tmp_path: Path, start: Start) -> None:
    worker = begun(start, tmp_path, database, "busy.sleep", "--dry-run")

    worker.send(SIGINT)

    assert worker.wait() == 3
    assert worker.errors == "sexton: stopped by SIGINT\n"
    assert runs(engine) == []


SLOW = """
[policies.slow]
purge = "slow"
by = "at"
keep = "1d"
max_share = 1.0
"""


@pytest.mark.databases("postgres15")
def test_the_first_ctrl_c_ends_the_statement_of_a_policy(
    engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    """A trigger that sleeps: the statement would take ten minutes, and goes on when it is tried again."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE slow (id int PRIMARY KEY, at timestamptz)"))
        connection.execute(text("INSERT INTO slow VALUES (1, '2020-01-01')"))
        body = "BEGIN PERFORM pg_sleep(600); RETURN OLD; END"
        connection.execute(text(f"CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS '{body}'"))
        connection.execute(text("CREATE TRIGGER dawdle BEFORE DELETE ON slow FOR EACH ROW EXECUTE FUNCTION dawdle()"))
    config = write_settings(tmp_path, database, jobs=JOBS, **LONG)
    with (tmp_path / "sexton.toml").open("a") as settings:
        settings.write(SLOW)
    assert start(command_line, "arm", "slow", "--yes", config).wait() == 0
    worker = start(command_line, "run", "slow", config)

    def is_long() -> bool:
        asked = text(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
            " AND datname = current_database() AND query ILIKE '%DELETE%slow%'"
            " AND clock_timestamp() - query_start > interval '1 s'"
        )
        with engine.connect() as connection:
            return bool(connection.execute(asked).scalar())

    assert wait_until(is_long, PATIENCE, pause=0.1)

    worker.send(SIGINT)

    assert worker.wait() == 3
    assert [(run.state, run.error) for run in runs(engine)] == [("cancelled", "stopped by SIGINT")]


def take_terminal() -> None:
    """In the child: this terminal's keys are for us."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A process that leads a session of its own on a terminal of its own, as in a window."""

    def __init__(self, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sexton.cli.main", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=take_terminal,  # noqa: PLW1509
            env={**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
        )
        os.close(theirs)
        os.set_blocking(self._ours, False)
        self._shown = b""

    def shown(self) -> bytes:
        """Everything so far."""
        try:
            while more := os.read(self._ours, 65536):
                self._shown += more
        except OSError:  # nothing more for now, or nobody is there any more
            pass
        return self._shown

    def wait_for(self, text: bytes) -> None:
        """Wait until it is shown."""
        assert wait_until(lambda: text in self.shown(), PATIENCE, pause=0.02), self._shown

    def press_ctrl_c(self) -> None:
        """The kernel sends SIGINT to whoever is in the foreground."""
        os.write(self._ours, b"\x03")

    def ended(self) -> bool:
        """Whether it is over. It must be read meanwhile, or it waits for its reader."""
        self.shown()
        return self.process.poll() is not None

    def close(self) -> None:
        """The window goes."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(("job", "code"), [("sleep", 3), ("stay", 130)])
def test_on_a_terminal_the_cursor_is_there_on_every_way_out(
    job: str, code: int, engine: Engine, database: str, tmp_path: Path
) -> None:
    """The spinner never hides it: so no way out, not even SIGKILL, can leave a terminal without."""
    terminal = Terminal("run", f"busy.{job}", write_settings(tmp_path, database, jobs=JOBS, **LONG))
    try:
        terminal.wait_for(b"away")
        terminal.wait_for(f"busy.{job}".encode())
        terminal.press_ctrl_c()
        terminal.wait_for(b"Ctrl-C again ends at once")
        if job == "stay":
            terminal.wait_for(b"still here")
            again_and_again(terminal.press_ctrl_c, terminal.ended)
        assert wait_until(terminal.ended, PATIENCE, pause=0.02)

        assert terminal.process.returncode == code
        assert b"\x1b[2K" in terminal.shown()  # the spinner was there
        assert HIDDEN not in terminal.shown()
    finally:
        terminal.close()


@pytest.mark.databases("sqlite")
def test_ctrl_c_ends_a_function_that_run_due_gave_to_its_executor(
    engine: Engine, database: str, tmp_path: Path
) -> None:
    """Both processes get it, one tells the person, and the slot is tried again."""
    terminal = Terminal("run", "--due", write_settings(tmp_path, database, jobs=JOBS, **LONG))
    try:
        terminal.wait_for(b"away")

        terminal.press_ctrl_c()

        assert wait_until(terminal.ended, PATIENCE, pause=0.02), terminal.shown()
        assert terminal.process.returncode == 3
        assert terminal.shown().count(b"Ctrl-C again ends at once") == 1
        assert [(run.state, run.error) for run in runs(engine)] == [("cancelled", "stopped by SIGINT")]
    finally:
        terminal.close()


@pytest.mark.databases("sqlite")
def test_ctrl_c_ends_a_worker_and_the_function_in_its_executor(engine: Engine, database: str, tmp_path: Path) -> None:
    """All processes of a terminal get it; the slot is tried again by the next worker."""
    terminal = Terminal("worker", write_settings(tmp_path, database, jobs=JOBS, **LONG))
    try:
        terminal.wait_for(b"away")

        terminal.press_ctrl_c()

        assert wait_until(terminal.ended, PATIENCE, pause=0.02), terminal.shown()
        assert terminal.process.returncode == 0
        assert [(run.state, run.error) for run in runs(engine)] == [("cancelled", "stopped by SIGINT")]
    finally:
        terminal.close()
