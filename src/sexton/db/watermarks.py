"""How far a roll-up has come, on record in the transaction that made it so; and the condition that waits for it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Text, delete, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from ..errors import PolicyError
from .column_types import is_naive, is_time
from .server_clock import database_now
from .sql_expressions import as_text
from .tables import own_tables
from .upsert import upsert

LATE_COMMIT_MARGIN = timedelta(hours=1)
"""How long after its time a row may be committed and still be seen by another policy first."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """Of one step. closed_to: end of the last window that was computed.  sealed_to: of the last that is no more.

    begins_at: start of the first window.  told_from: windows that end later are told.
    kept_to: sums of windows that end until then stay where no row is left, as rows of theirs may have been purged.
    looked_at: rows that were changed before are in.  definition: schedule and zone of the windows; "": a backfill's.
    """

    closed_to: datetime
    definition: str
    begins_at: datetime
    told_from: datetime
    sealed_to: datetime | None = None
    kept_to: datetime | None = None
    looked_at: datetime | None = None


_KEPT = tuple(one.name for one in fields(Watermark))


def read_watermark(connection: Connection, job: str, step: str) -> Watermark | None:
    """None: the step has never computed a window."""
    marks = own_tables(connection.dialect.name).watermarks
    asked = select(*(marks.c[name] for name in _KEPT)).where(marks.c.job == job, marks.c.step == step)
    row = connection.execute(asked).first()
    return None if row is None else Watermark(**row._mapping)


def write_watermark(connection: Connection, job: str, step: str, mark: Watermark) -> None:
    """In the transaction that made it true."""
    dialect = connection.dialect.name
    marks = own_tables(dialect).watermarks
    values: dict[str, Any] = {name: getattr(mark, name) for name in _KEPT}
    values["updated_at"] = database_now(dialect)
    made = upsert(dialect, marks).values(job=job, step=step, **values)
    connection.execute(made.on_conflict_do_update(index_elements=[marks.c.job, marks.c.step], set_=values))


def forget_watermark(connection: Connection, job: str, step: str) -> None:
    """Of a step that is done with for good."""
    marks = own_tables(connection.dialect.name).watermarks
    connection.execute(delete(marks).where(marks.c.job == job, marks.c.step == step))


def sealed_by(connection: Connection, job: str) -> datetime | None:
    """Until when all roll-ups of the job are sealed; None: one of them is not at all, or none has ever run."""
    marks = own_tables(connection.dialect.name).watermarks
    of_steps = (marks.c.job == job, marks.c.definition != "")  # the others are how far backfills have come
    ends = connection.execute(select(marks.c.sealed_to).where(*of_steps)).scalars().all()
    known = [end for end in ends if end is not None]
    return min(known) if known and len(known) == len(ends) else None


def rolled_up(by: Column[Any], job: str, step: str) -> ColumnElement[bool]:
    """Whether a row lies in a window that the roll-up computes no more: for `only` of a policy that purges its rows.

    by: the column by which the roll-up puts rows into windows.  job, step: its job, and its name in it.
    An hour is left, as a row may be committed later than its time says. Nothing is, before the first window is sealed.
    PolicyError when the column is no time.
    """
    if not is_time(by.type):
        raise PolicyError(f"rolled_up: {by} is {by.type!r}, which is no time")
    kind = naive_sealed_to if is_naive(by.type) else sealed_to
    return by < kind(as_text(job), as_text(step))


class sealed_to(FunctionElement[Any]):  # noqa: N801 (reads as the SQL function it is)
    """Until when rows of a roll-up are sealed, less the margin; NULL: none is. Use `rolled_up`."""

    type = Text()
    inherit_cache = True


class naive_sealed_to(sealed_to):  # noqa: N801
    """The same for a column that keeps no zone: UTC is meant."""

    inherit_cache = True


@compiles(sealed_to, "postgresql")
def _postgresql(element: sealed_to, compiler: SQLCompiler, **kw: Any) -> str:
    job, step = (compiler.process(clause, **kw) for clause in element.clauses)
    zone = " AT TIME ZONE 'UTC'" if isinstance(element, naive_sealed_to) else ""
    return (
        f"(SELECT (sexton_mark.sealed_to - interval '1 hour'){zone} FROM sexton.watermarks AS sexton_mark"
        f" WHERE sexton_mark.job = {job} AND sexton_mark.step = {step})"
    )


@compiles(sealed_to, "sqlite")
def _sqlite(element: sealed_to, compiler: SQLCompiler, **kw: Any) -> str:
    job, step = (compiler.process(clause, **kw) for clause in element.clauses)
    return (
        "(SELECT strftime('%Y-%m-%d %H:%M:%f', sexton_mark.sealed_to, '-1 hour') || '000'"
        f" FROM sexton_watermarks AS sexton_mark WHERE sexton_mark.job = {job} AND sexton_mark.step = {step})"
    )
