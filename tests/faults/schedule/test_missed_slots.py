"""S2, S4, P12: slots that were missed, cut off, failed or crashed on: made up once, and never for ever."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from sexton.db.server_clock import ask_now
from sexton.db.tables import own_tables
from sexton.run_state import RunState
from sexton.slots.claim import claim, finish
from sexton.slots.due_run import DueRun
from sexton.slots.ending import Ending
from sexton.testing import run_job
from tests.faults.schedule import jobs
from tests.support.children import Break, command_line, run_shop_job, write_settings
from tests.support.database_checks import assert_expired_once, let_leases_end, states
from tests.support.sessions import Sessions, make_sessions
from tests.support.shop_jobs import MONTHLY
from tests.support.slow_rows import quick_rows, slow_rows
from tests.support.workers import Start, Worker

MONTH = timedelta(days=31)
YEARS = timedelta(days=3650)
Due = Callable[..., Worker]


@pytest.fixture
def shop(engine: Engine) -> Sessions:
    """Tables; no rows."""
    return make_sessions(engine)


@pytest.fixture
def due(database: str, tmp_path: Path, start: Start) -> Due:
    """`due("shop.failing")` is `sexton run --due shop.failing`, ended."""
    config = write_settings(tmp_path, database, jobs="tests.faults.schedule.jobs")

    def run(*names: str) -> Worker:
        worker = start(command_line, "run", "--due", config, *names)
        worker.wait()
        return worker

    return run


def ran_last(engine: Engine, job: str, ago: timedelta) -> None:
    """The job's newest run succeeded, for the slot that was due then."""
    with engine.connect() as connection:
        slot = MONTHLY.previous(ask_now(connection) - ago)
    claimed = claim(engine, DueRun(job, slot, slot), lease_seconds=10)
    finish(engine, claimed, Ending(RunState.SUCCEEDED), {})


def let_time_pass(engine: Engine, since: timedelta) -> None:
    """As if all runs had ended that much earlier."""
    runs = own_tables(engine.dialect.name).runs
    with engine.begin() as connection:
        for run in connection.execute(runs.select().where(runs.c.finished_at.is_not(None))).all():
            connection.execute(update(runs).where(runs.c.id == run.id).values(finished_at=run.finished_at - since))


def of(shop: Sessions, job: str) -> list[tuple[str, int]]:
    """(state, attempt) of a job's runs."""
    return [(run.state, run.attempt) for run in shop.runs() if run.job == job]


@pytest.mark.parametrize(
    ("job", "made_up"), [("rule.coalesced", 1), ("rule.each", 2), ("rule.punctual", 0)], ids=["coalesce", "all", "skip"]
)
def test_s4_down_over_many_slots(job: str, made_up: int, shop: Sessions, due: Due) -> None:
    """By default one run stands for all that were missed; each at most once, oldest first."""
    ran_last(shop.engine, job, ago=12 * MONTH)

    first, second = due(job), due(job)

    later = shop.runs()[1:]
    slots = [run.slot for run in later if run.state != "skipped"]
    assert len(slots) == made_up
    assert len(later) == max(made_up, 1), "a slot that is given up is on record, too"
    assert all(MONTHLY.next(earlier) == following for earlier, following in pairwise(slots))
    assert first.wait() == 0
    assert (second.wait(), second.output, second.errors) == (0, "", "")


def test_s4_the_newest_slot_is_the_one_that_is_made_up(shop: Sessions, due: Due) -> None:
    ran_last(shop.engine, "rule.coalesced", ago=12 * MONTH)

    due("rule.coalesced")

    newest = shop.runs()[-1]
    assert newest.slot == MONTHLY.previous(newest.started_at)


def test_s2_died_after_its_claim(shop: Sessions, database: str, tmp_path: Path, start: Start) -> None:
    """The claim is a lease, so the slot is not burned: refused while it stands, then taken as attempt 2."""
    ids = shop.add(3, age=YEARS)
    config = write_settings(tmp_path, database)
    with shop.engine.connect() as connection:
        slot = MONTHLY.previous(ask_now(connection))
    dead = start(run_shop_job, database, at=None, slot=slot, breaking=Break(claimed=True))
    assert dead.wait() == -signal.SIGKILL

    let_leases_end(shop.engine, seconds=300)
    early = start(command_line, "run", "--due", "shop.expire_sessions", config)
    assert (early.wait(), early.output, early.errors) == (75, "", "")
    assert shop.ids(status="expired") == []
    let_leases_end(shop.engine)
    late = start(command_line, "run", "--due", "shop.expire_sessions", config)

    assert late.wait() == 0
    assert json.loads(late.output.splitlines()[0])["attempt"] == 2
    assert of(shop, "shop.expire_sessions") == [("abandoned", 1), ("succeeded", 2)]
    assert_expired_once(shop, ids)


def test_s2_a_slot_that_was_cut_off_by_a_signal_is_tried_again(
    shop: Sessions, database: str, tmp_path: Path, start: Start
) -> None:
    ids = shop.add(4000, age=YEARS)
    slow_rows(shop.engine)
    words = ("run", "--due", "shop.expire_sessions")
    first = start(command_line, *words, write_settings(tmp_path, database, batch_rows=1, batch_time="1ms"))
    first.wait_for("run started")
    first.send(signal.SIGTERM)
    assert first.wait() == 3
    quick_rows(shop.engine)

    second = start(command_line, *words, write_settings(tmp_path, database))

    assert second.wait() == 0
    assert of(shop, "shop.expire_sessions") == [("cancelled", 1), ("succeeded", 2)]
    assert shop.runs()[0].slot == shop.runs()[1].slot
    assert_expired_once(shop, ids)


def test_a_failed_slot_without_a_retry_rule_waits_for_the_next_slot(shop: Sessions, due: Due) -> None:
    first, second = due("shop.failing"), due("shop.failing")

    assert first.wait() == 1
    assert "RuntimeError: the price list is empty" in first.output
    assert (second.wait(), second.output) == (0, "")
    assert of(shop, "shop.failing") == [("failed", 1)]


def test_a_failed_slot_is_retried_after_its_delay_as_often_as_the_rule_says(shop: Sessions, due: Due) -> None:
    """["1h", "6h"]: three attempts in all. The clock of the slot runs on meanwhile, so look at one slot only."""
    attempts = []
    for passed in (0, 30, 31, 5 * 60, 61, 24 * 60):
        let_time_pass(shop.engine, timedelta(minutes=passed))
        due("shop.retried")
        attempts.append(len(shop.runs()))

    assert attempts == [1, 1, 2, 2, 3, 3]
    assert of(shop, "shop.retried") == [("failed", 1), ("failed", 2), ("failed", 3)]


def test_p12_a_crash_does_not_count_against_the_next_slot(shop: Sessions, due: Due) -> None:
    with shop.engine.connect() as connection:
        slot = MONTHLY.previous(ask_now(connection) - MONTH)
    for _ in range(3):
        claim(shop.engine, DueRun("shop.other", slot, slot), lease_seconds=10)
        let_leases_end(shop.engine)

    assert due("shop.other").wait() == 0
    assert of(shop, "shop.other")[-1] == ("succeeded", 1)


def test_a_run_by_hand_does_not_use_up_the_slot(shop: Sessions, due: Due) -> None:
    by_hand = run_job(shop.engine, jobs.other)

    assert due("shop.other").wait() == 0
    assert by_hand.state == "succeeded"
    assert states(shop) == ["succeeded", "succeeded"]
    assert [run.slot is None for run in shop.runs()] == [True, False]
