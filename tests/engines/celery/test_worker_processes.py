"""Workers of Celery, as processes: what becomes of runs when those end, are killed, or lose their broker."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.contracts.carried import CarriedYard
from tests.support.leaks import runs as process_runs

from .conftest import MakeYard
from .watched import children_of, counted, process_of, running

pytestmark = pytest.mark.databases("sqlite")

JOBS = "tests.support.celery_jobs"


def ready(yard: CarriedYard, words: str = "sexton.high", **options: int) -> None:
    """A scheduler and a worker that takes messages."""
    yard.scheduler()
    yard.worker(**options)
    yard.workers[-1].wait_for(words)


def test_a_child_of_the_pool_executes_and_the_worker_keeps_no_connection(celery_yard: MakeYard) -> None:
    """Fork: nothing is connected before it, and the child is the process of its run."""
    yard = celery_yard("redis", jobs=JOBS)
    ready(yard, concurrency=2)

    for _ in range(3):
        run = yard.yard.ended(yard.yard.ask_for("celery.where"))
        pid = process_of(run)
        assert (run.state, run.total.picked) == ("succeeded", pid)
        assert pid in children_of(yard.workers[0].pid)

    files = {os.readlink(fd) for fd in Path(f"/proc/{yard.workers[0].pid}/fd").iterdir() if fd.exists()}
    assert not any(str(yard.yard.engine.url.database) in file for file in files)
    yard.end()
    assert yard.workers[0].exit_code == 0


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_a_shared_process_hands_runs_to_executors(pool: str, celery_yard: MakeYard) -> None:
    """It may not die with a run: strangers' tasks are in it. Its end ends the batch in hand."""
    yard = celery_yard("redis", jobs=JOBS, pool=pool)
    ready(yard, concurrency=1)
    worker = yard.workers[0]

    first = yard.yard.ended(yard.yard.ask_for("celery.where"))
    assert first.state == "succeeded"
    assert process_of(first) in children_of(worker.pid)
    yard.yard.ask_for("celery.linger")
    run = running(yard, "celery.linger")
    worker.send(signal.SIGTERM)

    assert worker.wait() == 0
    assert (yard.yard.ended(run.id).state, yard.yard.ended(run.id).outcome_code) == ("cancelled", "stopped")


def test_sigterm_ends_the_batch_in_hand_and_another_worker_goes_on(celery_yard: MakeYard) -> None:
    """Celery tells its main process only, and waits for its tasks: ours are told by us."""
    yard = celery_yard("rabbitmq", jobs=JOBS)
    ready(yard, concurrency=2)
    for job in ("celery.linger", "celery.second"):
        yard.yard.ask_for(job)
    first = [running(yard, job) for job in ("celery.linger", "celery.second")]

    yard.workers[0].send(signal.SIGTERM)

    assert yard.workers[0].wait() == 0
    assert {yard.yard.ended(run.id).outcome_code for run in first} == {"stopped"}
    yard.worker(concurrency=2)
    again = [running(yard, job) for job in ("celery.linger", "celery.second")]
    assert {run.id for run in again}.isdisjoint(run.id for run in first)


def test_a_soft_shutdown_lets_runs_end_their_batch(celery_yard: MakeYard) -> None:
    """SIGQUIT, which SIGTERM is on Heroku: they are told when the wait for them begins, not after it."""
    yard = celery_yard("redis", jobs=JOBS, lines="stop_limit = '10m'")
    ready(yard, concurrency=1)
    yard.yard.ask_for("celery.linger")
    run = running(yard, "celery.linger")

    yard.workers[0].send(signal.SIGQUIT)

    assert yard.yard.ended(run.id).outcome_code == "stopped"
    assert yard.workers[0].runs  # it waits for ten minutes


def test_the_children_of_a_killed_worker_end(celery_yard: MakeYard) -> None:
    """S2: kill -9 of the worker. Its children die with it, idle ones too; the run begins again elsewhere."""
    yard = celery_yard("redis", jobs=JOBS)
    ready(yard, concurrency=2)
    yard.yard.ask_for("celery.linger")
    run = running(yard, "celery.linger")
    children = children_of(yard.workers[0].pid)
    assert process_of(run) in children

    yard.workers[0].kill()

    yard.yard.wait_until(lambda: not any(map(process_runs, children)))
    yard.worker(concurrency=1)
    assert running(yard, "celery.linger").id != run.id


def test_a_killed_child_costs_its_run_only(celery_yard: MakeYard) -> None:
    """S2: kill -9 of a child. Its lease runs out, the run is tried again by a fresh child; its sibling goes on."""
    yard = celery_yard("redis", jobs=JOBS)
    ready(yard, concurrency=2)
    for job in ("celery.linger", "celery.second"):
        yard.yard.ask_for(job)
    killed, sibling = running(yard, "celery.linger"), running(yard, "celery.second")

    os.kill(process_of(killed), signal.SIGKILL)

    assert yard.yard.ended(killed.id).state == "abandoned"
    again = running(yard, "celery.linger")
    assert process_of(again) != process_of(killed)
    assert running(yard, "celery.second").id == sibling.id
    assert yard.workers[0].runs


def test_a_child_whose_run_alone_was_ended_takes_the_next(celery_yard: MakeYard) -> None:
    """`celery control terminate` sends SIGTERM to the child: the run ends its batch, the child goes on."""
    yard = celery_yard("redis", jobs=JOBS)
    ready(yard, concurrency=1)
    yard.yard.ask_for("celery.linger")
    run = running(yard, "celery.linger")

    os.kill(process_of(run), signal.SIGTERM)

    assert yard.yard.ended(run.id).outcome_code == "stopped"
    assert process_of(running(yard, "celery.linger")) == process_of(run)


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_a_number_that_comes_again_is_counted_and_done_once(broker: str, celery_yard: MakeYard) -> None:
    """S5: redelivered during the run, and after it."""
    yard = celery_yard(broker, jobs=JOBS)
    ready(yard, concurrency=2)
    number = yard.yard.ask_for("celery.linger")
    run = running(yard, "celery.linger")

    yard.deliver(number, number)
    yard.yard.wait_until(lambda: counted(yard).duplicates == 2)
    yard.workers[0].send(signal.SIGTERM)
    assert yard.yard.ended(run.id).outcome_code == "stopped"
    yard.workers[0].wait()
    yard.worker(concurrency=2)
    yard.deliver(number)
    yard.yard.wait_until(lambda: counted(yard).duplicates == 3)

    assert [one.id for one in yard.yard.runs("celery.linger") if one.id == number] == [number]


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_a_run_outlives_its_broker_and_the_next_is_carried(broker: str, celery_yard: MakeYard) -> None:
    """The broker is killed and comes back empty: the run under way goes on, and what was lost is submitted again."""
    yard = celery_yard(broker, jobs=JOBS)
    ready(yard, concurrency=2)
    yard.yard.ask_for("celery.linger")
    run = running(yard, "celery.linger")

    yard.carrier.stop_broker()
    number = yard.yard.ask_for("celery.where")
    yard.schedulers[0].wait_for('"engine does not answer"')
    yard.carrier.start_broker(wiped=True)

    assert yard.yard.ended(number).state == "succeeded"
    assert running(yard, "celery.linger").id == run.id
    yard.schedulers[0].wait_for('"engine answers again"')
