"""Real workers of RQ: ours and RQ's own; whatever becomes of a worker, a work-horse, a run, a message."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from sqlalchemy import Engine

from sexton.engines.carrier import MessageKind
from sexton.engines.rq.engine import RqEngine
from tests.support.engine_workers import CarriedYard, carried_yard, own_worker, rq_command
from tests.support.redis_server import RedisServer
from tests.support.workers import Start, Worker

pytestmark = [pytest.mark.databases("postgres18")]

OURS = ("worker", "--worker-class", "sexton.engines.rq.Worker", "sexton.high", "sexton")
THEIRS = ("worker", "sexton.high", "sexton")


@pytest.fixture
def yard(engine: Engine, database: str, tmp_path: Path, start: Start, redis_url: str) -> Iterator[CarriedYard]:
    """Jobs carried by RQ; a run that is cut off is closed when its lease has run out, which no test waits for."""
    with carried_yard(engine, database, tmp_path, start, "rq", {"url": redis_url, "stop_limit": "1s"}) as yard:
        yield yard


def begun(yard: CarriedYard, url: str, *words: str) -> Worker:
    """A worker that listens: our own way, or by `rq` with these words."""
    known = workers(url)
    if words:
        worker = yard.carried_worker(rq_command, *words[:1], "--url", url, *words[1:])
    else:
        worker = yard.carried_worker(own_worker, "rq")
    yard.wait_until(lambda: bool(workers(url) - known) or not worker.runs)
    return worker


def workers(url: str) -> set[bytes]:
    """Keys of the workers that Redis knows."""
    with Redis.from_url(url) as client:
        found = client.smembers("rq:workers")
    assert isinstance(found, set)
    return found


def left_in_redis(url: str) -> list[bytes]:
    """Messages that are there in any state."""
    with Redis.from_url(url) as client:
        found = client.keys("rq:job:*")
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("words", [(), OURS, THEIRS], ids=["sexton worker", "rq worker, ours", "rq worker"])
def test_bj_25_2_each_of_rqs_workers_takes_our_runs(yard: CarriedYard, redis_url: str, words: tuple[str, ...]) -> None:
    worker = begun(yard, redis_url, *words)
    for number in yard.hand_on("calm.idle", "urgent.idle"):
        assert yard.ended(number).state == "succeeded"

    yard.wait_until(lambda: not left_in_redis(redis_url))  # no result is kept
    assert yard.carrier.health().workers == 1
    assert yard.counts.duplicates == 0
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert yard.carrier.health().workers == 0


@pytest.mark.parametrize("job", ["bad.spin", "bad.doze", "bad.brood"])
def test_p12_a_timeout_in_python_in_c_and_in_sql_is_ours_and_the_worker_lives(
    yard: CarriedYard, redis_url: str, job: str
) -> None:
    """RQ's alarm and ours are one timer: ours is set later, so it wins, and RQ's parent would come a minute after."""
    worker = begun(yard, redis_url)
    (bad,) = yard.hand_on(job)
    assert yard.ended(bad).state == "timed_out"
    (good,) = yard.hand_on("calm.idle")
    assert yard.ended(good).state == "succeeded"
    assert worker.runs


@pytest.mark.parametrize("words", [(), OURS], ids=["sexton worker", "rq worker, ours"])
def test_a_worker_of_ours_that_is_to_end_ends_its_run_which_another_takes_up(
    yard: CarriedYard, redis_url: str, words: tuple[str, ...]
) -> None:
    yard.trouble("settle.patient")
    worker = begun(yard, redis_url, *words)
    (number,) = yard.hand_on("settle.patient")
    yard.wait_for_run(number)

    worker.send(signal.SIGTERM)

    assert worker.wait() == 0
    ended = yard.ended(number)
    assert (ended.state, ended.outcome_code) == ("cancelled", "stopped")
    yard.settle()
    begun(yard, redis_url, *words)
    yard.submit()
    yard.wait_until(lambda: [run.state for run in yard.runs("settle.patient")] == ["cancelled", "succeeded"])
    assert yard.runs("settle.patient")[1].attempt == 2


def test_rqs_own_worker_that_is_to_end_waits_for_its_run(yard: CarriedYard, redis_url: str) -> None:
    yard.trouble("settle.patient")
    worker = begun(yard, redis_url, *THEIRS)
    (number,) = yard.hand_on("settle.patient")
    yard.wait_for_run(number)

    worker.send(signal.SIGTERM)
    yard.settle()

    assert worker.wait() == 0
    assert yard.ended(number).state == "succeeded"


def test_a_run_that_does_not_heed_the_end_of_its_worker_is_killed(yard: CarriedYard, redis_url: str) -> None:
    worker = begun(yard, redis_url)
    (number,) = yard.hand_on("bad.wander")
    horse = yard.wait_for_run(number)

    worker.send(signal.SIGTERM)

    assert worker.wait() == 0
    assert not Path(f"/proc/{horse}").exists()
    ended = yard.ended(number)
    assert (ended.state, ended.outcome_code) == ("cancelled", "stopped")


def test_s_a_run_outlives_its_worker_and_does_not_begin_twice(yard: CarriedYard, redis_url: str) -> None:
    """The work-horse renews its lease: its message may come again, by anybody, and changes nothing."""
    yard.trouble("settle.patient")
    worker = begun(yard, redis_url)
    (number,) = yard.hand_on("settle.patient")
    horse = yard.wait_for_run(number)
    worker.kill()
    begun(yard, redis_url)

    yard.bring(number)
    yard.wait_until(lambda: yard.counts.duplicates == 1)
    yard.settle()

    assert yard.ended(number).state == "succeeded"
    assert [run.attempt for run in yard.runs("settle.patient")] == [1]
    yard.wait_until(lambda: not Path(f"/proc/{horse}").exists())


def test_a_run_whose_work_horse_is_killed_is_on_record_at_once_and_its_worker_lives(
    yard: CarriedYard, redis_url: str
) -> None:
    """Not when its lease has run out, which is longer than this test."""
    yard.trouble("settle.patient")
    worker = begun(yard, redis_url)
    (number,) = yard.hand_on("settle.patient")
    os.kill(yard.wait_for_run(number), signal.SIGKILL)

    killed = yard.ended(number)

    assert (killed.state, killed.error) == ("failed", "its process was ended by SIGKILL")
    yard.settle()
    (again,) = yard.hand_on("settle.patient")
    assert yard.ended(again).state == "succeeded"
    assert worker.runs


def test_a_cancelled_run_is_stopped_and_its_worker_lives(yard: CarriedYard, redis_url: str) -> None:
    yard.trouble("settle.patient")
    worker = begun(yard, redis_url)
    (number,) = yard.hand_on("settle.patient")
    horse = yard.wait_for_run(number)

    yard.carrier.cancel(MessageKind.RUN, [number])

    yard.wait_until(lambda: not Path(f"/proc/{horse}").exists())
    (good,) = yard.hand_on("calm.idle")
    assert yard.ended(good).state == "succeeded"
    assert worker.runs


def test_sec_a_call_of_anything_else_in_our_queue_is_refused(yard: CarriedYard, redis_url: str, tmp_path: Path) -> None:
    """Whoever may write to Redis does not choose what our workers run."""
    begun(yard, redis_url)
    with Redis.from_url(redis_url) as client:
        queue = Queue("sexton", connection=client)
        bad = queue.enqueue(os.mkdir, str(tmp_path / "made"))
        odd = queue.enqueue("os.mkdir", str(tmp_path / "made"))
        (good,) = yard.hand_on("calm.idle")
        assert yard.ended(good).state == "succeeded"
        yard.wait_until(lambda: {bad.get_status(), odd.get_status()} == {"failed"})
    assert not (tmp_path / "made").exists()


def test_two_at_once_end_together_and_with_the_one_who_started_them(yard: CarriedYard, redis_url: str) -> None:
    yard.trouble("settle.patient", "other.patient")
    crew = yard.carried_worker(own_worker, "rq", 2)
    yard.wait_until(lambda: yard.carrier.health().workers == 2)
    numbers = yard.hand_on("settle.patient", "other.patient")
    for number in numbers:
        yard.wait_for_run(number)

    crew.send(signal.SIGTERM)

    assert crew.wait() == 0
    assert {yard.ended(number).state for number in numbers} == {"cancelled"}
    assert yard.carrier.health().workers == 0

    crew = yard.carried_worker(own_worker, "rq", 2)
    yard.wait_until(lambda: yard.carrier.health().workers == 2)
    crew.kill()
    yard.wait_until(lambda: yard.carrier.health().workers == 0)


def test_a_worker_goes_on_when_redis_is_back(
    engine: Engine, database: str, tmp_path: Path, start: Start, start_redis: Callable[..., RedisServer]
) -> None:
    server = start_redis()
    with carried_yard(engine, database, tmp_path, start, "rq", {"url": server.url}) as yard:
        worker = begun(yard, server.url)
        yard.trouble("settle.patient")
        (patient,) = yard.hand_on("settle.patient")
        yard.wait_for_run(patient)

        server.restart(crash=True, wiped=True)
        yard.settle()

        assert yard.ended(patient).state == "succeeded"
        (number,) = yard.hand_on("calm.idle")
        assert yard.ended(number).state == "succeeded"
        assert worker.runs
        assert isinstance(yard.carrier, RqEngine)
