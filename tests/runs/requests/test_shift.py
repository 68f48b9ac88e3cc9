"""A shift in this process: calls, ends, attempts, dead letters, transactions that end their request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert

from sexton import Counts, Job, OnDemand, RequestRun, Wish
from sexton.errors import JobFailed
from tests.support.post_office import PostOffice
from tests.support.request_jobs import WRITTEN

ROW = {"request": 0, "attempt": 0, "name": "row", "process": 0}


def call(office: PostOffice, work: Callable[..., Any], **about: Any) -> int:
    """Ask for this function, and let a shift take it; the number."""
    office.app.registry.add(Job("once.call", work=work, on_demand=OnDemand(**about)))
    number = office.app.enqueue("once.call")
    office.work()
    return number


def test_each_that_went_well_is_one_run_of_history(office: PostOffice) -> None:
    number = office.app.enqueue("post.write", name="a")
    office.work()

    (run,) = office.runs()
    assert (run.job, run.state, run.attempt, run.slot, run.error) == ("post.write", "succeeded", 1, None, None)
    assert {step: counts.changed for step, counts in run.steps.items()} == {"write": 1}
    assert [row.request for row in office.rows("runs")] == [number]
    assert office.rows() == []


def test_history_of_failures_alone_still_counts_all(office: PostOffice) -> None:
    office.app.enqueue_many("post.finish", [{}] * 30)
    office.work()

    assert office.runs() == []
    assert sum(row.succeeded for row in office.rows("request_counts")) == 30
    assert len(office.names()) == 30


def test_one_that_fails_is_tried_again_and_then_goes_well(office: PostOffice) -> None:
    number = office.app.enqueue("post.fail", times=2, name="at last")
    for attempt in (1, 2):
        office.work()
        (row,) = office.rows()
        assert (row.id, row.state, row.attempt) == (number, "delayed", attempt + 1)
        office.past(number, "run_at")
        office.keep_up()
    office.work()

    assert office.written() == [(3, "at last")]
    assert office.ends() == [("post.fail", 1, "failed"), ("post.fail", 2, "failed"), ("post.fail", 3, "succeeded")]


def test_after_its_attempts_it_is_a_dead_letter_with_all_that_was_asked(office: PostOffice) -> None:
    wish = Wish(attempts=2, priority=3, unique="u", serial="s")
    number = office.app.enqueue("post.fail", wish=wish, name="sad")
    office.keep_up()
    office.work()
    office.past(number, "run_at")
    office.keep_up()
    office.work()

    assert office.rows() == []
    (dead,) = office.rows("dead_requests")
    assert (dead.id, dead.job, dead.reason, dead.attempt, dead.attempts) == (number, "post.fail", "failed", 2, 2)
    assert (dead.priority, dead.unique_key, dead.serial_key, dead.args) == (3, "u", "s", '{"name":"sad"}')
    assert dead.error == "RuntimeError: as ever"
    assert "in fail" in dead.traceback
    assert sum(row.died for row in office.rows("request_counts")) == 1
    assert office.app.enqueue("post.fail", wish=Wish(unique="u")) > number  # a dead one does not wait


def test_unfit_arguments_are_dead_at_once(office: PostOffice) -> None:
    number = office.app.enqueue("post.write", name="x")
    office.change(number, args='{"title":"secret"}')
    garbled = office.app.enqueue("post.write")
    office.change(garbled, args="[")
    office.work()

    dead = {row.id: row for row in office.rows("dead_requests")}
    assert {row.reason for row in dead.values()} == {"unfit arguments"}
    assert dead[number].error == "could not begin: post.write: its function takes no title any more"
    assert "no JSON object" in dead[garbled].error
    assert office.rows() == []


def test_work_that_cannot_be_had_is_tried_again(office: PostOffice) -> None:
    office.app.registry.add(Job("once.plain", work=42, on_demand=OnDemand()))
    number = office.app.enqueue("post.write")
    office.change(number, job="once.plain")

    office.work()

    assert office.states() == {number: "delayed"}
    assert "could not begin" in str(office.runs()[0].error)


def test_older_arguments_are_upgraded(office: PostOffice) -> None:
    number = office.app.enqueue("post.versioned", name="today's")
    office.change(number, args='{"title":"letter"}', args_version=1)
    wrong = office.app.enqueue("post.versioned")
    office.change(wrong, args="{}", args_version=1)
    office.work()

    assert office.names() == ["letter of 1"]
    (dead,) = office.rows("dead_requests")
    assert dead.error.startswith("could not begin: post.versioned: upgrade of the arguments from version 1: KeyError")


def test_finish_ends_it_with_its_data(office: PostOffice) -> None:
    office.app.enqueue("post.finish_and_fail", name="once")
    office.work()

    assert office.names() == ["once"]
    assert office.rows() == office.rows("dead_requests") == []
    assert office.ends() == [("post.finish_and_fail", 1, "succeeded")]


def test_a_transaction_that_fails_ends_nothing(office: PostOffice) -> None:
    def work(run: RequestRun) -> None:
        """Fails inside the transaction that would have ended it."""
        with run.transaction(finish=True) as connection:
            connection.execute(insert(WRITTEN), ROW)
            raise RuntimeError("in the middle")

    number = call(office, work)

    assert office.names() == []
    assert office.states() == {number: "delayed"}


def _inside(run: RequestRun) -> None:
    with run.transaction(), run.transaction():
        pass


def _after(run: RequestRun) -> None:
    with run.transaction(finish=True):
        pass
    with run.transaction() as connection:
        connection.execute(insert(WRITTEN), ROW)


def _commits_itself(run: RequestRun) -> None:
    with run.transaction(finish=True) as connection:
        connection.execute(insert(WRITTEN), ROW)
        connection.commit()


def _in_words(run: RequestRun) -> None:
    with run.transaction() as connection:
        connection.execute(insert(WRITTEN), ROW)
        connection.exec_driver_sql("COMMIT")


@pytest.mark.parametrize("work", [_inside, _after, _commits_itself, _in_words])
def test_transactions_that_cannot_be_are_refused(office: PostOffice, work: Callable[[RequestRun], None]) -> None:
    call(office, work, attempts=1)

    assert office.names() == []
    dead = office.rows("dead_requests")
    assert all(JobFailed.__name__ in row.error or "transaction" in row.error for row in dead)
    assert len(dead) == (0 if work is _after else 1)


def test_a_commit_of_its_own_is_the_end_of_the_block(office: PostOffice) -> None:
    def work(run: RequestRun) -> None:
        """Commits before the block ends."""
        with run.transaction() as connection:
            connection.execute(insert(WRITTEN), ROW)
            connection.commit()

    call(office, work)

    assert office.names() == ["row"]
    assert [run.state for run in office.runs()] == ["succeeded"]


def test_a_transaction_after_the_end_is_refused(office: PostOffice) -> None:
    kept: list[RequestRun] = []
    call(office, kept.append)

    with pytest.raises(JobFailed, match="after the request has come to its end"), kept[0].transaction():
        pass


def test_counts_of_a_function_are_those_of_history(office: PostOffice) -> None:
    call(office, lambda run: Counts(picked=3, changed=2))

    (run,) = office.runs()
    assert (run.total.picked, run.total.changed) == (3, 2)


def test_what_a_function_returns_otherwise_is_a_failure(office: PostOffice) -> None:
    call(office, lambda run: "done", attempts=1)

    assert [row.reason for row in office.rows("dead_requests")] == ["failed"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), MemoryError(), Exception("\0\ud800")])
def test_whatever_it_raises_is_its_own_failure(office: PostOffice, error: BaseException) -> None:
    def work(run: RequestRun) -> None:
        """Raises what ends most loops."""
        raise error

    office.app.enqueue("post.write", name="beside it")
    call(office, work, attempts=1)

    assert office.names() == ["beside it"]
    assert len(office.rows("dead_requests")) == 1


def test_a_timeout_in_python_is_told_as_one(office: PostOffice) -> None:
    def work(run: RequestRun) -> None:
        """Asks whether it is to end until it is."""
        while True:
            run.check()

    office.app.registry.add(Job("once.slow", work=work, timeout="1s", on_demand=OnDemand(attempts=1)))
    office.app.enqueue("once.slow")
    office.work()

    assert office.ends() == [("once.slow", 1, "timed_out")]
    assert [row.reason for row in office.rows("dead_requests")] == ["timed out"]


def test_one_time_for_the_attempt_by_the_database(office: PostOffice) -> None:
    seen: list[Any] = []
    call(office, lambda run: seen.append((run.now, run.attempt, run.job, run.request)))

    ((now, attempt, job, number),) = seen
    (run,) = office.runs()
    assert now == run.as_of
    assert now.utcoffset() is not None
    assert (attempt, job, number) == (1, "once.call", office.rows("runs")[0].request)


def test_when_it_is_told_to_stop_what_waits_is_left_to_others(office: PostOffice) -> None:
    def work(run: RequestRun) -> None:
        """Told to stop in the middle."""
        office.stop.ask("a test said so")
        run.check()

    later = office.app.enqueue_many("post.write", [{"name": "later"}] * 2)
    office.app.registry.add(Job("once.stopped", work=work, on_demand=OnDemand(attempts=1)))
    number = office.app.enqueue("once.stopped", wish=Wish(priority=9))
    office.work()

    assert office.names() == []
    rows = {row.id: (str(row.state), row.attempt, row.crashes) for row in office.rows()}
    assert rows == dict.fromkeys([number, *later], ("ready", 1, 0))
    assert [(run.state, run.outcome_code) for run in office.runs()] == [("cancelled", "stopped")]
    assert sum(row.failed + row.died for row in office.rows("request_counts")) == 0


def test_the_end_of_one_lets_the_next_of_its_serial_key_through(office: PostOffice) -> None:
    """A leader lets the first of a key through; the others follow without waiting for his next look."""
    for name in ("a", "b", "c", "d"):
        office.app.enqueue("post.write", wish=Wish(serial="customer 1"), name=name)
    office.keep_up()
    office.work()

    assert office.names() == ["a", "b", "c", "d"]
    assert office.rows() == []
