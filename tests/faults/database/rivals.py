"""Other users of the same database: sessions of the shop that hold locks, and what the server says about waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine, event

from sexton.db.faults import sqlstate
from sexton.runs.stop_signals import Stop
from sexton.testing.processes import wait_until
from tests.support.patience import PATIENCE

Session = psycopg.Connection[tuple[Any, ...]]


def url_of(engine: Engine) -> str:
    """The engine's address for libpq."""
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def session(engine: Engine) -> Iterator[Session]:
    """A session of the shop in the same database; every statement commits by itself until it says BEGIN."""
    with psycopg.connect(url_of(engine), autocommit=True, application_name="shop") as connection:
        yield connection


@contextmanager
def background() -> Iterator[Callable[..., Future[Any]]]:
    """`start(work, *arguments)` runs it in a thread; ask the future with `.result(PATIENCE)`.

    Open it before the sessions that block that work: they must be gone when the block waits for its threads.
    """
    with ThreadPoolExecutor() as pool:
        yield pool.submit


def wait_for_a_waiter(watcher: Session, application: str) -> None:
    """Until a session of `application` in this database waits for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = %s AND wait_event_type = 'Lock'"
    )

    def found() -> bool:
        row = watcher.execute(waiting, [application]).fetchone()
        return row is not None and row[0] > 0

    assert wait_until(found, PATIENCE), f"no session of {application} came to wait"


def states_seen(engine: Engine) -> list[str]:
    """From now on the SQLSTATEs of all errors on this engine are added to this list."""
    seen: list[str] = []

    @event.listens_for(engine, "handle_error")
    def note(context: Any) -> None:
        if context.sqlalchemy_exception is not None:
            seen.append(sqlstate(context.sqlalchemy_exception) or "none")

    return seen


class Hurried(Stop):
    """Waits a twentieth as long between tries, so that giving up takes a test no time."""

    def wait(self, seconds: float) -> bool:
        return super().wait(seconds / 20)
