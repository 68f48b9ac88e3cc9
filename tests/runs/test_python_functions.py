"""Work that is a plain function: its run, its transactions, its counts, and the thread that keeps its lease."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, func, insert, select
from sqlalchemy.exc import DBAPIError

from sexton import Counts, Job, Run
from sexton.errors import HeldElsewhere, LeaseLost, Stopped, TimedOut
from sexton.runs.context import Limits
from sexton.runs.stop_signals import Stop
from sexton.testing import preview_job, run_job
from sexton.testing.processes import wait_until
from tests.support.database_checks import is_free, lease_row, let_leases_end, states
from tests.support.patience import PATIENCE
from tests.support.sessions import NOON, make_sessions

JOB = "shop.think"
OFTEN = Limits(lease=3600.0, renew=0.05, statement=PATIENCE)
"""The lease is renewed soon, and does not run out however busy the machine is."""


def job(*work: object, timeout: str = "4m") -> Job:
    """A job of functions."""
    return Job(JOB, work=list(work), timeout=timeout)


def test_a_function_sees_its_job_its_time_and_its_slot(engine: Engine) -> None:
    seen: list[object] = []

    def look(run: Run) -> None:
        seen.extend([run.job, run.now, run.slot, run.dry_run])

    run_job(engine, job(look), at=NOON, slot=NOON - timedelta(hours=1))

    assert seen == [JOB, NOON, NOON - timedelta(hours=1), False]


def test_a_transaction_is_committed_at_its_end_and_rolled_back_on_an_error(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(1, age=timedelta(hours=1))

    def work(run: Run) -> None:
        with run.transaction() as connection:
            connection.execute(insert(shop.accesses).values(session_id=1))
        with run.transaction() as connection:
            connection.execute(insert(shop.accesses).values(session_id=1))
            raise RuntimeError("no")

    outcome = run_job(engine, job(work))

    assert (outcome.state, outcome.error) == ("failed", "RuntimeError: no")
    assert shop.count(shop.accesses) == 1


def test_counts_are_kept_under_the_functions_name(engine: Engine) -> None:
    shop = make_sessions(engine)

    def first(run: Run) -> Counts:
        return Counts(picked=2, changed=1)

    def second(run: Run) -> None:
        return None

    outcome = run_job(engine, job(first, second))

    assert outcome.steps == {"first": Counts(picked=2, changed=1), "second": Counts()}
    assert shop.runs()[0].counts["first"] == {"picked": 2, "changed": 1, "told": 0}


def test_anything_else_than_counts_fails_the_run(engine: Engine) -> None:
    outcome = run_job(engine, job(lambda run: 42))

    assert outcome.state == "failed"
    assert outcome.error is not None
    assert "returned int; a job's function returns Counts or nothing" in outcome.error


def test_steps_after_one_that_failed_are_not_begun(engine: Engine) -> None:
    begun: list[str] = []

    def fails(run: Run) -> None:
        begun.append("first")
        raise RuntimeError("no")

    run_job(engine, job(fails, lambda run: begun.append("second")))

    assert begun == ["first"]


def test_the_lease_is_renewed_while_the_function_is_away(engine: Engine) -> None:
    make_sessions(engine)
    ends: list[object] = []

    def away(run: Run) -> None:
        def end() -> object:
            row = lease_row(engine, f"job:{JOB}")
            return None if row is None else row[2]

        ends.append(end())
        assert wait_until(lambda: end() != ends[0], PATIENCE)
        ends.append(end())

    outcome = run_job(engine, job(away), limits=OFTEN)

    assert outcome.state == "succeeded"
    assert ends[1] > ends[0]  # type: ignore[operator]


def test_the_thread_ends_with_the_function(engine: Engine) -> None:
    def named() -> list[str]:
        return [thread.name for thread in threading.enumerate() if JOB in thread.name]

    inside: list[list[str]] = []

    run_job(engine, job(lambda run: inside.append(named())), limits=OFTEN)

    assert inside == [[f"lease of {JOB}"]]
    assert named() == []


def test_a_renewal_that_fails_once_is_tried_again(engine: Engine) -> None:
    """The thread's connection may break; the next round opens another one."""
    failures: list[str] = []
    renewals: list[str] = []

    def fail_once(connection: object, cursor: object, statement: str, *_: object) -> None:
        if (
            statement.startswith("UPDATE")
            and "leases" in statement
            and threading.current_thread().name.startswith("lease")
        ):
            if not failures:
                failures.append(statement)
                raise DBAPIError(statement, None, Exception("broken"))
            renewals.append(statement)

    event.listen(engine, "before_cursor_execute", fail_once)

    def until_renewed(run: Run) -> None:
        assert wait_until(lambda: bool(renewals), PATIENCE)

    outcome = run_job(engine, job(until_renewed), limits=OFTEN)

    assert outcome.state == "succeeded"
    assert failures


def test_taken_over_the_next_check_says_so(engine: Engine) -> None:
    """The thread notices on its own, also when the function opens no transaction."""
    seen: list[BaseException] = []

    def work(run: Run) -> None:
        take_over(engine)
        try:
            while True:
                run.check()
                time.sleep(0.005)
        except LeaseLost as lost:
            seen.append(lost)
            raise

    outcome = run_job(engine, job(work, timeout="5m"), limits=OFTEN)

    assert (outcome.state, outcome.exit_code) == ("held", 75)
    assert len(seen) == 1


def test_taken_over_a_transaction_is_refused_at_its_beginning(engine: Engine) -> None:
    """Also before the thread has noticed: the fence is asked, not our memory."""
    shop = make_sessions(engine)
    shop.add(1, age=timedelta(hours=1))
    reached: list[str] = []

    def work(run: Run) -> None:
        take_over(engine)
        with run.transaction() as connection:
            reached.append("inside")
            connection.execute(insert(shop.accesses).values(session_id=1))

    outcome = run_job(engine, job(work))  # the thread renews after 3 s only

    assert outcome.state == "held"
    assert reached == []
    assert shop.count(shop.accesses) == 0


def test_a_function_that_swallows_the_loss_still_does_not_succeed(engine: Engine) -> None:
    shop = make_sessions(engine)

    def work(run: Run) -> None:
        take_over(engine)
        try:
            with run.transaction():
                pass
        except LeaseLost:
            return

    outcome = run_job(engine, job(work))

    assert outcome.state == "held"
    assert "succeeded" not in states(shop)


def take_over(engine: Engine) -> None:
    """Somebody else claims the job, and holds it; once more, when its lease was renewed just before."""
    from sexton.slots.claim import claim
    from sexton.slots.due_run import DueRun

    def claimed() -> bool:
        let_leases_end(engine)
        with suppress(HeldElsewhere):
            claim(engine, DueRun(JOB, None, NOON), lease_seconds=3600.0)
            return True
        return False

    assert wait_until(claimed, PATIENCE)


def test_asked_to_stop_the_next_check_ends_the_function(engine: Engine) -> None:
    stop = Stop()
    shop = make_sessions(engine)

    def work(run: Run) -> None:
        run.check()
        stop.ask("stopped by SIGTERM")
        with pytest.raises(Stopped), run.transaction():
            raise AssertionError("no transaction is begun any more")
        run.check()

    outcome = run_job(engine, job(work), stop=stop)

    assert (outcome.state, outcome.exit_code, outcome.error) == ("cancelled", 3, "stopped by SIGTERM")
    assert states(shop) == ["cancelled"]
    assert is_free(engine, JOB)


def check_for_ever(run: Run) -> None:
    """Ends by an exception only."""
    while True:
        run.check()


def test_past_its_timeout_the_next_check_ends_the_function(engine: Engine) -> None:
    shop = make_sessions(engine)

    def work(run: Run) -> None:
        with pytest.raises(TimedOut):
            check_for_ever(run)
        run.check()

    outcome = run_job(engine, job(work, timeout="50ms"))

    assert (outcome.state, outcome.exit_code, outcome.error) == ("timed_out", 1, "its timeout passed")
    assert states(shop) == ["timed_out"]


def test_a_dry_run_reads_one_snapshot_and_cannot_write(engine: Engine) -> None:
    shop = make_sessions(engine)
    shop.add(2, age=timedelta(hours=1))
    seen: list[object] = []

    def look(run: Run) -> Counts:
        with run.transaction() as connection:
            seen.extend([run.dry_run, run.now])
            return Counts(picked=connection.execute(select(func.count()).select_from(shop.table)).scalar_one())

    def write(run: Run) -> None:
        with run.transaction() as connection:
            connection.execute(shop.table.delete())

    assert preview_job(engine, job(look), at=NOON).total == Counts(picked=2)
    assert seen == [True, NOON]
    with pytest.raises(DBAPIError):
        preview_job(engine, job(write), at=NOON)
    assert shop.count() == 2
    assert shop.runs() == []
