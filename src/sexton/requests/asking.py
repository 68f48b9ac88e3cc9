"""Ask for a job on demand, inside the caller's own transaction: rolled back, it was never asked for.

Whatever is asked is checked before anything is written. Of those that wait, one has its unique key: who asks again gets
the number of the first; a rival that has not committed is waited for, and when it rolls back, ours stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, func, literal_column, text
from sqlalchemy.sql.dml import ReturningInsert

from ..db.many_rows import copy_documents, next_numbers
from ..db.server_clock import ask_now, database_now
from ..db.tables import own_tables
from ..db.upsert import upsert
from ..jobs.job import Job
from ..jobs.on_demand import NO_WISH, OnDemand, Wish
from ..request_state import RequestState
from .waking import wake_idle

if TYPE_CHECKING:
    from ..jobs.arguments import Parameters

STILL_WAITING = "unique_key IS NOT NULL AND state IN ('ready', 'delayed', 'blocked', 'submitted')"
"""The condition of the unique index, word for word: PostgreSQL takes it for that index by its text."""

ROWS_PER_STATEMENT = 5_000
"""Requests that one statement writes."""


def ask(
    connection: Connection,
    job: Job,
    parameters: Parameters,
    arguments: Mapping[str, Any],
    wish: Wish,
    *,
    by: str | None,
) -> int:
    """Write one request: its number, or that of the one with its unique key which waits already. UsageError.

    by: who asks, where that is a person.
    """
    return write_request(connection, _row(job, wish, by) | {"args": parameters.written(arguments)})


def write_request(connection: Connection, row: dict[str, Any]) -> int:
    """Write a row as `_row` makes it, with its `args`: the number, or that of the one that stands for it."""
    insert = _insert(connection.dialect.name, row["unique_key"] is not None, row["state"] == RequestState.DELAYED)
    number: int = connection.execute(insert, row).scalar_one()
    if row["state"] != RequestState.DELAYED:
        wake_idle(connection, row["engine"])
    return number


def ask_many(
    connection: Connection,
    job: Job,
    parameters: Parameters,
    many: Iterable[Mapping[str, Any]],
    wish: Wish,
    *,
    by: str | None,
) -> list[int]:
    """One request for each of these arguments, as quick as the database takes rows; workers are woken once.

    The wish is that of each; a unique key would leave one of them. UsageError, and nothing is written, for arguments
    that misfit: all of them are looked at before the first is written.
    """
    row = _row(job, wish, by)
    numbers: list[int] = []
    written = [parameters.written(arguments) for arguments in many]
    if wish.unique is not None:
        return [write_request(connection, row | {"args": text}) for text in written]
    at = ask_now(connection)
    for texts in _portions(written):
        numbers += _write(connection, row, texts, at, wish)
    if numbers and row["state"] != RequestState.DELAYED:
        wake_idle(connection, job.engine)
    return numbers


def _write(connection: Connection, row: dict[str, Any], texts: Sequence[str], at: datetime, wish: Wish) -> list[int]:
    table = own_tables(connection.dialect.name).requests
    numbers = next_numbers(connection, table, len(texts))
    fixed = {name: value for name, value in row.items() if name != "rest"} | {"created_at": at, "begun": False}
    if row["state"] == RequestState.DELAYED:
        fixed["run_at"] = at + wish.rest
    copy_documents(connection, table, "args", dict(zip(numbers, texts, strict=True)), fixed)
    return numbers


def _portions(texts: Iterable[str]) -> Iterator[list[str]]:
    left = iter(texts)
    while portion := list(islice(left, ROWS_PER_STATEMENT)):
        yield portion


def _row(job: Job, wish: Wish, by: str | None) -> dict[str, Any]:
    about = job.on_demand or OnDemand()
    state = RequestState.READY
    if wish.serial is not None:
        state = RequestState.BLOCKED  # the leader lets the first of them through
    if wish.rest > NO_WISH.rest:
        state = RequestState.DELAYED
    return {
        "job": job.name,
        "engine": job.engine,
        "state": state,
        "args_version": about.args_version,
        "priority": job.priority if wish.priority is None else wish.priority,
        "attempt": 1,
        "attempts": wish.attempts or about.attempts,
        "unique_key": wish.unique,
        "serial_key": wish.serial,
        "asked_by": by,
        "rest": wish.rest.total_seconds(),
    }


@cache
def _insert(dialect: str, unique: bool, delayed: bool) -> ReturningInsert[Any]:
    """Built once. Parameters are those of `_row`, and `args`."""
    table = own_tables(dialect).requests
    names = set(_row(Job("none.none", work=print), NO_WISH, None)) - {"rest"} | {"args"}
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    values |= {"created_at": database_now(dialect), "begun": False}
    if delayed:
        values["run_at"] = _later(dialect)
    new = upsert(dialect, table).values(values)
    if unique:
        # The older one stays as it is; it is written all the same, so that its number is told and it waits for us.
        new = new.on_conflict_do_update(
            index_elements=["job", "unique_key"], index_where=text(STILL_WAITING), set_={"job": new.excluded.job}
        )
    return new.returning(table.c.id)


def _later(dialect: str) -> Any:
    if dialect == "postgresql":
        return literal_column("clock_timestamp()") + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("rest"))
    return func.strftime("%Y-%m-%d %H:%M:%f", "now", func.printf("%+.3f seconds", bindparam("rest"))) + "000"
