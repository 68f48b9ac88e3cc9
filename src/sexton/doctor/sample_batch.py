"""`--sample`: one real batch of at most 100 rows, rolled back, with its time and its WAL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, Engine, literal_column, select, text
from sqlalchemy.exc import DBAPIError

from ..db.connect import connection_errors_translated
from ..db.faults import Fault, classify, describe
from ..db.statement_timeout import limited_time
from ..jobs.duration import duration_words
from ..statements.batch_strategy import Request, Result, parameters
from ..statements.postgresql_purge import SweepPurge
from ..statements.selection import due_condition
from ..statements.strategy_choice import choose
from .finding import QUESTION_SECONDS, Case, Finding
from .workload import size_words

SAMPLE_ROWS = 100
"""Rows of the sample. A sweep takes what is due in one block."""

_PATIENCE = text("SET LOCAL lock_timeout = '50ms'")


def measure_sample_batch(engine: Engine, case: Case) -> Finding:
    """The measurement. What hinders it is a note. DatabaseUnreachable."""
    if case.plan.main is None and not case.plan.messages:
        return Finding("note", "sample", "the step changes nothing, so that there is nothing to measure")
    try:
        with connection_errors_translated(engine), engine.connect() as connection:
            transaction = connection.begin()
            try:
                with limited_time(connection, QUESTION_SECONDS):
                    return _measured(connection, case)
            finally:
                transaction.rollback()
    except DBAPIError as error:
        if classify(error) is Fault.LOCKED:
            why = "somebody holds a lock on a row, or on the table; try again"
        else:
            why = f"no answer within {QUESTION_SECONDS:g} s" if classify(error) is Fault.CANCELLED else describe(error)
        return Finding("note", "sample", f"not measured: {why}")


def _measured(connection: Connection, case: Case) -> Finding:
    request = replace(case.request, size=SAMPLE_ROWS)
    if case.on_postgresql:
        connection.execute(_PATIENCE)
    executor = choose(connection, case.plan, request).executor
    if isinstance(executor, SweepPurge):
        request = replace(request, size=1, cursor=_first_block(connection, case, request))
    before, began = _written(connection, case), time.monotonic()
    result: Result = executor.execute(connection, request)
    if case.on_postgresql:
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))  # what waits for the commit is part of the cost
    seconds, wal = time.monotonic() - began, _written(connection, case) - before
    if not result.picked:
        return Finding("note", "sample", "not measured: nothing is due that is not locked")
    return Finding("ok", "sample", "; ".join(_finding_lines(case, result.picked, seconds, wal)))


def _finding_lines(case: Case, rows: int, seconds: float, wal: int) -> Iterator[str]:
    yield f"{rows:,} {'row' if rows == 1 else 'rows'}: {_cost(case, seconds, wal)}, rolled back"
    if case.due is not None and case.due.rows > rows:
        times = case.due.rows / rows
        yield f"{case.due} due: about {_cost(case, seconds * times, round(wal * times))}"


def _cost(case: Case, seconds: float, wal: int) -> str:
    return f"{duration_words(seconds)}, {size_words(wal)} of WAL" if case.on_postgresql else duration_words(seconds)


def _written(connection: Connection, case: Case) -> int:
    """Bytes of WAL since the server's beginning; others write there too."""
    if not case.on_postgresql:
        return 0
    return int(connection.execute(text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")).scalar_one())


def _first_block(connection: Connection, case: Case, request: Request) -> tuple[int]:
    """The first block of the heap with a due row."""
    block: ColumnElement[int] = literal_column("CAST((CAST(CAST(ctid AS text) AS point))[0] AS bigint)")
    asked = select(block).select_from(case.plan.table).where(due_condition(case.plan, excluding=False)).limit(1)
    return (connection.execute(asked, parameters(asked, request)).scalar() or 0,)
