"""How requests end: those that came to their end leave by hundreds, in one transaction with what tells about them.

    succeeded   the row goes; a run row tells, where the job keeps all; counted, a row a minute
    failed      a run row tells; it waits for its next attempt, or is a dead letter
    superseded  it failed, and a newer one with its unique key waits already: that one does its work

Each statement names the process that holds the request: who was replaced meanwhile ends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Delete, bindparam, delete, insert, select, text, update

from ..db.many_rows import insert_rows
from ..db.server_clock import database_now
from ..db.tables import DATABASE, own_tables
from ..db.upsert import upsert
from ..request_state import DeadReason, RequestState
from ..run_counts import Counts
from ..run_state import FAILURES, WENT_WELL, OutcomeCode, RunState
from ..slots.ending import Ending, counts_columns
from .claimed_request import ClaimedRequest
from .releasing import SUPERSEDED, release, wait_again
from .serial_keys import free_next_of


@dataclass(slots=True)  # not frozen: that would take five times as long, and there is one of each request
class EndedRequest:
    """One that was executed. seconds: how long it ran.  kept: whether a run row tells, when it went well.

    begun_at: by the database's clock.  traceback: (place, text) of an error, where those are kept.
    again: it waits for its next attempt after so long; None: it has none, and is dead.  reason: why.
    given_back: its process was asked to end; another one begins it anew, and that cost no attempt.
    cancelled: a person took it back; nobody tries it again, and nobody has to look at it.
    """

    request: ClaimedRequest
    ending: Ending
    begun_at: datetime
    seconds: float
    steps: Mapping[str, Counts] = field(default_factory=dict)
    kept: bool = True
    traceback: tuple[str | None, str] | None = None
    again: timedelta | None = None
    reason: DeadReason = DeadReason.FAILED
    given_back: bool = False
    cancelled: bool = False

    @property
    def went_well(self) -> bool:
        """Whether nothing is left to be tried."""
        return self.ending.state in WENT_WELL

    @property
    def is_dead(self) -> bool:
        """Whether it becomes a dead letter."""
        return self.ending.state in FAILURES and self.again is None


def end(connection: Connection, holder: str, ended: Sequence[EndedRequest], definition: str = "") -> set[int]:
    """Put these on record: the numbers of those that were still ours. definition: fingerprint of the settings."""
    well = [one for one in ended if one.went_well]
    gone = _leave(connection, holder, well, definition)
    ours = [one for one in well if one.request.id in gone]
    for one in ended:
        if not one.went_well and (told := _end_one(connection, holder, one, definition)) is not None:
            ours.append(told)
    _count(connection, holder, ours)
    free_next_of(connection, {(one.request.job, key) for one in ours if (key := one.request.serial_key) is not None})
    return {one.request.id for one in ours}


def _leave(connection: Connection, holder: str, well: Sequence[EndedRequest], definition: str) -> set[int]:
    if not well:
        return set()
    dialect = connection.dialect.name
    ids: Any = [one.request.id for one in well]
    if dialect == "postgresql":
        ids = "{" + ",".join(map(str, ids)) + "}"  # the driver takes its time for a list
    gone = {"ids": ids, "holder_name": holder}
    ours = set(connection.execute(_delete(dialect), gone).scalars())
    told = [_run_row(one, holder, definition) for one in well if one.kept and one.request.id in ours]
    if told:
        insert_rows(connection, own_tables(dialect).runs, told)
    return ours


@cache
def _delete(dialect: str) -> Any:
    table = own_tables(dialect).requests
    named: ColumnElement[bool] = table.c.id.in_(bindparam("ids", expanding=True))
    if dialect == "postgresql":
        named = table.c.id == text("ANY (CAST(:ids AS bigint[]))")  # one plan and one text, however many
    gone: Delete = delete(table).where(named, table.c.holder == bindparam("holder_name"))
    return gone.returning(table.c.id)


def _run_row(one: EndedRequest, holder: str, definition: str) -> dict[str, Any]:
    request = one.request
    row: dict[str, Any] = {"job": request.job, "database": DATABASE, "slot": None, "attempt": request.attempt}
    row |= {"worker": holder, "epoch": 0, "as_of": one.begun_at, "started_at": one.begun_at}
    row |= {"finished_at": one.begun_at + timedelta(seconds=one.seconds), "batches": 0, "missed": 0}
    row |= {"definition": definition, "asked_by": request.asked_by, "infrastructure_failures": 0}
    return row | {"request": request.id, **counts_columns(one.steps), **one.ending.columns()}


def _end_one(connection: Connection, holder: str, one: EndedRequest, definition: str) -> EndedRequest | None:
    """One that did not go well: as it is told; None when it was not ours any more."""
    own = own_tables(connection.dialect.name)
    mine = (own.requests.c.id == one.request.id, own.requests.c.holder == holder)
    still = connection.execute(select(own.requests.c.cancelled_by).where(*mine).with_for_update()).first()
    if still is None:
        return None
    if still.cancelled_by is not None and not one.cancelled:
        ending = Ending(RunState.CANCELLED, f"cancelled by {still.cancelled_by}")
        one = replace(one, ending=ending, given_back=False, cancelled=True)
    superseded = False
    if one.given_back:
        superseded = not _wait(connection, one, timedelta(), attempt=one.request.attempt)
    elif one.cancelled:
        connection.execute(delete(own.requests).where(*mine))
    elif one.again is not None:
        superseded = not _wait(connection, one, one.again, attempt=one.request.attempt + 1)
    else:
        bury(connection, [one.request.id], one.reason, one.ending.error, one.traceback)
    if superseded:
        one = replace(one, ending=Ending(RunState.SKIPPED, SUPERSEDED, code=OutcomeCode.SUPERSEDED))
        connection.execute(delete(own.requests).where(*mine))
    _tell(connection, one, holder, definition)
    return one


def _wait(connection: Connection, one: EndedRequest, rest: timedelta, *, attempt: int) -> bool:
    """Let it wait for its next attempt; False when a newer one with its unique key does already."""
    state = RequestState.DELAYED if rest else RequestState.READY
    values: dict[str, Any] = {"state": state, "holder": None, "begun": False, "attempt": attempt, "unknown_since": None}
    if rest:
        values["run_at"] = database_now(connection.dialect.name, rest.total_seconds())
    request = one.request
    return wait_again(connection, request.id, request.job, request.unique_key, values)


def _tell(connection: Connection, one: EndedRequest, holder: str, definition: str) -> None:
    own = own_tables(connection.dialect.name)
    told = insert(own.runs).values(_run_row(one, holder, definition)).returning(own.runs.c.id)
    number = connection.execute(told).scalar_one()
    if one.traceback is not None:
        place, lines = one.traceback
        trace = {"run_id": number, "place": place, "text": lines, "created_at": database_now(connection.dialect.name)}
        connection.execute(insert(own.tracebacks).values(trace))


ASKED = (
    *("id", "job", "args", "args_version", "priority", "attempt", "attempts", "crashes"),
    *("unique_key", "serial_key", "asked_by", "created_at"),
)
"""Columns that a request and a dead one have both."""


def bury(
    connection: Connection,
    ids: Sequence[int],
    reason: DeadReason,
    error: str | None,
    traceback: tuple[str | None, str] | None = None,
) -> None:
    """Requests become dead letters, whatever state they are in."""
    dialect = connection.dialect.name
    own = own_tables(dialect)
    columns = [own.requests.c[name] for name in ASKED]
    found = connection.execute(select(*columns).where(own.requests.c.id.in_(ids)).with_for_update()).all()
    more = {"reason": reason, "error": error, "traceback": traceback and traceback[1]}
    for row in found:
        dead = dict(zip(ASKED, row, strict=True)) | more | {"died_at": database_now(dialect)}
        connection.execute(insert(own.dead_requests).values(dead))
    connection.execute(delete(own.requests).where(own.requests.c.id.in_([row.id for row in found])))


SUMMED = ("succeeded", "failed", "died", "run_ms", "waited_ms")
"""Columns of `request_counts`, added up."""


def _count(connection: Connection, holder: str, ended: Iterable[EndedRequest]) -> None:
    """A row a job, a minute and a process."""
    counts: dict[tuple[str, datetime], list[float]] = {}
    minute = next_minute = datetime.min.replace(tzinfo=UTC)
    for one in ended:
        finished = one.begun_at + timedelta(seconds=one.seconds)
        if not minute <= finished < next_minute:
            minute = finished.replace(second=0, microsecond=0)
            next_minute = minute + timedelta(minutes=1)
        row = counts.setdefault((one.request.job, minute), [0, 0, 0, 0, 0])
        if one.went_well:
            row[0] += 1
        else:
            row[1] += one.ending.state in FAILURES
            row[2] += one.is_dead
        row[3] += one.seconds * 1000
        row[4] += max((one.begun_at - one.request.ready_at).total_seconds(), 0.0) * 1000
    for (job, minute), row in sorted(counts.items()):
        values = {"job": job, "minute": minute, "holder": holder, **dict(zip(SUMMED, map(round, row), strict=True))}
        connection.execute(_added(connection.dialect.name), values)


@cache
def _added(dialect: str) -> Any:
    table = own_tables(dialect).request_counts
    keys = ("job", "minute", "holder")
    new = upsert(dialect, table).values({name: bindparam(name) for name in (*keys, *SUMMED)})
    added = {name: table.c[name] + new.excluded[name] for name in SUMMED}
    return new.on_conflict_do_update(index_elements=keys, set_=added)


def give_back(connection: Connection, holder: str, ids: Sequence[int]) -> None:
    """These were claimed and not begun: they wait again, and it cost no attempt."""
    release(connection, ids, {"state": RequestState.READY, "holder": None}, holder)


def give_back_all(connection: Connection, holder: str) -> None:
    """Whatever this process still holds, also by a claim whose answer was lost: it waits again, at no cost."""
    table = own_tables(connection.dialect.name).requests
    held = select(table.c.id).where(table.c.holder == holder, table.c.state == RequestState.RUNNING)
    release(connection, list(connection.execute(held).scalars()), {"state": RequestState.READY, "holder": None}, holder)


def is_begun(connection: Connection, holder: str, number: int) -> None:
    """This one is under way, and takes its time: when our process dies, it alone is to blame."""
    table = own_tables(connection.dialect.name).requests
    connection.execute(update(table).where(table.c.id == number, table.c.holder == holder).values(begun=True))
