"""D17: another process keeps the SQLite file locked, perhaps frozen. We wait a bounded time and say so."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event

from sexton.run_counts import Counts
from sexton.runs.context import Limits
from sexton.testing import preview_job, run_job
from sexton.testing.processes import wait_until
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, make_sessions

from .nothing import assert_nothing_started
from .rivals import Hurried

pytestmark = pytest.mark.databases("sqlite")

HOLD = """
import os, signal, sqlite3, sys
rival = sqlite3.connect(sys.argv[1], isolation_level=None)
rival.execute("BEGIN IMMEDIATE")
rival.execute("UPDATE sessions SET status = 'seen'")
print("locked", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""
"""Another process of the shop that freezes inside a transaction."""


@contextmanager
def frozen_rival(engine: Engine) -> Iterator[None]:
    """While the block runs, another process holds the write lock; then it is gone and its change with it."""
    command = [sys.executable, "-c", HOLD, str(engine.url.database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as rival:
        assert rival.stdout is not None
        assert rival.stdout.readline() == "locked\n"
        try:
            yield
        finally:
            rival.send_signal(signal.SIGKILL)


@pytest.fixture
def impatient(engine: Engine) -> Engine:
    """An engine that waits 50 ms for the file's lock where Sexton's own waits 5 s."""
    event.listen(engine, "connect", lambda driver, _record: driver.execute("PRAGMA busy_timeout = 50").close())
    engine.dispose()
    return engine


def test_d17_a_locked_file_at_the_start_is_held_elsewhere_and_leaves_no_trace(impatient: Engine) -> None:
    shop = make_sessions(impatient)
    shop.add(3, age=timedelta(hours=1))

    with frozen_rival(impatient):
        run = run_job(impatient, shop.purge(), at=NOON)
        assert preview_job(impatient, shop.purge(), at=NOON).total.picked == 3  # reading goes on

    assert (run.state, run.exit_code, run.run_id) == ("held", 75, None)
    assert_nothing_started(impatient)
    assert run_job(impatient, shop.purge(), at=NOON).total == Counts(picked=3, changed=3)


def test_d17_the_wait_for_the_file_is_5_seconds_unless_said_otherwise(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 5_000


def test_d17_a_file_that_gets_locked_meanwhile_ends_the_run_with_the_reason(impatient: Engine) -> None:
    shop = make_sessions(impatient)
    shop.add(3, age=timedelta(hours=1))
    short = Limits(lease=1.0, renew=0.3)
    rival = frozen_rival(impatient)

    try:
        run = run_job(
            impatient, shop.purge(), at=NOON, limits=short, stop=Hurried(), started=lambda _claim: rival.__enter__()
        )
    finally:
        rival.__exit__(None, None, None)

    assert run.exit_code != 0
    assert run.error is not None
    assert "database is locked" in run.error
    assert shop.ids() == [1, 2, 3]

    def again() -> bool:
        return run_job(impatient, shop.purge(), at=NOON).total == Counts(picked=3, changed=3)

    assert wait_until(again, PATIENCE), "the lease of the run that could not be closed never ended"
    assert [row.state for row in shop.runs()][-1] == "succeeded"


def test_d17_no_transaction_ever_turns_from_reading_to_writing(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(30, age=timedelta(hours=1))
    log: list[str] = []
    event.listen(engine, "connect", lambda driver, _record: driver.set_trace_callback(log.append))
    engine.dispose()

    for kind in ("expire", "warn", "purge"):
        job = getattr(shop, kind)()
        preview_job(engine, job, at=NOON)
        run_job(engine, job, at=NOON, limits=Limits(rows=10))

    reading = [words for kind, words in transactions(log) if kind == "BEGIN"]
    writing = [words for kind, words in transactions(log) if kind == "BEGIN IMMEDIATE"]
    assert len(reading) + len(writing) == log.count("BEGIN") + log.count("BEGIN IMMEDIATE")
    assert len(writing) > 12
    assert not any(word in ("INSERT", "UPDATE", "DELETE", "CREATE") for words in reading for word in words)


def transactions(log: list[str]) -> Iterator[tuple[str, list[str]]]:
    """How each transaction began, and the first words of its statements."""
    words: list[str] = []
    for statement in log:
        if statement.startswith("BEGIN"):
            words = []
            yield statement, words
        words.append(statement.split(None, 1)[0].upper())
