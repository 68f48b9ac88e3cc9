"""BJ-25, S1 to S10: runs that an engine carries. Each case runs on every engine of `carriers.py`."""

from __future__ import annotations

import os
import signal

import pytest

from sexton.clock import parse_instant
from sexton.run_state import RunState
from tests.support.worker import assert_no_slot_twice

from .carried import CarriedYard

pytestmark = pytest.mark.databases("sqlite", "postgres15")


@pytest.mark.variants("celery, rabbitmq", "celery, redis, threads")
def test_bj_25_1_what_is_asked_for_runs_in_a_worker_of_the_engine(carried: CarriedYard) -> None:
    carried.scheduler()
    carried.worker()

    number = carried.yard.ask_for("carried.quick")

    assert carried.yard.ended(number).state == "succeeded"
    assert carried.row(number).engine == carried.carrier.name
    carried.end()


@pytest.mark.variants("celery, rabbitmq", "celery, redis, threads")
def test_bj_25_1_requests_with_arguments_are_carried_as_well(carried: CarriedYard) -> None:
    carried.make_notes()
    carried.scheduler()
    carried.worker()

    numbers = list(range(250))
    carried.enqueue("carried.note", numbers)

    carried.yard.wait_until(lambda: sorted(carried.notes()) == numbers)
    carried.end()


def test_s1_two_schedulers_two_workers_and_a_cron_make_one_run_a_slot(carried: CarriedYard) -> None:
    carried.enable("ticking")
    for _ in range(2):
        carried.scheduler()
        carried.worker()

    def ticked() -> int:
        return sum(run.state == "succeeded" for run in carried.yard.runs("carried.ticking"))

    carried.yard.wait_until(lambda: ticked() >= 2)
    cron = carried.sexton("run", "--due", "carried.ticking")
    cron.wait()
    carried.yard.wait_until(lambda: ticked() >= 5)

    assert_no_slot_twice(carried.yard.runs())
    carried.end()


def test_s1_a_cron_that_is_left_over_leaves_the_jobs_of_an_engine_to_it(carried: CarriedYard) -> None:
    carried.enable("ticking", "yearly")
    cron = carried.sexton("run", "--due")

    assert cron.wait() == 0, cron.errors
    assert carried.yard.runs() == []


@pytest.mark.variants("celery, redis, threads")
def test_s2_a_run_whose_process_was_killed_is_tried_again_or_known_to_have_failed(carried: CarriedYard) -> None:
    """Whoever sees its end at once knows that it died; where nobody does, its lease runs out, and it is tried again."""
    carried.make_notes()
    carried.scheduler()
    carried.worker()
    number = carried.yard.ask_for("carried.until_told")

    os.kill(carried.runs_in(number), signal.SIGKILL)

    ended = carried.yard.ended(number)
    if carried.carrier.watched:
        assert (ended.state, ended.error) == ("failed", "its process was ended by SIGKILL")
    else:
        assert ended.state == "abandoned"
        again = carried.yard.runs("carried.until_told")[-1]
        assert (again.attempt, again.id > number) == (2, True)
        carried.note()
        assert carried.yard.ended(again.id).state == "succeeded"
    carried.end()


@pytest.mark.variants("celery, rabbitmq", "celery, redis, threads")
def test_s2_when_its_worker_is_killed_a_run_goes_on_or_is_tried_again_and_ends_once(carried: CarriedYard) -> None:
    carried.make_notes()
    carried.scheduler()
    worker = carried.worker()
    number = carried.yard.ask_for("carried.until_told")
    carried.runs_in(number)

    worker.kill()
    carried.worker()
    if not carried.carrier.outlives:
        assert carried.yard.ended(number).state in ("cancelled", "abandoned")
    carried.note()

    carried.yard.wait_until(lambda: all(run.finished_at for run in carried.yard.runs("carried.until_told")))
    runs = carried.yard.runs("carried.until_told")
    assert sum(run.state == "succeeded" for run in runs) == 1
    assert [run.attempt for run in runs] == ([1] if carried.carrier.outlives else [1, 2])
    carried.end()


def test_s2_when_its_scheduler_is_killed_another_one_goes_on(carried: CarriedYard) -> None:
    carried.enable("ticking")
    first, second = carried.scheduler(), carried.scheduler()
    carried.worker()
    carried.yard.ended(carried.yard.ask_for("carried.quick"))

    first.kill()
    second.wait_for('"leading"')

    assert carried.yard.ended(carried.yard.ask_for("carried.quick")).state == "succeeded"
    assert_no_slot_twice(carried.yard.runs())
    carried.end()


def test_s3_what_takes_longer_than_its_interval_waits_once_at_most(carried: CarriedYard) -> None:
    carried.enable("slow_tick", "ticking")
    carried.make_notes()
    carried.scheduler()
    carried.worker()

    def running() -> list[RunState]:
        return [run.state for run in carried.yard.runs("carried.slow_tick")]

    carried.yard.wait_until(lambda: RunState.RUNNING in running())
    carried.yard.wait_until(lambda: sum(run.job == "carried.ticking" for run in carried.yard.runs()) >= 4)
    assert running() == [RunState.RUNNING], "no later slot overlaps it, and none is piled up"
    carried.note()

    carried.yard.wait_until(lambda: running().count(RunState.SUCCEEDED) >= 2)
    assert carried.yard.runs("carried.slow_tick")[1].missed >= 1
    carried.end()


def test_s4_a_slot_that_was_missed_is_made_up_once(carried: CarriedYard) -> None:
    """S10: it looks at rows as of its start and not of its slot, so nothing of the days between is left out."""
    carried.enable("yearly")
    carried.scheduler()
    carried.worker()

    carried.yard.wait_until(lambda: bool(carried.yard.runs("carried.yearly")))
    run = carried.yard.ended(carried.yard.runs("carried.yearly")[0].id)

    assert (run.state, run.attempt) == ("succeeded", 1)
    assert run.slot is not None
    assert (run.slot.month, run.slot.day) == (1, 1)
    row = carried.row(run.id)
    assert row.as_of >= row.submitted_at > row.slot
    carried.end()


@pytest.mark.variants("celery, rabbitmq", "celery, redis, threads")
def test_s5_a_number_that_comes_twice_runs_once_and_is_counted(carried: CarriedYard) -> None:
    """During the run and after it."""
    carried.make_notes()
    carried.scheduler()
    carried.worker(3)
    number = carried.yard.ask_for("carried.until_told")
    carried.runs_in(number)
    carried.deliver(number, number)
    carried.yard.wait_until(lambda: carried.counts().duplicates == 2)
    carried.note()
    assert carried.yard.ended(number).state == "succeeded"

    carried.deliver(number)

    carried.yard.wait_until(lambda: carried.counts().duplicates == 3)
    assert len(carried.yard.runs("carried.until_told")) == 1
    carried.end()


@pytest.mark.variants("celery, rabbitmq")
def test_s5_requests_that_come_twice_run_once(carried: CarriedYard) -> None:
    carried.make_notes()
    numbers = carried.enqueue("carried.note", range(30))
    for _ in range(3):
        carried.deliver_requests(numbers)
    carried.worker()

    carried.yard.wait_until(lambda: carried.counts().duplicates == 60)
    carried.yard.wait_until(lambda: len(carried.notes()) >= 30)  # those of a second worker may still be under way

    assert sorted(carried.notes()) == list(range(30))
    carried.end()


def test_s6_a_slot_that_waits_when_its_job_is_paused_is_not_begun_before_it_is_resumed(carried: CarriedYard) -> None:
    carried.enable("yearly")
    scheduler = carried.scheduler()
    carried.yard.wait_until(lambda: any(run.job == "carried.yearly" for run in carried.yard.runs()))
    number = carried.yard.runs("carried.yearly")[0].id
    carried.yard.wait_until(lambda: carried.is_submitted(number))
    assert carried.sexton("pause", "carried.yearly", "--reason", "a test").wait() == 0
    carried.worker()
    assert carried.yard.ended(carried.yard.ask_for("carried.quick")).state == "succeeded"
    carried.yard.wait_until(lambda: not carried.is_submitted(number))
    assert carried.row(number).state == "queued"

    assert carried.sexton("resume", "carried.yearly").wait() == 0

    assert carried.yard.ended(number).state == "succeeded"
    assert scheduler.runs
    carried.end()


@pytest.mark.variants("celery, rabbitmq", "celery, redis, threads")
def test_s7_many_due_at_once_all_run_once(carried: CarriedYard) -> None:
    carried.scheduler()
    numbers = [carried.yard.ask_for(f"carried.many_{number}") for number in range(20)]
    carried.worker(4)

    ended = [carried.yard.ended(number) for number in numbers]

    assert {run.state for run in ended} == {"succeeded"}
    carried.end()


def test_s7_jobs_of_one_group_never_run_beside_each_other(carried: CarriedYard) -> None:
    carried.make_notes()
    carried.scheduler()
    carried.worker(3)
    first = carried.yard.ask_for("pair.first")
    carried.runs_in(first)
    second = carried.yard.ask_for("pair.second")
    assert carried.yard.ended(carried.yard.ask_for("carried.quick")).state == "succeeded"
    assert carried.row(second).submissions is None

    carried.note()

    done = carried.yard.ended(second)
    before = carried.yard.ended(first)
    assert before.finished_at is not None
    assert done.started_at >= before.finished_at
    carried.end()


def test_s8_what_failed_rests_however_often_it_is_brought(carried: CarriedYard) -> None:
    """Its rest is that of its row: neither the engine nor who brings its number anew runs over what has just failed."""
    carried.enable("failing", "ticking")
    carried.scheduler()
    carried.worker()
    carried.yard.wait_until(lambda: bool(carried.yard.runs("carried.failing")))
    failed = carried.yard.ended(carried.yard.runs("carried.failing")[0].id)
    assert failed.state == "failed"

    carried.deliver(failed.id, failed.id)

    carried.yard.wait_until(lambda: carried.counts().duplicates == 2)
    carried.yard.wait_until(lambda: sum(run.job == "carried.ticking" for run in carried.yard.runs()) >= 4)
    assert [run.id for run in carried.yard.runs("carried.failing")] == [failed.id]
    carried.end()


def test_s9_an_interval_of_thirty_days_is_not_due_again_today(carried: CarriedYard) -> None:
    carried.enable("monthly", "ticking")
    carried.scheduler()
    carried.worker()

    carried.yard.wait_until(lambda: sum(run.job == "carried.ticking" for run in carried.yard.runs()) >= 4)

    assert len(carried.yard.runs("carried.monthly")) <= 1
    assert parse_instant("2020-01-01T00:00Z") < carried.yard.runs("carried.ticking")[0].started_at
    carried.end()
