"""P7, P8: asked to end by any signal, at any moment, once or many times: the batch in hand ends, the rest waits."""

from __future__ import annotations

import json
import signal
import time
from datetime import timedelta
from pathlib import Path
from random import Random
from signal import SIGHUP, SIGINT, SIGTERM, SIGXCPU, Signals

import pytest
from sqlalchemy import Engine

from sexton.runs import stop_signals
from sexton.testing import run_job
from tests.support.children import command_line, write_settings
from tests.support.database_checks import assert_expired_once, is_free, states
from tests.support.patience import PATIENCE
from tests.support.sessions import Sessions, make_sessions
from tests.support.slow_rows import quick_rows, slow_rows
from tests.support.workers import Start, Worker

JOB = "shop.expire_sessions"
YEARS = timedelta(days=3650)
ROWS = 4_000
"""A run takes minutes for them, a slow row a batch; that it has ended is not because it was through."""


def long_run(start: Start, folder: Path, database: str, *, ignoring: Signals | None = None) -> Worker:
    """`sexton run` of a job that takes a row a batch; returned once it is under way."""
    config = write_settings(folder, database, batch_rows=1, batch_time="1ms")
    worker = start(with_slow_keys, "run", JOB, config, ignoring=ignoring)
    worker.wait_for("run started")
    return worker


def with_slow_keys(*words: str, ignoring: Signals | None = None) -> int:
    """A child for which any later Ctrl-C is the same press of keys, however long a busy machine takes for it."""
    stop_signals.SAME_KEY_PRESS_SECONDS = PATIENCE
    return command_line(*words, ignoring=ignoring)


def assert_ended_in_order(worker: Worker, shop: Sessions, *signals: Signals) -> None:
    """It ended in the middle, by itself; history says why; the lease is free; what is counted is what is done."""
    assert worker.wait() == 3
    assert worker.errors == ""
    assert json.loads(worker.output.splitlines()[-1])["state"] == "cancelled"
    run = shop.runs()[-1]
    assert run.state == "cancelled"
    assert run.error in [f"stopped by {number.name}" for number in signals]
    assert is_free(shop.engine, JOB)


def test_p7_sigterm_at_random_moments_and_the_next_run_goes_on(
    engine: Engine, database: str, tmp_path: Path, start: Start, chance: Random
) -> None:
    shop = make_sessions(engine)
    ids = shop.add(ROWS, age=YEARS)
    slow_rows(engine)
    for _ in range(3):
        worker = long_run(start, tmp_path, database)
        time.sleep(chance.uniform(0, 0.05))  # any moment will do
        worker.send(SIGTERM)
        assert_ended_in_order(worker, shop, SIGTERM)
        assert_expired_once(shop, shop.ids(status="expired"))

    quick_rows(engine)
    last = run_job(engine, shop.expire())

    assert last.state == "succeeded"
    assert_expired_once(shop, ids)
    assert sum(run.counts.get("change_sessions", {}).get("changed", 0) for run in shop.runs()) == len(ids)


@pytest.mark.parametrize(
    "signals",
    [[SIGTERM, SIGTERM], [SIGINT], [SIGINT, SIGINT], [SIGHUP], [SIGXCPU], [SIGTERM, SIGINT, SIGHUP, SIGXCPU] * 5],
    ids=lambda signals: " ".join(number.name for number in signals[:4]),
)
@pytest.mark.databases("sqlite", "postgres18")
def test_p8_every_signal_and_a_second_one(
    signals: list[Signals], engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    shop = make_sessions(engine)
    shop.add(ROWS, age=YEARS)
    slow_rows(engine)
    worker = long_run(start, tmp_path, database)

    for number in signals:
        if worker.runs:
            worker.send(number)
            time.sleep(0.001)  # the kernel merges equal signals that wait

    assert_ended_in_order(worker, shop, *signals)
    assert_expired_once(shop, shop.ids(status="expired"))


@pytest.mark.databases("sqlite", "postgres18")
def test_p8_a_signal_that_was_ignored_from_the_start_stays_ignored(
    engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    """`nohup sexton run …` outlives its terminal."""
    shop = make_sessions(engine)
    ids = shop.add(20, age=YEARS)
    slow_rows(engine)
    worker = long_run(start, tmp_path, database, ignoring=SIGHUP)

    worker.send(SIGHUP)

    assert worker.wait() == 0
    assert_expired_once(shop, ids)


def test_p7_the_other_due_jobs_are_not_begun_after_sigterm(
    engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    shop = make_sessions(engine)
    shop.add(ROWS, age=YEARS)
    slow_rows(engine)
    config = write_settings(tmp_path, database, batch_rows=1, batch_time="1ms")
    worker = start(command_line, "run", "--due", config)
    worker.wait_for("run started")

    worker.send(SIGTERM)

    assert worker.wait() == 3
    assert [(run.job, run.state) for run in shop.runs()] == [(JOB, "cancelled")]


@pytest.mark.databases("sqlite")
def test_p9_processor_time_used_up_ends_it_like_sigterm(
    engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    shop = make_sessions(engine)
    config = write_settings(tmp_path, database)

    worker = start(one_second_of_processor, "run", "shop.think", config)

    assert worker.wait() == 3
    assert states(shop) == ["cancelled"]
    assert shop.runs()[-1].error == "stopped by SIGXCPU"
    assert worker.errors == ""


def one_second_of_processor(*words: str) -> int:
    """A child whose account gives it a second, as shared hosts do; at three it would be killed."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (1, 3))
    return command_line(*words)


@pytest.mark.parametrize("number", [SIGTERM, SIGINT], ids=["SIGTERM", "SIGINT"])
def test_p7_a_function_ends_at_its_next_check(
    number: Signals, engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    shop = make_sessions(engine)
    worker = start(command_line, "run", "shop.think", write_settings(tmp_path, database))
    worker.wait_for("run started")

    worker.send(number)

    assert worker.wait() == 3
    assert states(shop) == ["cancelled"]
    assert is_free(engine, "shop.think")


def test_p7_signals_are_as_before_after_a_run() -> None:
    """A product that calls Sexton inside its own process gets its handlers back."""
    from sexton.runs.stop_signals import Stop, on_signals

    before = signal.getsignal(SIGTERM)
    with on_signals(Stop()):
        assert signal.getsignal(SIGTERM) != before
    assert signal.getsignal(SIGTERM) == before
