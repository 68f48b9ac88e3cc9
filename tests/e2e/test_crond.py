"""BJ-24.5, S3: a real `busybox crond` on a private folder runs what `sexton crontab` prints."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from sexton.testing.processes import wait_until
from tests.support.patience import PATIENCE
from tests.support.require import missing

MINUTE = 60.0 + PATIENCE
"""Longest wait for cron to fire, and for what it started."""

FIELDS = "* * * * * "

JOBS = '''
"""A job of every minute that works until it is let go."""

import time
from pathlib import Path

from sexton import Job, cron

HERE = Path(__file__).parent


def work(run):
    while not (HERE / "go").exists():
        run.check()
        time.sleep(0.02)


long = Job("shop.long", schedule=cron("* * * * *"), work=work, description="100% of it")
'''


@pytest.fixture
def shop(tmp_path: Path, database: str) -> Path:
    """A folder with a blank and a percent sign in its name, as a customer of a host may have one."""
    folder = tmp_path / "my 100% shop"
    folder.mkdir()
    (folder / "shop_jobs.py").write_text(JOBS)
    (folder / "sexton.toml").write_text(
        f'database = "{database}"\njobs = ["shop_jobs.py"]\n[job."sexton.housekeeping"]\nenabled = false\n'
    )
    return folder


def printed(shop: Path, *options: str) -> list[str]:
    """The lines of the crontab, comments included."""
    command = [sys.executable, "-m", "sexton.cli.main", "crontab", *options]
    return subprocess.run(command, cwd=shop, capture_output=True, text=True, check=True).stdout.splitlines()


def has_crond() -> bool:
    """Debian has two packages, of which `busybox-static` has it."""
    if shutil.which("busybox") is None:
        return False
    listed = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout
    return "crond" in listed.split()


@pytest.fixture
def crontabs(tmp_path: Path) -> Path:
    """The folder with a crontab for each user; nothing of the system is touched."""
    if os.geteuid() != 0:
        missing("busybox", "its crond changes the user, which takes root")
    if not has_crond():
        missing("busybox", "no busybox with a crond; `make services` installs one")
    folder = tmp_path / "crontabs"
    folder.mkdir()
    return folder


@contextmanager
def crond(crontabs: Path, lines: list[str]) -> Iterator[None]:
    """busybox crond on these lines, ended with the block."""
    me = pwd.getpwuid(os.geteuid()).pw_name
    (crontabs / me).write_text("\n".join(lines) + "\n")
    command = ["busybox", "crond", "-f", "-c", str(crontabs), "-L", os.devnull]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.mark.slow
@pytest.mark.databases("sqlite")
def test_bj_24_5_of_two_overlapping_lines_one_works_and_the_other_exits_75_and_prints_nothing(
    shop: Path, crontabs: Path, engine: Engine
) -> None:
    """The same generated line twice, as on two hosts; the job works until both have said how they ended, or a minute
    longer, by which its next slot is due (S3)."""
    (command,) = (line.removeprefix(FIELDS) for line in printed(shop) if line.startswith(FIELDS))
    comments = [line for line in printed(shop, "--per-job", "--cpanel") if line.startswith("#")]
    # Each of them once: what the next minute would start has no part in this.
    lines = [
        f"{FIELDS}mkdir {crontabs}-once{n} 2>/dev/null || exit;"
        f" {command} >told{n} 2>&1; echo $? >ended{n} && mv ended{n} code{n}"
        for n in (1, 2)
    ]

    with crond(crontabs, [*comments, *lines]):
        try:
            assert wait_until(lambda: any(code(shop, n) for n in (1, 2)), MINUTE), "crond started nothing that ended"
            (held,) = (n for n in (1, 2) if code(shop, n))
            assert (code(shop, held), said(shop, held)) == ("75", "")
            assert states(engine) == ["running"]
        finally:
            (shop / "go").touch()
        worked = 3 - held
        assert wait_until(lambda: bool(code(shop, worked)), PATIENCE)
    assert (code(shop, worked), said(shop, worked)) == ("0", "")
    assert set(states(engine)) == {"succeeded"}
    with engine.connect() as connection:
        slots = list(connection.execute(text("SELECT slot FROM sexton_runs")).scalars())
    assert len(slots) == len(set(slots)) <= 2


def code(shop: Path, line: int) -> str:
    """The exit code of a line; "" before it has ended."""
    file = shop / f"code{line}"
    return file.read_text().strip() if file.exists() else ""


def said(shop: Path, line: int) -> str:
    return (shop / f"told{line}").read_text()


def states(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT state FROM sexton_runs")).scalars())
