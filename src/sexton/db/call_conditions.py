"""Whether a row may be called for now, as SQL: part of the one predicate that counts, previews and claims ask."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Text, and_, bindparam, literal_column, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Boolean

from ..call_state import ENDED_BADLY, CallState
from .column_types import UtcDateTime
from .ledger import subject_text
from .server_clock import database_now
from .sql_expressions import JOB, as_text
from .tables import own_name
from .time_parameters import now


class server_clock(FunctionElement[datetime]):  # noqa: N801 (reads as the SQL function it is)
    """The database's time when it is asked, which alone decides about leases; `now` is the run's."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(server_clock)
def _clock(element: server_clock, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(database_now(compiler.dialect.name), **kw)


class not_called(FunctionElement[bool]):  # noqa: N801
    """Whether table `calls` has nothing against calling for this subject now. Use `callable_now`."""

    type = Boolean()
    inherit_cache = True


@compiles(not_called)
def _not_called(element: not_called, compiler: SQLCompiler, **kw: Any) -> str:
    name, schema = own_name(compiler.dialect.name, "calls")
    table = f"{schema}.{name}" if schema else name
    job, step, subject, at, clock = [compiler.process(clause, **kw) for clause in element.clauses]
    waits = f"sexton_called.state = '{CallState.WAITING}' AND coalesce(sexton_called.next_at <= {at}, true)"
    over = f"sexton_called.state = '{CallState.CLAIMED}' AND sexton_called.leased_until <= {clock}"
    return (
        f"NOT EXISTS (SELECT 1 FROM {table} AS sexton_called WHERE sexton_called.job = {job} AND sexton_called.step ="
        f" {step} AND sexton_called.subject = {subject} AND NOT (({waits}) OR ({over})))"
    )


def callable_now(step: str, key: Sequence[Column[Any]], next_at: Column[Any] | None) -> ColumnElement[bool]:
    """Nothing is kept about the row, or its next call is due, or a claim on it has ended.

    next_at: the product's own column for that, which then decides; None: it has none.
    """
    job: ColumnElement[str] = bindparam(JOB, type_=Text())
    free: ColumnElement[bool] = not_called(job, as_text(step), subject_text(key), now(), server_clock())
    return free if next_at is None else and_(or_(next_at.is_(None), next_at <= now(next_at.type)), free)


def callable_by_row(status: Column[Any], next_at: Column[Any], leased_until: Column[Any]) -> ColumnElement[bool]:
    """The same where the row itself keeps everything. NULL in `status` is a row that was never called for."""
    waits = and_(
        or_(status.is_(None), status == CallState.WAITING), or_(next_at.is_(None), next_at <= now(next_at.type))
    )
    return or_(waits, and_(status == CallState.CLAIMED, leased_until <= server_clock()))


def ended_badly(state: ColumnElement[Any]) -> ColumnElement[bool]:
    """Somebody has to look. Words, not parameters: only so does the index of those few rows answer."""
    return state.in_([literal_column(f"'{word}'") for word in ENDED_BADLY])
