"""Transactions about calls that have begun: fenced by the claims of their rows, and not by the job's lease."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from ...calls.claim_store import RECORDING_SECONDS
from ...db.statement_timeout import statement_limit
from ..context import RunContext, milliseconds


@contextmanager
def claim_transaction(context: RunContext, wait: float) -> Iterator[Connection]:
    """One in which whoever writes asks for the claim. wait: seconds for a lock."""
    statement = context.limits.statement
    with context.engine.begin() as connection, statement_limit(connection, statement):
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(
                f"SET LOCAL lock_timeout = '{milliseconds(min(wait, statement))}';"
                f" SET LOCAL statement_timeout = '{milliseconds(statement)}';"
                f" SET LOCAL idle_in_transaction_session_timeout = '{milliseconds(RECORDING_SECONDS)}'"
            )
        yield connection
