"""What a product's own code calls: in its transaction, or in one of ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from ..db.connect import connection_errors_translated
from ..errors import UsageError
from ..jobs.arguments import Parameters
from ..jobs.job import Job, LazyWork
from ..jobs.on_demand import NO_WISH, Wish
from ..slots.queue import enqueue as ask_for_a_run
from .asking import ask, ask_many
from .cancelling import cancel

_known: WeakKeyDictionary[Job, Parameters] = WeakKeyDictionary()
"""What functions take, looked at once."""


def parameters_of(job: Job) -> Parameters:
    """What the job's function takes. PolicyError where its work cannot be loaded, or is no function."""
    if job not in _known:
        work = job.work.load() if isinstance(job.work, LazyWork) else job.work
        _known[job] = Parameters(job.name, work[0] if isinstance(work, list | tuple) and len(work) == 1 else work)
    return _known[job]


def enqueue_one(
    database: Engine,
    job: Job,
    arguments: dict[str, Any],
    wish: Wish,
    using: Connection | Session | None,
    by: str | None = None,
) -> int:
    """See `App.enqueue`. by: a person who asks."""
    if job.on_demand is None:
        if arguments or wish != NO_WISH:
            raise UsageError(f"{job.name} is not on demand: it takes no arguments and no wish")
        with _transaction(database, using) as connection:
            return ask_for_a_run(connection, job, by=by or "enqueue")[0]
    parameters = parameters_of(job)
    parameters.written(arguments)  # before a transaction is begun for it
    with _transaction(database, using) as connection:
        return ask(connection, job, parameters, arguments, wish, by=by)


def enqueue_all(
    database: Engine, job: Job, many: Iterable[Mapping[str, Any]], wish: Wish, using: Connection | Session | None
) -> list[int]:
    """See `App.enqueue_many`."""
    if job.on_demand is None:
        raise UsageError(f"{job.name} is not on demand: it takes no arguments")
    with _transaction(database, using) as connection:
        return ask_many(connection, job, parameters_of(job), many, wish, by=None)


def cancel_one(database: Engine, number: int, by: str, using: Connection | Session | None) -> bool:
    """See `App.cancel`."""
    with _transaction(database, using) as connection:
        return cancel(connection, number, by)


@contextmanager
def _transaction(database: Engine, using: Connection | Session | None) -> Iterator[Connection]:
    if using is None:
        with connection_errors_translated(database), database.begin() as connection:
            yield connection
        return
    connection = using if isinstance(using, Connection) else _of_session(using)
    if connection.dialect.name != database.dialect.name:
        raise UsageError(
            f"using: a connection to {connection.dialect.name}, and the jobs are in {database.dialect.name}"
        )
    yield connection


def _of_session(using: object) -> Connection:
    if not isinstance(using, Session):
        raise UsageError(f"using: give a Connection or a Session of SQLAlchemy, not {type(using).__name__}")
    return using.connection()
