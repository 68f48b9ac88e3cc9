"""Claiming a run: what is written, who is refused, which attempt it is, and closing it."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import Engine, insert, select, text

from sexton.db.server_clock import ask_now
from sexton.db.tables import own_tables
from sexton.errors import DatabaseUnreachable, HeldElsewhere, LeaseLost, SchemaOutdated, SextonError
from sexton.run_counts import Counts
from sexton.run_state import TAKING_THE_SLOT, OutcomeCode, RunState
from sexton.slots.claim import AlreadyDone, Claim, claim, committed, finish
from sexton.slots.due_run import DueRun
from sexton.slots.ending import Ending
from sexton.testing.processes import wait_until
from tests.support.database_checks import is_free, lease_row, let_leases_end
from tests.support.patience import PATIENCE
from tests.support.ports import closed_port
from tests.support.sessions import NOON

JOB = "shop.expire"
HOUR = timedelta(hours=1)


def claimed(engine: Engine, slot: datetime | None = NOON, job: str = JOB, definition: str = "") -> Claim:
    """Claim the job at NOON."""
    return claim(engine, DueRun(job, slot, NOON), lease_seconds=3600.0, definition=definition)


def finished(engine: Engine, state: str, slot: datetime | None = NOON) -> Claim:
    """Claim, and end like this."""
    done = claimed(engine, slot)
    finish(engine, done, Ending(RunState(state)), {})
    return done


def rows(engine: Engine) -> list[tuple[str, int, str | None]]:
    """(state, attempt, error) of the runs."""
    runs = own_tables(engine.dialect.name).runs
    with engine.connect() as connection:
        return [
            tuple(row)
            for row in connection.execute(select(runs.c.state, runs.c.attempt, runs.c.error).order_by(runs.c.id))
        ]


def test_a_claim_writes_a_running_row_and_takes_the_lease(engine: Engine) -> None:
    mine = claimed(engine, definition="abc")

    runs = own_tables(engine.dialect.name).runs
    with engine.connect() as connection:
        row = connection.execute(select(runs)).one()
        now = ask_now(connection)
    assert (row.id, row.job, row.slot, row.attempt, row.state) == (mine.run_id, JOB, NOON, 1, "running")
    assert (row.as_of, row.definition, row.batches, row.counts) == (NOON, "abc", 0, {})
    assert row.worker.startswith(f"{socket.gethostname()}:{os.getpid()}:")
    assert (row.worker, row.epoch) == (mine.lease.holder, mine.lease.epoch)
    assert timedelta() <= now - row.started_at < timedelta(seconds=PATIENCE)
    assert (row.finished_at, row.error) == (None, None)
    taken = lease_row(engine, f"job:{JOB}")
    assert taken is not None
    assert taken[:2] == (row.worker, 1)


def test_the_time_of_a_run_is_the_databases_unless_it_is_named(engine: Engine) -> None:
    mine = claim(engine, DueRun(JOB), lease_seconds=10.0)

    with engine.connect() as connection:
        assert timedelta() <= ask_now(connection) - mine.as_of < timedelta(seconds=PATIENCE)


@pytest.mark.parametrize("ahead", [timedelta(seconds=150), timedelta(seconds=-150)], ids=["ahead", "behind"])
def test_t2_clocks_more_than_a_minute_apart_are_refused_and_nothing_stays(ahead: timedelta, engine: Engine) -> None:
    with time_machine.travel(datetime.now(UTC) + ahead), pytest.raises(SextonError, match=r"clock is [+-]1\d\d s"):
        claim(engine, DueRun(JOB), lease_seconds=10.0)

    assert rows(engine) == []
    assert is_free(engine, JOB)


def test_what_somebody_runs_is_held_elsewhere(engine: Engine) -> None:
    claimed(engine)

    with pytest.raises(HeldElsewhere, match=r"shop\.expire is being run by another process"):
        claimed(engine)
    with pytest.raises(HeldElsewhere):
        claimed(engine, NOON + HOUR)
    with pytest.raises(HeldElsewhere):
        claimed(engine, None)
    assert rows(engine) == [("running", 1, None)]


def test_another_job_does_not_matter(engine: Engine) -> None:
    claimed(engine)

    other = claimed(engine, job="shop.purge")

    assert other.attempt == 1


@pytest.mark.parametrize("state", ["succeeded", "partial"])
def test_a_slot_that_is_done_is_not_run_again(state: str, engine: Engine) -> None:
    finished(engine, state)

    with pytest.raises(AlreadyDone, match=r"shop\.expire has already run for 2026-06-15 12:00:00 UTC"):
        claimed(engine)
    assert is_free(engine, JOB)
    assert claimed(engine, NOON + HOUR).attempt == 1


@pytest.mark.parametrize("state", sorted(set(RunState) - set(TAKING_THE_SLOT)))
def test_a_slot_that_did_not_succeed_is_tried_again(state: str, engine: Engine) -> None:
    finished(engine, state)

    assert claimed(engine).attempt == 2


def test_runs_by_hand_are_never_already_done(engine: Engine) -> None:
    finished(engine, "succeeded", slot=None)
    finished(engine, "succeeded", slot=None)

    assert [state for state, _, _ in rows(engine)] == ["succeeded", "succeeded"]


def test_a_dead_holders_run_is_closed_as_abandoned(engine: Engine) -> None:
    dead = claimed(engine)
    let_leases_end(engine)

    mine = claimed(engine)

    assert rows(engine) == [("abandoned", 1, "its process ended without a word"), ("running", 2, None)]
    assert (mine.attempt, mine.lease.epoch) == (2, dead.lease.epoch + 1)


def test_a_dead_run_by_hand_is_closed_by_the_next_claim_of_any_kind(engine: Engine) -> None:
    claimed(engine, None)
    let_leases_end(engine)

    claimed(engine, NOON)

    assert [state for state, _, _ in rows(engine)] == ["abandoned", "running"]


def test_runs_of_other_jobs_are_not_closed(engine: Engine) -> None:
    claimed(engine, job="shop.purge")
    let_leases_end(engine)

    claimed(engine)

    assert [state for state, _, _ in rows(engine)] == ["running", "running"]


def test_a_lease_under_way_in_a_transaction_is_waited_for_a_little_and_then_held_elsewhere(engine: Engine) -> None:
    """Claiming gives up by itself: 2 seconds on PostgreSQL, 5 on SQLite; here the other is through before.

    Or, on a busy machine, the next time. Who does not wait at all never gets it.
    """
    claimed(engine)
    let_leases_end(engine)
    leases = own_tables(engine.dialect.name).leases
    epochs: list[int] = []

    def claimed_meanwhile() -> bool:
        with engine.connect() as other:
            transaction = other.begin()
            other.execute(leases.update().values(holder="other", epoch=7, expires_at=NOON + timedelta(days=36500)))
            timer = threading.Timer(0.2, transaction.rollback)
            timer.start()
            with suppress(HeldElsewhere):
                epochs.append(claimed(engine).lease.epoch)
            timer.join()
        return bool(epochs)

    assert wait_until(claimed_meanwhile, PATIENCE)
    assert epochs == [2]


@pytest.mark.databases("postgres18")
def test_a_lease_locked_for_long_is_held_elsewhere_in_bounded_time(engine: Engine) -> None:
    claimed(engine)
    let_leases_end(engine)
    with engine.begin() as other:
        other.execute(text("SELECT 1 FROM sexton.leases FOR UPDATE"))
        with pytest.raises(HeldElsewhere, match="which is inside a transaction"):
            claimed(engine)


def test_the_database_itself_allows_one_run_a_slot(engine: Engine) -> None:
    """Whatever the code above it forgets: a second row is a unique violation, told as already done."""
    runs = own_tables(engine.dialect.name).runs
    mine = claimed(engine)
    finish(engine, mine, Ending(RunState.SUCCEEDED), {})
    second = {"job": JOB, "database": "main", "slot": NOON, "attempt": 9, "state": "running", "worker": "w", "epoch": 9}
    rest = {"as_of": NOON, "started_at": NOON, "counts": {}, "definition": ""}

    with pytest.raises(Exception, match=r"(?i)unique"), engine.begin() as connection:
        connection.execute(insert(runs).values(**second, **rest))


def test_finishing_writes_the_end_and_frees_the_lease_together(engine: Engine) -> None:
    mine = claimed(engine)

    left = "3 rows left at the end: locked by others, or due again after the change"
    ending = Ending(RunState.PARTIAL, "an error", left, OutcomeCode.LOCKED)
    finish(engine, mine, ending, {"expire": Counts(picked=5, changed=2, skipped=3), "tell": Counts(told=4)})

    runs = own_tables(engine.dialect.name).runs
    with engine.connect() as connection:
        row = connection.execute(select(runs)).one()
    assert (row.state, row.error, row.note, row.outcome_code) == ("partial", "an error", left, OutcomeCode.LOCKED)
    assert row.counts["expire"] == {"picked": 5, "changed": 2, "told": 0, "skipped": 3}
    assert (row.picked, row.changed, row.told, row.skipped) == (5, 2, 4, 3)
    assert row.finished_at >= row.started_at
    assert is_free(engine, JOB)


def test_finishing_what_a_successor_has_closed_changes_nothing(engine: Engine) -> None:
    old = claimed(engine)
    let_leases_end(engine)
    claimed(engine)
    before = rows(engine)

    with pytest.raises(LeaseLost):
        finish(engine, old, Ending(RunState.SUCCEEDED), {})

    assert rows(engine) == before


def test_what_is_committed_is_that_of_this_run(engine: Engine) -> None:
    runs = own_tables(engine.dialect.name).runs
    finished(engine, "failed")
    mine = claimed(engine)
    with engine.begin() as connection:
        connection.execute(runs.update().where(runs.c.id == mine.run_id).values(batches=4))

    assert committed(engine, mine) == (4, "running")


def test_a_run_under_other_settings_names_the_run_before(engine: Engine) -> None:
    """C8: a silent tug of war between two configurations becomes visible."""
    first = claimed(engine, definition="abc")
    finish(engine, first, Ending(RunState.SUCCEEDED), {})

    same = claimed(engine, NOON + HOUR, definition="abc")
    finish(engine, same, Ending(RunState.SUCCEEDED), {})
    other = claimed(engine, NOON + 2 * HOUR, definition="xyz")

    assert (first.differs_from, same.differs_from, other.differs_from) == (None, None, same.run_id)


def test_a_schema_that_is_not_there_is_told_as_such(empty_database: str) -> None:
    from sexton.db.connect import open_database

    engine = open_database(empty_database)

    with pytest.raises(SchemaOutdated, match="sexton migrate"):
        claimed(engine)
    engine.dispose()


@pytest.mark.databases("sqlite")
def test_a_database_that_does_not_answer_is_told_without_a_password() -> None:
    from sexton.db.connect import open_database

    with closed_port() as port:
        engine = open_database(f"postgresql+psycopg://me:hunter2@127.0.0.1:{port}/shop")
        with pytest.raises(DatabaseUnreachable, match=f"database shop on 127.0.0.1:{port} cannot be reached") as raised:
            claimed(engine)
    assert "hunter2" not in str(raised.value)
    engine.dispose()
