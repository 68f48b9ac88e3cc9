"""Claiming: the right to execute a job for a slot. The database is the judge, by one row a (job, database, slot).

In one transaction: take the lease, close runs that a dead holder left open, look at earlier attempts for the slot,
write the run row. A claim is a lease and not a flag: when its holder dies, the next one claims attempt + 1.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    Engine,
    case,
    column,
    exists,
    extract,
    func,
    insert,
    literal,
    select,
    table,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from ..db.connect import connection_errors_translated
from ..db.faults import Fault, classify
from ..db.migrate import require_schema
from ..db.server_clock import ask_now, database_now, skew
from ..db.tables import DATABASE, own_tables
from ..errors import HeldElsewhere, LeaseLost, SextonError
from ..jobs.fingerprints import differ
from ..run_counts import Counts
from ..run_state import TAKING_THE_SLOT, OutcomeCode, RunState
from ..texts import encodable, one_line
from .attempts import infrastructure_failures
from .due_run import DueRun
from .ending import Ending, counts_columns
from .lease import Lease, acquire, fence, of_job, release, short_transaction
from .queue import ask_again, ended_columns
from .wake import wake

CLOCKS_APART = 60.0
"""Seconds that the clocks of process and database may differ before nothing is started."""

DEAD = Ending(RunState.ABANDONED, "its process ended without a word", code=OutcomeCode.PROCESS_DIED)


class AlreadyDone(SextonError):
    """The slot has a run that succeeded: nothing to do. Not a failure; exit code 0."""

    exit_code = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that is ours to execute. as_of: its frozen time.  attempt: 1 for the first try at the slot."""

    run_id: int
    job: str
    slot: datetime | None
    attempt: int
    as_of: datetime
    lease: Lease
    differs_from: int | None = None
    """Number of the run before, when it ran under other settings than this one."""


def holder_name() -> str:
    """Who we are: host, process, and a random part, as process numbers are used again."""
    host = encodable(one_line(socket.gethostname(), 200), "ascii")
    return f"{host}:{os.getpid()}:{secrets.token_hex(4)}"


def is_held_by_process(holder: str, process: int) -> bool:
    """Whether this is the name of a process of ours, of this host."""
    return holder.rpartition(":")[0] == holder_name().rpartition(":")[0].rpartition(":")[0] + f":{process}"


def claim(engine: Engine, due: DueRun, *, lease_seconds: float, definition: str = "") -> Claim:
    """Take the right to execute; commit it. HeldElsewhere or AlreadyDone when there is nothing to take.

    lease_seconds: how long it is ours without a renewal.  definition: fingerprint of the settings; "": not known.
    SchemaOutdated and DatabaseUnreachable when nothing could be asked.
    """
    with (
        connection_errors_translated(engine),
        _locked_as_held(due.job),
        short_transaction(engine, lease_seconds) as connection,
    ):
        require_schema(connection)
        lease = acquire(connection, of_job(due.job), holder_name(), lease_seconds)
        if lease is None:
            raise HeldElsewhere(f"{due.job} is being run by another process")
        _close_abandoned(connection, due.job)
        attempt, failures = next_attempt(connection, due)
        as_of = due.as_of or _trusted_now(connection)
        differs_from = _settings_before(connection, due.job, definition)
        numbers = {"attempt": attempt, "infrastructure_failures": failures}
        run_id = _open_run(connection, due, lease, as_of, {"definition": definition, **numbers})
        return Claim(run_id, due.job, due.slot, attempt, as_of, lease, differs_from)


@contextmanager
def _locked_as_held(job: str) -> Iterator[None]:
    """A lease row that stays locked is a holder inside a long transaction: held elsewhere, like any other."""
    try:
        yield
    except DBAPIError as error:
        if classify(error) not in (Fault.LOCKED, Fault.RETRY, Fault.CANCELLED):
            raise
        raise HeldElsewhere(f"{job} is being run by another process, which is inside a transaction") from error


def _close_abandoned(connection: Connection, job: str) -> None:
    runs = own_tables(connection.dialect.name).runs.c
    _abandon(connection, runs.job == job, runs.state == RunState.RUNNING, runs.database == DATABASE)


def reap(connection: Connection) -> int:
    """Close runs whose holder is dead, see `dead_runs`. How many."""
    runs = own_tables(connection.dialect.name).runs.c
    # A row that somebody else holds is left to the next look: he may keep it, and the others are due.
    dead = select(runs.id).where(*dead_runs(connection.dialect.name)).with_for_update(skip_locked=True)
    return _abandon(connection, runs.id.in_(dead))


def dead_jobs(connection: Connection) -> set[str]:
    """The jobs that have a run which `reap` would close; only reads."""
    runs = own_tables(connection.dialect.name).runs.c
    return set(connection.execute(select(runs.job).where(*dead_runs(connection.dialect.name))).scalars())


def dead_runs(dialect: str) -> tuple[ColumnElement[bool], ...]:
    """Conditions of a run whose holder is dead: open, but under a lease that ran out or has another holder."""
    own = own_tables(dialect)
    runs, leases = own.runs.c, own.leases.c
    alive = select(leases.name).where(
        leases.name == literal(of_job("")) + runs.job,
        leases.epoch == runs.epoch,
        leases.expires_at > database_now(dialect),
    )
    found = (runs.finished_at.is_(None), runs.state == RunState.RUNNING, ~exists(alive))
    return found if dialect == "sqlite" else (*found, ~_in_a_session(runs.worker))


def _in_a_session(worker: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether it is a session of this server that is there: a procedure renews its lease between two statements only,
    and one may take longer than the lease. Of a session of another role it is not known."""
    activity = table("pg_stat_activity", column("pid"), column("backend_start", DateTime()), schema="pg_catalog")
    name = func.concat("pg_cron:", activity.c.pid, ":", extract("epoch", activity.c.backend_start))
    return exists(select(activity.c.pid).where(name == worker))


def _abandon(connection: Connection, *which: ColumnElement[bool]) -> int:
    runs = own_tables(connection.dialect.name).runs
    values = {**DEAD.columns(), "finished_at": database_now(connection.dialect.name)}
    if connection.dialect.name == "postgresql":  # the server was started anew meanwhile: that cut off all there was
        restarted = func.pg_postmaster_start_time() > runs.c.started_at
        values["outcome_code"] = case((restarted, literal(OutcomeCode.DATABASE_LOST)), else_=literal(DEAD.code))
    rows = connection.execute(update(runs).where(*which).values(values).returning(*ended_columns(runs))).all()
    ask_again(connection, rows)
    return len(rows)


def next_attempt(connection: Connection, due: DueRun) -> tuple[int, int]:
    """Its number, and how many of those before it were no fault of the job. AlreadyDone when the slot is taken."""
    if due.slot is None:
        return 1, 0
    runs = own_tables(connection.dialect.name).runs
    of_slot = (runs.c.job == due.job, runs.c.database == DATABASE, runs.c.slot == due.slot)
    others = () if due.queued is None else (runs.c.id != due.queued,)  # its own row holds the slot for it
    columns = (runs.c.attempt, runs.c.state, runs.c.outcome_code)
    earlier = connection.execute(select(*columns).where(*of_slot, *others).order_by(runs.c.attempt)).all()
    if any(one.state in TAKING_THE_SLOT for one in earlier):
        raise AlreadyDone(f"{due.job} has already run for {due.slot:%Y-%m-%d %H:%M:%S} UTC")
    failures = sum(infrastructure_failures(one.state, one.outcome_code, 0) for one in earlier)
    return 1 + max((one.attempt for one in earlier), default=0), failures


def _trusted_now(connection: Connection) -> datetime:
    """The database's time. Of two clocks more than a minute apart one is wrong, and rows would pay for it."""
    now = ask_now(connection)
    if wrong := clocks_apart(now):
        raise SextonError(wrong)
    return now


def clocks_apart(now: datetime, took: float = 0.0) -> str:
    """Why nothing may start at a time just asked from the database; empty when it may.

    took: seconds that the answer may be old.
    """
    apart = skew(now)
    if abs(apart) <= CLOCKS_APART + took:
        return ""
    return f"this machine's clock is {apart:+.0f} s from the database's; set them right, or name the time with --now"


def _settings_before(connection: Connection, job: str, definition: str) -> int | None:
    runs = own_tables(connection.dialect.name).runs
    newest = select(runs.c.id, runs.c.definition).where(runs.c.job == job, runs.c.definition != "")
    before = connection.execute(newest.order_by(runs.c.started_at.desc(), runs.c.id.desc()).limit(1)).first()
    return before.id if before is not None and definition and differ(definition, before.definition) else None


def _open_run(connection: Connection, due: DueRun, lease: Lease, as_of: datetime, more: Mapping[str, Any]) -> int:
    """more: columns that the slot's earlier runs and the settings decide."""
    runs = own_tables(connection.dialect.name).runs
    row: dict[str, Any] = {
        "job": due.job,
        "database": DATABASE,
        "slot": due.slot,
        "state": RunState.RUNNING,
        "worker": lease.holder,
        "epoch": lease.epoch,
        "as_of": as_of,
        "started_at": database_now(connection.dialect.name),
        **counts_columns({}),
        "missed": due.missed,
        "local_slot": due.local_slot,
        **more,
    }
    if due.queued is not None:
        return _open_queued(connection, due.queued, row)
    try:
        run_id: int = connection.execute(insert(runs).values(row).returning(runs.c.id)).scalar_one()
    except IntegrityError as error:
        raise AlreadyDone(f"{due.job} has already run for {due.slot} UTC") from error
    return run_id


_OF_QUEUED = ("attempt", "infrastructure_failures", "slot", "missed", "local_slot")
"""Columns of a row that waits: they stay as they were written."""


def _open_queued(connection: Connection, number: int, row: dict[str, Any]) -> int:
    runs = own_tables(connection.dialect.name).runs
    taken = update(runs).where(runs.c.id == number, runs.c.job == row["job"], runs.c.state == RunState.QUEUED)
    row = {name: value for name, value in row.items() if name not in _OF_QUEUED}
    if connection.execute(taken.values(row)).rowcount != 1:
        raise AlreadyDone(f"{row['job']}: run {number} is not waiting any more")
    return number


@contextmanager
def fenced(engine: Engine, claim: Claim, limits: dict[str, str], *, renew_after: float) -> Iterator[Connection]:
    """A data transaction that only the holder of the lease can commit."""
    with engine.begin() as connection:
        fence(connection, claim.lease, limits, renew_after=renew_after)
        yield connection


def finish(engine: Engine, claim: Claim, ending: Ending, steps: Mapping[str, Counts] | None) -> None:
    """Close the run and give the lease back, in one transaction. LeaseLost: a successor has closed it already.

    steps: what each did; None leaves what the last batch wrote.
    """
    close(engine, claim.run_id, claim.lease, ending, steps)


def close(engine: Engine, run_id: int, lease: Lease, ending: Ending, steps: Mapping[str, Counts] | None) -> None:
    """`finish`, for a run of another process that is gone."""
    runs = own_tables(engine.dialect.name).runs
    with short_transaction(engine, lease.seconds) as connection:
        if not release(connection, lease):  # its row stays locked until the commit: this is the fence
            raise LeaseLost(f"{lease.name} was taken over by another process, which has closed this run")
        values = {**ending.columns(), "finished_at": database_now(connection.dialect.name)}
        if steps is not None:
            values |= counts_columns(steps)
        closed = update(runs).where(runs.c.id == run_id).values(values)
        rows = connection.execute(closed.returning(*ended_columns(runs), runs.c.engine)).all()
        if ending.state == RunState.CANCELLED:
            ask_again(connection, rows)
        if any(row.engine is not None for row in rows):
            wake(connection)  # the scheduler: what waited for its end, its next slot, others of its group


def committed(engine: Engine, claim: Claim) -> tuple[int, str]:
    """Data transactions on record, and the run's state: the answer after a lost COMMIT.

    Locks the row, so that a COMMIT which the server is still busy with is waited for and not overtaken.
    """
    runs = own_tables(engine.dialect.name).runs
    asked = select(runs.c.batches, runs.c.state).where(runs.c.id == claim.run_id).with_for_update()
    with short_transaction(engine, claim.lease.seconds) as connection:
        row = connection.execute(asked).first()
    return (row.batches, row.state) if row is not None else (0, "")  # somebody has deleted it
