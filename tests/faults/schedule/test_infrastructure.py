"""What happens around a job costs its slot no attempt of a crash; it ends in rests and an alert, not in a loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text, update

from sexton import Job, Misfire, Run, cron
from sexton.app import App
from sexton.config import Settings
from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.db.server_clock import ask_now
from sexton.db.tables import own_tables
from sexton.errors import Stopped
from sexton.run_state import INFRASTRUCTURE, OutcomeCode, RunState
from sexton.runs.stop_signals import Stop
from sexton.slots.attempts import LONGEST_REST, PROMPT_RETRIES, rest_after
from sexton.slots.claim import Claim, claim, finish, reap
from sexton.slots.due import due_runs
from sexton.slots.due_run import DueRun
from sexton.slots.ending import Ending
from sexton.slots.history import RunRecord, history, one
from sexton.slots.late_closing import close_late
from sexton.testing import run_job
from sexton.testing.postgres import Server
from tests.support.database_checks import let_leases_end
from tests.support.patient_jobs import DAILY
from tests.support.proxy import Proxy
from tests.support.worker import LONG, leader_inbox, make_yard
from tests.support.workers import Start

YEARLY = Job("shop.yearly", schedule=cron("0 0 1 1 *"), work=print, catch_up=True)
MINUTE = timedelta(minutes=1)


def now(engine: Engine) -> datetime:
    """By the database."""
    with engine.connect() as connection:
        return ask_now(connection)


def is_due(engine: Engine, at: datetime) -> bool:
    """Whether the newest slot of the job is still to be run."""
    with engine.begin() as connection:
        return bool(due_runs(connection, [YEARLY], at))


def claimed(engine: Engine) -> Claim:
    """Its newest slot."""
    slot = YEARLY.schedule.previous(now(engine)) if YEARLY.schedule else None
    return claim(engine, DueRun(YEARLY.name, slot, now(engine)), lease_seconds=3600.0)


def cut_off(engine: Engine, code: OutcomeCode, state: RunState = RunState.CANCELLED) -> None:
    """An attempt at its newest slot that ends so."""
    finish(engine, claimed(engine), Ending(state, "why", code=code), {})


def run_of(engine: Engine, claim: Claim) -> RunRecord:
    """Its row."""
    with engine.connect() as connection:
        past = one(connection, claim.run_id)
    assert past is not None
    return past


def newest(engine: Engine) -> RunRecord:
    """Its last attempt."""
    with engine.connect() as connection:
        return history(connection, job=YEARLY.name, limit=1)[0]


@pytest.mark.parametrize("code", INFRASTRUCTURE)
def test_a_slot_outlives_any_number_of_infrastructure_failures_with_growing_rests(
    code: OutcomeCode, engine: Engine
) -> None:
    for _ in range(3):
        cut_off(engine, code)
        assert is_due(engine, now(engine)), "the first three times at once"

    for rest in (1, 2, 4):
        cut_off(engine, code)
        ended = newest(engine).finished_at
        assert ended is not None
        assert not is_due(engine, ended + rest * MINUTE - timedelta(seconds=1))
        assert is_due(engine, ended + rest * MINUTE)
    assert (newest(engine).attempt, newest(engine).infrastructure_failures) == (6, 5)


def test_rests_are_an_hour_at_most() -> None:
    assert [rest_after(failures) for failures in (0, 3, 4, 5, 9)] == [
        timedelta(),
        timedelta(),
        MINUTE,
        2 * MINUTE,
        32 * MINUTE,
    ]
    assert {rest_after(failures) for failures in (10, 11, 10**9)} == {LONGEST_REST}


@pytest.mark.parametrize("crash", [OutcomeCode.LOCKED, OutcomeCode.PROCESS_DIED])
def test_three_crashes_are_enough_whatever_came_between(crash: OutcomeCode, engine: Engine) -> None:
    state = RunState.CANCELLED if crash == OutcomeCode.LOCKED else RunState.ABANDONED
    for code in (OutcomeCode.STOPPED, crash, OutcomeCode.DATABASE_LOST, crash):
        cut_off(engine, code, RunState.CANCELLED if code in INFRASTRUCTURE else state)
        assert is_due(engine, now(engine))

    cut_off(engine, crash, state)

    assert not is_due(engine, now(engine) + timedelta(hours=2))


@pytest.mark.parametrize(("asked", "code"), [(True, OutcomeCode.STOPPED), (False, None)])
def test_a_job_that_stops_itself_has_three_attempts(asked: bool, code: OutcomeCode | None, engine: Engine) -> None:
    stop = Stop()

    def work(_run: Run) -> None:
        if asked:
            stop.ask("stopped by SIGTERM")
        raise Stopped("enough")

    outcome = run_job(engine, replace(YEARLY, work=work), stop=stop)

    assert (outcome.state, outcome.code) == (RunState.CANCELLED, code)


@pytest.mark.parametrize(("by", "state"), [("reaper", "cancelled"), ("claim", "abandoned")])
def test_who_closed_a_run_as_abandoned_learns_later_that_the_database_was_away(
    by: str, state: str, engine: Engine
) -> None:
    """Another worker found its lease run out; its own, which had lost the database with it, knows better."""
    lost = claimed(engine)
    let_leases_end(engine)
    if by == "claim":
        claimed(engine)
    else:
        with engine.begin() as connection:
            assert reap(connection) == 1
    before = run_of(engine, lost)
    assert (before.state, before.outcome_code) == (RunState.ABANDONED, OutcomeCode.PROCESS_DIED)
    ending = Ending(RunState.CANCELLED, "the session was lost", code=OutcomeCode.DATABASE_LOST)

    close_late(engine, lost.run_id, lost.lease, ending)

    told = run_of(engine, lost)
    assert (told.state, told.error, told.outcome_code) == (state, ending.error, OutcomeCode.DATABASE_LOST)


def test_a_late_word_changes_nothing_about_a_run_that_came_to_an_end(engine: Engine) -> None:
    done = claimed(engine)
    finish(engine, done, Ending(RunState.SUCCEEDED), {})
    before = newest(engine)

    close_late(engine, done.run_id, done.lease, Ending(RunState.CANCELLED, "lost", code=OutcomeCode.DATABASE_LOST))

    assert newest(engine) == before


def test_a_server_that_was_started_anew_is_no_crash_of_the_run(start_server: Callable[..., Server]) -> None:
    """Nobody is left who could say so: the reaper reads it off the server."""
    server = start_server(fsync="on", synchronous_commit="on")
    engine = open_database(server.create_database("anew"))
    migrate(engine)
    claimed(engine)
    server.restart(crash=True)
    engine.dispose()
    let_leases_end(engine)

    with engine.begin() as connection:
        assert reap(connection) == 1

    assert (newest(engine).state, newest(engine).outcome_code) == ("abandoned", "database_lost")
    engine.dispose()


@pytest.mark.databases("postgres15")
def test_three_flaps_of_the_database_while_a_slot_is_due_do_not_lose_it(
    engine: Engine, database: str, tmp_path: Path, start: Start, open_proxy: Callable[[str], Proxy]
) -> None:
    """Each time the run is under way, its worker loses the database, and cannot even close it."""
    name = "settle.patient"
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE troubles (job text, kind text)"))
        connection.execute(text("INSERT INTO troubles VALUES (:job, 'wait')"), {"job": name})
        slot = DAILY.previous(ask_now(connection) - timedelta(days=1))
    finish(engine, claim(engine, DueRun(name, slot, slot), lease_seconds=10), Ending(RunState.SUCCEEDED), {})
    proxy = open_proxy(database)
    yard = make_yard(engine, proxy.url_for(database), tmp_path, start, jobs="tests.support.patient_jobs", lease=LONG)
    worker = yard.worker()
    for flap in range(1, 4):
        yard.wait_until(lambda: [run.state for run in yard.runs(name)][flap:] == ["running"])  # noqa: B023
        proxy.refuse()
        proxy.cut()
        yard.wait_until(lambda: worker.output.count('"state": "unreachable"') == flap)  # noqa: B023
        proxy.admit()

    yard.wait_until(lambda: len(yard.runs(name)) == 5)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM troubles WHERE job = :job"), {"job": name})
    yard.wait_until(lambda: yard.runs(name)[-1].state == "succeeded")
    ends = [(run.attempt, run.state, run.outcome_code) for run in yard.runs(name)[1:]]
    lost = [(attempt, "cancelled", "database_lost") for attempt in (1, 2, 3)]
    assert ends == [*lost, (4, "succeeded", None)]


@pytest.mark.parametrize(("rule", "then"), [("all", ["09:00"]), ("coalesce", ["10:00"])])
def test_under_the_rule_all_no_slot_passes_one_that_rests(rule: str, then: list[str], engine: Engine) -> None:
    """For the other rules the later slot takes the place of the one that rests."""
    job = Job("shop.hourly", schedule=cron("0 * * * *"), work=print, misfire=Misfire(rule), catch_up=True)
    nine = datetime(2026, 6, 15, 9, tzinfo=UTC)
    for _ in range(PROMPT_RETRIES + 1):
        lost = claim(engine, DueRun(job.name, nine, nine), lease_seconds=3600.0)
        finish(engine, lost, Ending(RunState.CANCELLED, "why", code=OutcomeCode.DATABASE_LOST), {})
    runs = own_tables(engine.dialect.name).runs
    hour = nine + timedelta(hours=1)
    with engine.begin() as connection:  # the last attempt ended just before the next slot
        connection.execute(update(runs).values(finished_at=hour - timedelta(seconds=10)))

    with engine.begin() as connection:
        resting = due_runs(connection, [job], hour + timedelta(seconds=1))
        rested = due_runs(connection, [job], hour + 2 * MINUTE)

    assert [f"{run.slot:%H:%M}" for run in resting] == ([] if rule == "all" else ["10:00"])
    assert [f"{run.slot:%H:%M}" for run in rested][: len(then)] == then


def test_a_leader_looks_again_when_the_rest_of_a_job_without_retry_is_over(engine: Engine, database: str) -> None:
    for _ in range(PROMPT_RETRIES + 1):
        cut_off(engine, OutcomeCode.DATABASE_LOST)
    ended = newest(engine).finished_at
    assert ended is not None
    inbox, at = leader_inbox(App(Settings(database=database))), now(engine)

    with engine.begin() as connection:
        inbox.plan(connection, [YEARLY], at)

    assert inbox.agenda.next() == ended + MINUTE
