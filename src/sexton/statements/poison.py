"""Poison: rows that the database refuses. Each is set aside with its reason and tried again later; the rest goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, FromClause, and_, delete, exists, func, or_, select

from ..db.effect_keys import COMMA, KEY_FORM
from ..db.ledger import subject_text
from ..db.tables import own_tables
from ..db.upsert import upsert
from ..jobs.backoff import Backoff, parse_backoff
from ..policies.contract import Plan, in_rows
from .batch_strategy import Request, parameters
from .selection import cursor_bound, cursor_value, pick, single_row_parameter

POISON_BACKOFF: Backoff = parse_backoff(["1h", "6h", "24h"])
"""After its first, second and third refusal a row rests this long; after the fourth it waits for a person."""


class SetAside(NamedTuple):
    """Whether a job has rows that are set aside. now: only then the predicate has to ask for them.

    ever: also those whose time has come; only then there is something to forget.
    """

    now: bool
    ever: bool


def rows_set_aside(connection: Connection, job: str, as_of: datetime) -> SetAside:
    """Whether rows of this job are set aside."""
    poison = own_tables(connection.dialect.name).poison
    resting = or_(poison.c.next_at.is_(None), poison.c.next_at > as_of)
    of_job = select(poison.c.job).where(poison.c.job == job)
    found = connection.execute(select(exists(of_job.where(resting)), exists(of_job))).one()
    return SetAside(*map(bool, found))


def next_subject(connection: Connection, plan: Plan, request: Request) -> tuple[str, tuple[Any, ...]] | None:
    """The row that a batch of one would take: its name, and the cursor just after it. None when there is none."""
    onward = request.cursor is not None
    columns = pick(plan, list(plan.order), excluding=request.excluding, onward=onward)
    marks = (cursor_value(column) for column in plan.order)
    asked = columns.with_only_columns(*marks, subject_text(plan.key).label("subject"))
    if not request.waiting:  # the batch skipped locked rows, so the row it failed on is the first that is free
        asked = asked.with_for_update(of=plan.table, skip_locked=True)
    row = connection.execute(asked, parameters(asked, request)).first()
    return None if row is None else (row.subject, tuple(row[:-1]))


def picked_subject(connection: Connection, plan: Plan, picked: FromClause, values: dict[str, Any]) -> str:
    """The name of the one row that is picked, as `set_aside` will ask for it."""
    asked = select(subject_text(plan.key)).where(in_rows(plan.key, picked))
    return connection.execute(asked, values).scalar_one()


def single_row_plan(plan: Plan) -> Plan:
    """The same plan for no other row than the one at the cursor `Request.this`."""
    marks = [(column, cursor_bound(single_row_parameter(number), column)) for number, column in enumerate(plan.order)]
    return replace(plan, due=and_(plan.due, *(column == value for column, value in marks if column in plan.key)))


def quarantine(connection: Connection, plan: Plan, request: Request, subject: str, error: str) -> None:
    """Set a row aside, or longer than the last time."""
    poison = own_tables(connection.dialect.name).poison
    same = (poison.c.job == request.job, poison.c.step == plan.step, poison.c.subject == subject)
    before = connection.execute(select(poison.c.attempts).where(*same)).scalar() or 0
    rest = POISON_BACKOFF.delay(before + 1)
    values: dict[str, Any] = {
        "error": error,
        "attempts": before + 1,
        "run_id": request.run_id,
        "last_seen_at": request.as_of,
        "next_at": None if rest is None else request.as_of + rest,
        "form": KEY_FORM,
    }
    row = {"job": request.job, "step": plan.step, "subject": subject, "first_seen_at": request.as_of}
    statement = upsert(connection.dialect.name, poison).values(**row, **values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=[poison.c.job, poison.c.step, poison.c.subject], set_=values)
    )


def take_back(
    connection: Connection, plan: Plan, request: Request, error_prefixes: Sequence[str] = (), *, but_one: bool = False
) -> int:
    """Forget rows that this run set aside in this step: how many.

    error_prefixes: only those whose error begins so.  but_one: leave one as an example.
    """
    poison = own_tables(connection.dialect.name).poison
    these = [poison.c.job == request.job, poison.c.step == plan.step, poison.c.run_id == request.run_id]
    if error_prefixes:
        these.append(or_(*(poison.c.error.startswith(begin, autoescape=True) for begin in error_prefixes)))
    if but_one:
        these.append(poison.c.subject != select(func.min(poison.c.subject)).where(*these).scalar_subquery())
    return connection.execute(delete(poison).where(*these)).rowcount


def forget_healed(connection: Connection, plan: Plan, request: Request) -> int:
    """After a step went through: rows that were due for another try and were not refused again are healed.

    A name of before that may be of several rows goes as well: they were tried, and what was refused has its own now.
    """
    poison = own_tables(connection.dialect.name).poison
    over = poison.c.next_at <= request.as_of
    if len(plan.key) > 1:
        commas = func.length(poison.c.subject) - func.length(func.replace(poison.c.subject, COMMA, ""))
        over = or_(over, and_(poison.c.form.is_(None), commas >= len(plan.key)))
    healed = delete(poison).where(poison.c.job == request.job, poison.c.step == plan.step, over)
    return connection.execute(healed).rowcount
