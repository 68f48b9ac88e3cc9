"""The batch loop: its pace, its limits of time and rows, what it keeps of a run that ends early."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import Engine

from sexton import Job
from sexton.run_counts import Counts
from sexton.runs.context import Limits
from sexton.runs.outcome import Outcome
from sexton.runs.stop_signals import Stop
from sexton.testing import preview_job, run_job
from tests.support.database_checks import assert_expired_once, is_free, states
from tests.support.pace import UNHURRIED, RunClock
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, Sessions, make_sessions
from tests.support.slow_rows import changing_is_endless, changing_takes

HOUR = timedelta(hours=1)


def sizes_of(shop: Sessions, job: Job, limits: Limits) -> tuple[Outcome, list[int]]:
    """Run the job; how many rows each committed batch took."""
    so_far = [0]

    def watch(_step: str, counts: Counts) -> None:
        so_far.append(counts.picked)

    outcome = run_job(shop.engine, job, at=NOON, limits=limits, watch=watch)
    return outcome, [after - before for before, after in pairwise(so_far)]


@pytest.mark.usefixtures("no_ceiling")
def test_slow_rows_make_batches_smaller(engine: Engine) -> None:
    """Four milliseconds a row, and six aimed for (four times that on SQLite): a few rows a batch, from whatever."""
    shop = make_sessions(engine)
    ids = shop.add(150, age=HOUR)
    changing_takes(engine, 0.004)

    outcome, sizes = sizes_of(shop, shop.expire(), replace(UNHURRIED, rows=40, batch=0.006))

    assert outcome.state == "succeeded"
    assert sizes[0] == 40
    assert min(sizes[1:-1]) <= 8, sizes
    assert_expired_once(shop, ids)


@pytest.mark.usefixtures("no_ceiling")
def test_quick_rows_make_batches_larger(engine: Engine) -> None:
    """Quick for whoever aims for an hour, whatever the machine does."""
    shop = make_sessions(engine)
    shop.add(900, age=HOUR)

    outcome, sizes = sizes_of(shop, shop.purge(), replace(UNHURRIED, rows=10, batch=3600.0))

    assert outcome.total.changed == 900
    assert sizes[:3] == [10, 40, 160]


@pytest.mark.databases("postgres")
def test_a_batch_that_takes_too_long_is_cut_off_and_never_tried_so_large_again(engine: Engine) -> None:
    """150 rows of 4 ms would hold their locks for 0.6 s; what is committed has taken 0.25 s at most."""
    shop = make_sessions(engine)
    ids = shop.add(150, age=HOUR)
    changing_takes(engine, 0.004)

    outcome, sizes = sizes_of(shop, shop.expire(), replace(UNHURRIED, rows=150))

    assert outcome.state == "succeeded"
    assert max(sizes) <= 0.25 / 0.004
    assert_expired_once(shop, ids)


def test_a_single_row_that_takes_too_long_fails_the_run_and_says_what_is_missing(engine: Engine) -> None:
    shop = make_sessions(engine)
    ids = shop.add(6, age=HOUR)
    changing_is_endless(engine, when="old.id = 4")

    limits = replace(UNHURRIED, rows=3)

    def watch(_step: str, counts: Counts) -> None:
        if counts.picked == 3:  # what comes now is the endless row, and nothing has to go through any more
            object.__setattr__(limits, "statement", 0.3)

    outcome = run_job(engine, shop.expire(), at=NOON, limits=limits, watch=watch)

    assert (outcome.state, outcome.exit_code) == ("failed", 1)
    assert outcome.error == "a batch of one row takes more than 0.3 s; change_sessions needs an index"
    assert_expired_once(shop, ids[:3])
    assert is_free(engine, "shop.expire_sessions")


@pytest.mark.parametrize("job", ["expire", "purge"])
def test_rows_that_become_due_while_it_runs_are_left_to_the_next_run(job: str, engine: Engine) -> None:
    """T12: the run's time is taken once."""
    shop = make_sessions(engine)
    shop.add(3, age=HOUR)
    shop.one(9, NOON + timedelta(seconds=1))

    first = run_job(engine, getattr(shop, job)(), at=NOON)
    second = run_job(engine, getattr(shop, job)(), at=NOON + timedelta(minutes=1))

    assert (first.total.changed, second.total.changed) == (3, 1)


def test_the_run_row_says_how_many_batches_were_committed(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(30, age=HOUR)

    _, sizes = sizes_of(shop, shop.expire(), replace(UNHURRIED, rows=5))

    assert shop.runs()[0].batches == len(sizes)
    assert shop.runs()[0].counts == {"change_sessions": {"picked": 30, "changed": 30, "told": 60}}


def test_past_its_timeout_a_run_ends_and_keeps_what_is_done(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes after the first batch that has done something."""
    shop = make_sessions(engine)
    ids = shop.add(300, age=HOUR)
    clock = RunClock(monkeypatch)
    job = replace(shop.expire(), timeout="1h")

    def watch(_step: str, counts: Counts) -> None:
        if counts.changed:
            clock.forward(3600)

    first = run_job(engine, job, at=NOON, slot=NOON, limits=replace(UNHURRIED, rows=5), watch=watch)
    done = shop.ids(status="expired")

    assert (first.state, first.exit_code, first.error) == ("timed_out", 1, "its timeout passed")
    assert 0 < len(done) <= 5
    assert first.total.changed == len(done)
    assert_expired_once(shop, done)
    assert states(shop) == ["timed_out"]
    assert is_free(engine, "shop.expire_sessions")
    assert done == ids[: len(done)], "oldest first"


def test_the_timeout_ends_a_statement_too(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only between batches: the last statement gets no longer than what is left. It would take ten minutes."""
    shop = make_sessions(engine)
    shop.add(1, age=HOUR)
    changing_is_endless(engine, when="old.id = 1")
    clock, job = RunClock(monkeypatch), replace(shop.expire(), timeout="1h")
    limits = replace(UNHURRIED, rows=1, statement=3600)
    began = time.monotonic()

    run = run_job(engine, job, at=NOON, limits=limits, started=lambda _: clock.forward(3600 - 0.3))

    assert run.state == "timed_out"
    assert time.monotonic() - began < PATIENCE


def test_asked_to_stop_it_ends_after_the_batch_in_hand(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(1000, age=HOUR)
    stop = Stop()
    done_when_asked: list[int] = []

    def enough(_step: str, counts: Counts) -> None:
        if counts.picked >= 20 and not stop.asked:
            stop.ask("enough")
            done_when_asked.append(counts.picked)

    run = run_job(engine, shop.expire(), at=NOON, limits=replace(UNHURRIED, rows=10), stop=stop, watch=enough)

    assert (run.state, run.error, run.exit_code) == ("cancelled", "enough", 3)
    assert [run.total.changed] == [len(shop.ids(status="expired"))] == done_when_asked
    assert_expired_once(shop, shop.ids(status="expired"))


def test_asked_before_the_first_batch_nothing_is_done(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(10, age=HOUR)
    stop = Stop()
    stop.ask("stopped by SIGTERM")

    run = run_job(engine, shop.expire(), at=NOON, stop=stop)

    assert (run.state, run.total) == ("cancelled", Counts())
    assert_expired_once(shop, [])


@pytest.mark.parametrize("job", ["expire", "purge"])
@pytest.mark.parametrize("indexed", [True, False], ids=["with an index", "without"])
@pytest.mark.parametrize("limit", [0, 1, 7, 30, 31])
def test_a_limit_of_rows_is_exact_and_takes_the_oldest(limit: int, indexed: bool, job: str, engine: Engine) -> None:
    shop = make_sessions(engine, indexed=indexed)
    ids = shop.add(30, age=HOUR)

    run = run_job(engine, getattr(shop, job)(), at=NOON, limits=replace(UNHURRIED, rows=5, row_limit=limit))

    taken = min(limit, 30)
    assert run.total.picked == run.total.changed == taken
    assert (shop.ids() if job == "purge" else shop.ids(status="open")) == ids[taken:]
    assert run.state == "succeeded"


def test_a_limit_holds_for_each_step(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(10, age=HOUR)
    both = Job("shop.both", work=[shop.expire().work, shop.purge().work])

    run = run_job(engine, both, at=NOON, limits=replace(UNHURRIED, row_limit=4))

    assert {step: counts.picked for step, counts in run.steps.items()} == {"change_sessions": 4, "purge_sessions": 4}


@pytest.mark.parametrize("job", ["expire", "purge", "warn"])
def test_an_empty_table_is_no_work_and_no_error(job: str, engine: Engine) -> None:
    shop = make_sessions(engine)

    run = run_job(engine, getattr(shop, job)(), at=NOON)

    assert (run.state, run.exit_code, run.total) == ("succeeded", 0, Counts())
    assert preview_job(engine, getattr(shop, job)(), at=NOON).total == Counts()
