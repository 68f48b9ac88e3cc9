"""Other people at work beside a job: transactions held open, rows that refuse to change, a job in a second thread."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Table

from sexton.db.connect import open_database
from sexton.runs.context import Limits
from sexton.runs.outcome import Outcome
from sexton.testing.processes import wait_until
from tests.support.market import NOW, Market, Time
from tests.support.patience import PATIENCE
from tests.support.waiters import somebody_waits

BRIEF = Limits(lock_wait=0.05, rows=4)
"""For tests in which a lock is held to the end: do not wait long for it."""

REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation';
END $$
"""

PATIENT = Limits(lock_wait=PATIENCE)
"""For tests in which the rival commits while the job waits in its last pass."""


@contextmanager
def rival(shop: Market, *statements: Any) -> Iterator[Connection]:
    """A second transaction that has executed these statements; rolled back at the end unless it was committed.

    PostgreSQL ends it after minutes: a job that hangs on it for good is found out, and does not hang the tests.
    """
    engine = open_database(shop.engine.url.render_as_string(hide_password=False))
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{PATIENCE:.0f}s'")
            for statement in statements:
                connection.execute(statement)
            yield connection
    finally:
        engine.dispose()


@contextmanager
def running(shop: Market, name: str, at: Time = NOW, limits: Limits = PATIENT) -> Iterator[Future[Outcome]]:
    """The job in a thread of its own; the block goes on once it waits for a lock, and the job has ended after it."""
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(shop.run, name, at, limits=limits)
        assert wait_until(lambda: future.done() or somebody_waits(shop.engine), PATIENCE, pause=0.01)
        yield future


def refuse_to_change(engine: Engine, table: Table, number: int) -> None:
    """From now on the database refuses every update of this row of the product's."""
    _refuse(engine, table, "UPDATE", f"NEW.{table.c.id.name} = {number}")


def refuse_to_insert(engine: Engine, table: Table) -> None:
    """From now on the database refuses every new row of this table."""
    _refuse(engine, table, "INSERT", "1 = 1")


def _refuse(engine: Engine, table: Table, event: str, when: str) -> None:
    trigger = f"CREATE TRIGGER refuse BEFORE {event} ON {table.fullname}"
    if engine.dialect.name == "sqlite":
        commands = [f"{trigger} WHEN {when} BEGIN SELECT RAISE(ABORT, 'no'); END"]
    else:
        commands = [
            REFUSE,
            f"{trigger} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refuse()",
        ]
    with engine.begin() as connection:
        for command in commands:
            connection.exec_driver_sql(command)
