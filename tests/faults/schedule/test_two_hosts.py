"""S1, S3, S5: cron fires a line on two hosts, or again before it has ended, or beside a person: one does it."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from sexton.runs import runner
from sexton.slots.claim import Claim
from sexton.slots.due_run import DueRun
from tests.support.children import command_line, write_settings
from tests.support.database_checks import assert_expired_once, states
from tests.support.sessions import Sessions, make_sessions
from tests.support.slow_rows import slow_rows
from tests.support.worker import LONG
from tests.support.workers import Gate, Start, Worker

YEARS = timedelta(days=3650)
JOB = "shop.expire_sessions"


@pytest.fixture
def shop(engine: Engine) -> Sessions:
    """Sessions that are long over."""
    shop = make_sessions(engine)
    shop.add(30, age=YEARS)
    return shop


@pytest.fixture
def config(database: str, tmp_path: Path) -> str:
    """Settings of both hosts."""
    return write_settings(tmp_path, database, lease=LONG)


def slow_to_claim(*words: str) -> int:
    """A child that finds out what is due, and is stopped just before it claims that."""
    to_come, claim = [True], runner.claim  # type: ignore[attr-defined]

    def stopped(engine: Engine, due: DueRun, **terms: Any) -> Claim:
        if to_come:
            to_come.clear()
            os.kill(os.getpid(), signal.SIGSTOP)
        claimed: Claim = claim(engine, due, **terms)
        return claimed

    runner.claim = stopped  # type: ignore[attr-defined]
    return command_line(*words)


def assert_quiet(worker: Worker, code: int) -> None:
    """Ends with this code, and cron has nothing to mail."""
    assert (worker.wait(), worker.output, worker.errors) == (code, "", "")


def test_s1_the_same_crontab_on_two_hosts(shop: Sessions, config: str, start: Start) -> None:
    """BJ-01.4, BJ-02.4"""
    gate = Gate()
    hosts = [start(command_line, "run", "--due", "--quiet", JOB, config, gate=gate) for _ in range(2)]

    gate.open()

    codes = sorted(host.wait() for host in hosts)
    assert codes in ([0, 0], [0, 75])
    assert [host.output + host.errors for host in hosts] == ["", ""]
    assert_expired_once(shop, range(1, 31))
    assert states(shop) == ["succeeded"]


def test_s1_the_slower_host_finds_it_done(shop: Sessions, config: str, start: Start) -> None:
    """Even without --quiet there is nothing to say: somebody else has said it."""
    slow = start(slow_to_claim, "run", "--due", JOB, config)
    slow.wait_until_frozen()
    quick = start(command_line, "run", "--due", JOB, config)
    assert quick.wait() == 0
    assert "run ended" in quick.output

    slow.resume()

    assert_quiet(slow, 0)
    assert_expired_once(shop, range(1, 31))
    assert states(shop) == ["succeeded"]


def test_s1_the_slower_host_finds_it_under_way(
    shop: Sessions, config: str, database: str, tmp_path: Path, start: Start
) -> None:
    shop.add(4000, age=YEARS, start=100)
    slow_rows(shop.engine)
    slow = start(slow_to_claim, "run", "--due", JOB, config)
    slow.wait_until_frozen()
    (tmp_path / "small").mkdir()
    small = write_settings(tmp_path / "small", database, batch_rows=1, batch_time="1ms", lease=LONG)
    quick = start(command_line, "run", "--due", JOB, small)
    quick.wait_for("run started")

    slow.resume()

    assert_quiet(slow, 75)
    assert quick.runs
    quick.send(signal.SIGTERM)
    assert quick.wait() == 3
    assert states(shop) == ["cancelled"]
