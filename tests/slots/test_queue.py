"""Runs that somebody asked for: one however many ask at once, and asked for again when a deploy or a crash ended it."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest
from sqlalchemy import Engine

from sexton import Job, Run
from sexton.db.connect import open_database
from sexton.errors import HeldElsewhere
from sexton.runs.runner import RunOptions
from sexton.runs.runner import run as execute
from sexton.runs.stop_signals import Stop
from sexton.slots.claim import claim, reap
from sexton.slots.due_run import DueRun
from sexton.slots.history import RunRecord, history
from sexton.slots.queue import enqueue, waiting
from tests.support.database_checks import let_leases_end
from tests.support.patience import PATIENCE

SLOW = Job("shop.slow", work=print)


def ask(engine: Engine, job: Job = SLOW) -> int:
    """The number of the run."""
    with engine.begin() as connection:
        return enqueue(connection, job, by="anna@host")[0]


def runs(engine: Engine) -> list[RunRecord]:
    """Oldest first."""
    with engine.connect() as connection:
        return sorted(history(connection, limit=100), key=lambda run: run.id)


def test_s5_many_who_ask_in_the_same_moment_get_one_run(engine: Engine, database: str) -> None:
    together, answers = Barrier(4), list[tuple[int, bool]]()

    def one() -> None:
        mine = open_database(database)
        together.wait(PATIENCE)
        with mine.begin() as connection:
            answers.append(enqueue(connection, SLOW, by="anna@host"))
        mine.dispose()

    threads = [Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({number for number, _ in answers}) == 1
    assert sorted(new for _, new in answers) == [False, False, False, True]
    assert len(runs(engine)) == 1


@pytest.mark.parametrize(("cause", "tries"), [("deploy", 10), ("lock", 3)])
def test_a_run_that_was_cut_off_waits_again_longer_if_that_is_no_fault_of_the_job(
    cause: str, tries: int, engine: Engine
) -> None:
    stop = Stop()

    def work(run: Run) -> None:
        if cause == "lock":
            raise HeldElsewhere("blocked: sessions is locked by others")
        stop.ask("stopped by SIGTERM")
        run.check()

    job = Job("shop.slow", work=work)
    number = ask(engine, job)
    for _ in range(tries):
        assert execute(engine, job, DueRun(job.name, queued=number), RunOptions(stop=stop)).state == "cancelled"
        with engine.connect() as connection:
            (number,) = [run for run, _ in waiting(connection)] or [0]

    assert number == 0, "the last time it is left"
    assert [(run.state, run.attempt, run.asked_by) for run in runs(engine)] == [
        ("cancelled", attempt, "anna@host") for attempt in range(1, tries + 1)
    ]


@pytest.mark.parametrize("by", ["reaper", "claim"])
def test_p7_a_run_whose_process_died_waits_again(by: str, engine: Engine) -> None:
    claim(engine, DueRun(SLOW.name, queued=ask(engine)), lease_seconds=3600.0)
    let_leases_end(engine)

    if by == "reaper":
        with engine.begin() as connection:
            assert reap(connection) == 1
    else:
        claim(engine, DueRun(SLOW.name), lease_seconds=3600.0)

    assert [(run.state, run.attempt) for run in runs(engine)][:2] == [("abandoned", 1), ("queued", 2)]


def test_a_run_by_hand_is_not_asked_for_again(engine: Engine) -> None:
    claim(engine, DueRun(SLOW.name), lease_seconds=3600.0)
    let_leases_end(engine)

    with engine.begin() as connection:
        reap(connection)

    assert [run.state for run in runs(engine)] == ["abandoned"]


def test_one_that_waits_already_stands_for_the_one_that_died(engine: Engine) -> None:
    claim(engine, DueRun(SLOW.name, queued=ask(engine)), lease_seconds=3600.0)
    ask(engine)
    let_leases_end(engine)

    with engine.begin() as connection:
        reap(connection)

    assert [(run.state, run.attempt) for run in runs(engine)] == [("abandoned", 1), ("queued", 1)]
