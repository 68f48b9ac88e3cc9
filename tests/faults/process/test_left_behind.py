"""P10, P11, L8: what a process leaves behind, a forked child, files, does not keep anybody from running."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from sexton import Job, Run
from sexton.db.connect import open_database
from sexton.db.server_clock import ask_now
from sexton.runs.context import Limits
from sexton.runs.outcome import Outcome
from sexton.slots.claim import Claim
from sexton.testing import run_job
from sexton.testing.processes import wait_until
from tests.support.children import command_line, run_and_tell, shop_of, write_settings
from tests.support.database_checks import assert_expired_once, is_free, lease_row, states
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, make_sessions
from tests.support.workers import Start

pytestmark = pytest.mark.slow

SHORT = Limits(lease=10.0, renew=0.2)
"""A lease that the test waits for; an open transaction of such a holder is ended a little earlier, and not too soon
for one that is slow to claim."""
YEARS = timedelta(days=3650)
HOUR = 3600.0


def fork_and_wait(database: str, inside_a_transaction: bool) -> int:
    """A child whose job forks a helper, as a product's function may, and then waits for its end."""
    engine = open_database(database)

    def work(run: Run) -> None:
        with run.transaction() as connection:
            connection.execute(shop_of(engine).table.select()).all()
            if inside_a_transaction:
                fork()
        fork()

    def fork() -> None:
        helper = os.fork()
        if helper == 0:
            time.sleep(HOUR)
            os._exit(0)
        print(f"helper {helper} is there", flush=True)
        time.sleep(HOUR)

    return run_and_tell(engine, Job("shop.expire_sessions", work=work), slot=NOON, limits=SHORT)


@pytest.mark.parametrize("inside", [False, True], ids=["between transactions", "inside a transaction"])
def test_p10_a_forked_helper_that_lives_on_does_not_keep_the_lease(
    inside: bool, engine: Engine, database: str, start: Start
) -> None:
    """The helper holds copies of all descriptors, the connection among them; the lease is no descriptor."""
    shop = make_sessions(engine)
    ids = shop.add(3, age=timedelta(hours=1))
    parent = start(fork_and_wait, database, inside)
    parent.wait_for("is there")
    helper = int(parent.output.split()[-3])
    parent.kill()
    try:
        os.kill(helper, 0)  # it lives
        lease = lease_row(engine, "job:shop.expire_sessions")
        again: list[Outcome] = []
        taken: list[datetime] = []

        def note(_: Claim) -> None:
            with engine.connect() as connection:
                taken.append(ask_now(connection))

        def taken_over() -> bool:
            again[:] = [run_job(engine, shop.expire(), at=NOON, slot=NOON, started=note)]
            return again[0].state != "held"

        assert wait_until(taken_over, PATIENCE)
    finally:
        os.kill(helper, signal.SIGKILL)

    assert again[0].state == "succeeded"
    assert lease is not None
    assert taken[0] >= lease[2], "not before the lease of the dead was over"
    assert_expired_once(shop, ids)
    assert states(shop) == ["abandoned", "succeeded"]


@contextmanager
def files_in(*folders: Path) -> Iterator[list[str]]:
    """Names of the files that are there afterwards and were not before."""
    before = {path for folder in folders for path in folder.iterdir()}
    new: list[str] = []
    yield new
    new += sorted(path.name for folder in folders for path in folder.iterdir() if path not in before)


def test_p11_l8_pid_and_lock_files_have_no_meaning(
    engine: Engine, database: str, tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that look like locks of a living process, ours even, are neither read nor made nor removed."""
    shop = make_sessions(engine)
    ids = shop.add(3, age=YEARS)
    config = write_settings(tmp_path, database)
    for name in ("sexton.pid", "sexton.lock", "shop.expire_sessions.lock", ".sexton.lock", "sexton.db.lock"):
        (tmp_path / name).write_text(f"{os.getpid()}\n")
    home = tmp_path / "home"
    home.mkdir()

    with files_in(tmp_path, home) as new:
        worker = start(command_line_in, str(tmp_path), str(home), "run", "shop.expire_sessions", config)
        assert worker.wait() == 0, worker.errors

    assert new == []
    assert_expired_once(shop, ids)
    assert (tmp_path / "sexton.pid").read_text() == f"{os.getpid()}\n"


def command_line_in(folder: str, home: str, *words: str) -> int:
    """A child whose current and temporary folder is this one, and whose home is that; ours has other inhabitants."""
    os.chdir(folder)
    tempfile.tempdir = folder
    os.environ |= {"TMPDIR": folder, "HOME": home}
    return command_line(*words)


def test_p11_after_a_reboot_the_lease_of_a_dead_process_is_the_only_trace(engine: Engine) -> None:
    """A holder that bears our own host name and process number is not taken for ourselves."""
    shop = make_sessions(engine)
    ids = shop.add(3, age=timedelta(hours=1))
    first = run_job(engine, shop.expire(), at=NOON, slot=NOON)
    second = run_job(engine, shop.expire(), at=NOON, slot=NOON + timedelta(hours=1))

    holders = {run.worker for run in shop.runs()}

    assert (first.state, second.state) == ("succeeded", "succeeded")
    assert len(holders) == 2
    assert all(f":{os.getpid()}:" in holder for holder in holders)
    assert is_free(engine, "shop.expire_sessions")
    assert_expired_once(shop, ids)
