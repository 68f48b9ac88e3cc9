"""BJ-25: what goes wrong between a scheduler, an engine and its workers. Each case runs on every engine."""

from __future__ import annotations

import os
import signal

import pytest
from sqlalchemy import select

from sexton.db.connect import read_only
from sexton.db.tables import own_tables
from tests.support.patience import PATIENCE

from .carried import CarriedYard

pytestmark = pytest.mark.databases("sqlite", "postgres15")


def incidents(carried: CarriedYard) -> list[tuple[str, str, bool]]:
    """Engine, kind, and whether it is over."""
    table = own_tables(carried.yard.engine.dialect.name).incidents.c
    with read_only(carried.yard.engine) as connection:
        asked = select(table.job, table.kind, table.closed_at).order_by(table.id)
        return [(row.job, row.kind, row.closed_at is not None) for row in connection.execute(asked)]


@pytest.mark.variants("celery, rabbitmq")
def test_a_broker_that_is_down_loses_nothing_and_is_told_about(carried: CarriedYard) -> None:
    scheduler = carried.scheduler()
    carried.worker()
    carried.yard.ended(carried.yard.ask_for("carried.quick"))
    carried.carrier.stop_broker()
    numbers = [carried.yard.ask_for("carried.quick"), carried.yard.ask_for("carried.many_1")]
    scheduler.wait_for("engine does not answer")
    name = carried.carrier.name
    carried.yard.wait_until(lambda: (name, "engine_down", False) in incidents(carried))

    carried.carrier.start_broker(wiped=False)

    assert {carried.yard.ended(number, 2 * PATIENCE).state for number in numbers} == {"succeeded"}
    carried.yard.wait_until(lambda: (name, "engine_down", True) in incidents(carried))
    assert scheduler.output.count("engine does not answer") == 1
    carried.end()


@pytest.mark.variants("celery, rabbitmq")
def test_a_broker_that_comes_back_wiped_gets_everything_again(carried: CarriedYard) -> None:
    carried.make_notes()
    carried.scheduler()
    runs = [carried.yard.ask_for(f"carried.many_{number}") for number in range(5)]
    carried.enqueue("carried.note", range(5))
    carried.yard.wait_until(lambda: all(carried.is_submitted(number) for number in runs))
    carried.yard.wait_until(lambda: carried.submitted_requests() == 5)

    carried.carrier.stop_broker()
    carried.carrier.start_broker(wiped=True)
    carried.worker()
    carried.let_time_pass(61)

    assert {carried.yard.ended(number).state for number in runs} == {"succeeded"}
    carried.yard.wait_until(lambda: sorted(carried.notes()) == list(range(5)))
    assert carried.counts().resubmitted >= 5
    carried.end()


@pytest.mark.variants("celery, rabbitmq")
def test_an_engine_that_begins_nothing_gets_one_number_again_and_not_all(carried: CarriedYard) -> None:
    carried.scheduler()
    runs = [carried.yard.ask_for(f"carried.many_{number}") for number in range(5)]
    carried.yard.wait_until(lambda: all(carried.is_submitted(number) for number in runs))

    carried.let_time_pass(400)

    carried.yard.wait_until(lambda: carried.counts().resubmitted == 1)
    carried.worker()
    assert {carried.yard.ended(number).state for number in runs} == {"succeeded"}
    carried.end()


@pytest.mark.variants("celery, redis, threads")
@pytest.mark.parametrize("job", ["spin", "doze", "brood"])
def test_a_run_past_its_timeout_is_timed_out_and_the_worker_lives(carried: CarriedYard, job: str) -> None:
    """In Python, in C that keeps the interpreter to itself, in the database."""
    if job == "brood" and carried.yard.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has nothing that sleeps")
    carried.scheduler()
    worker = carried.worker()

    number = carried.yard.ask_for(f"carried.{job}")

    assert carried.yard.ended(number).state == "timed_out"
    assert carried.yard.ended(carried.yard.ask_for("carried.quick")).state == "succeeded"
    assert worker.runs
    carried.end()


@pytest.mark.variants("celery, redis, threads")
def test_a_request_that_is_cancelled_while_it_waits_in_the_engine_never_starts(carried: CarriedYard) -> None:
    carried.make_notes()
    carried.scheduler()
    first, second = carried.enqueue("carried.note", [1, 2])
    carried.yard.wait_until(lambda: carried.submitted_requests() == 2)

    assert carried.cancel(first)
    carried.worker()

    carried.yard.wait_until(lambda: carried.notes() == [2])
    carried.yard.wait_until(lambda: carried.counts().duplicates >= 1)
    assert carried.notes() == [2]
    assert second > first
    carried.end()


@pytest.mark.variants("celery, redis, threads")
def test_a_request_that_is_cancelled_while_it_runs_ends(carried: CarriedYard) -> None:
    carried.make_notes()
    carried.scheduler()
    carried.worker()
    (number,) = carried.enqueue("carried.slow_note", [1])
    carried.yard.wait_until(lambda: carried.running_requests() == 1)

    assert carried.cancel(number)

    carried.yard.wait_until(lambda: carried.running_requests() == 0)
    carried.note(7)
    assert carried.notes() == [7]
    carried.end()


@pytest.mark.variants("celery, rabbitmq", "celery, redis, threads")
def test_a_worker_that_is_asked_to_end_lets_its_runs_end_their_batch_and_others_take_them(carried: CarriedYard) -> None:
    carried.make_notes()
    carried.scheduler()
    worker = carried.worker()
    number = carried.yard.ask_for("carried.until_told")
    carried.runs_in(number)

    worker.send(signal.SIGTERM)

    assert carried.yard.ended(number).state == "cancelled"
    worker.wait()
    carried.note()
    carried.worker()
    carried.yard.wait_until(lambda: carried.yard.runs("carried.until_told")[-1].state == "succeeded")
    assert len(carried.yard.runs("carried.until_told")) == 2
    carried.end()


@pytest.mark.variants("celery, redis, threads")
def test_a_request_whose_process_was_killed_is_taken_up_again(carried: CarriedYard) -> None:
    carried.make_notes()
    carried.scheduler()
    carried.worker()
    carried.enqueue("carried.slow_note", [1])
    carried.yard.wait_until(lambda: carried.running_requests() == 1)

    os.kill(carried.holds_requests(), signal.SIGKILL)  # the child, or the worker whose executor it was
    carried.note(7)
    carried.worker()

    carried.yard.wait_until(lambda: sorted(carried.notes()) == [1, 7])
    carried.end()


def test_bj_25_3_an_engine_is_switched_with_a_hundred_in_flight_and_back(carried: CarriedYard) -> None:
    """No draining: whoever has a number finds its row, and one begins it."""
    carried.make_notes()
    scheduler = carried.scheduler()
    runs = [carried.yard.ask_for(f"carried.many_{number}") for number in range(20)]
    requests = carried.enqueue("carried.note", range(80))
    carried.yard.wait_until(lambda: all(carried.is_submitted(number) for number in runs))
    carried.yard.wait_until(lambda: carried.submitted_requests() == 80)
    scheduler.send(signal.SIGTERM)
    scheduler.wait()

    carried.set_engine("worker")
    ours = carried.sexton("worker", "--concurrency", "2")
    carried.yard.wait_until(lambda: len(carried.notes()) >= 40)
    carried.set_engine(carried.carrier.name)
    theirs = carried.worker()

    assert {carried.yard.ended(number).state for number in runs} == {"succeeded"}
    carried.yard.wait_until(lambda: len(carried.notes()) >= 80)
    ours.send(signal.SIGTERM)
    ours.wait()
    more = carried.yard.ask_for("carried.quick")
    carried.scheduler()

    assert carried.yard.ended(more).state == "succeeded"
    assert sorted(carried.notes()) == list(range(80))
    assert len(requests) == 80
    assert len(carried.yard.runs("carried.many_7")) == 1
    assert theirs.runs
    carried.end()


def test_bj_25_5_two_engines_at_once_need_no_draining(carried: CarriedYard) -> None:
    """One job is the engine's, the others are the worker's; both of its own accord."""
    carried.set_engine("worker")
    carried.set_engine_of("carried.quick", carried.carrier.name)
    carried.scheduler()
    carried.worker()
    ours = carried.sexton("worker")

    number, other = carried.yard.ask_for("carried.quick"), carried.yard.ask_for("carried.many_1")

    assert carried.yard.ended(number).state == "succeeded"
    assert carried.yard.ended(other).state == "succeeded"
    assert (carried.row(number).engine, carried.row(other).engine) == (carried.carrier.name, None)
    ours.send(signal.SIGTERM)
    ours.wait()
    carried.end()


@pytest.mark.variants("celery, rabbitmq")
def test_messages_that_are_none_of_ours_are_left_alone(carried: CarriedYard) -> None:
    number = carried.yard.ask_for("carried.quick")
    carried.deliver_to("0123456789abcdef", number)
    worker = carried.worker()

    worker.wait_for("message left alone")

    assert carried.row(number).state == "queued"
    carried.end()


@pytest.mark.variants("celery, rabbitmq")
def test_engines_says_what_carries_what_and_ends_with_69_when_one_is_down(carried: CarriedYard) -> None:
    well = carried.sexton("engines")
    assert well.wait() == 0, well.errors
    assert carried.carrier.name in well.output

    carried.carrier.stop_broker()

    down = carried.sexton("engines")
    assert down.wait() == 69
    told = carried.sexton("engines", "--json")
    assert told.wait() == 69
    assert '"reachable": false' in told.output
    carried.carrier.start_broker(wiped=False)
