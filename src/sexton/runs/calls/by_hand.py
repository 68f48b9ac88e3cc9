"""What people do to the calls for a row: have it called for again, or no more. Each is one UPDATE of table `calls`.

A call under way is left alone: it cannot be taken back. What a product keeps in columns of its own, it decides itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, Text, and_, case, literal, null, or_, select, update

from ...call_state import CallState
from ...calls.claimed_row import UNKNOWN_CODE
from ...db.call_conditions import ended_badly as is_ended_badly
from ...db.ledger import subject_text
from ...db.tables import own_tables
from ...db.upsert import upsert
from ...policies.call_rule import CallColumns
from ...policies.contract import Plan
from ...statements.batch_strategy import Request, parameters


def keeps_all_itself(plan: Plan) -> bool:
    """Whether the product's own columns hold all of it, so that table `calls` has nothing to change."""
    assert plan.call is not None
    return (plan.call.state or CallColumns()).whole


def retry(connection: Connection, job: str, plan: Plan, subjects: Sequence[str], note: str, at: datetime) -> set[str]:
    """Have these rows called for at the next run; the subjects of those that are.

    One that had ended begins anew: its attempts and its time count from now. One of which nobody knew what became of it
    is called for again with the same key; where the policy can look that up, it looks first.
    """
    calls = own_tables(connection.dialect.name).calls
    assert plan.call is not None
    ended = calls.c.closed_at.is_not(None)
    cut_off = (calls.c.state == CallState.CLAIMED, literal(UNKNOWN_CODE))
    decided = (calls.c.code == UNKNOWN_CODE, null() if plan.call.look_up is None else calls.c.code)
    values = {
        "state": CallState.WAITING,
        "attempts": case((ended, 0), else_=calls.c.attempts),
        "first_at": case((ended, null()), else_=calls.c.first_at),
        "code": case(cut_off, decided, else_=calls.c.code),
        **_settled(note),
        "closed_at": None,
    }
    these = and_(calls.c.job == job, calls.c.step == plan.step, calls.c.subject.in_(subjects))
    changed = update(calls).where(these, _not_under_way(calls, at)).values(values)
    return set(connection.execute(changed.returning(calls.c.subject)).scalars())


def cancel(connection: Connection, job: str, plan: Plan, subjects: Sequence[str], note: str, at: datetime) -> set[str]:
    """Call for these rows no more; the subjects of those that are left alone now, those never called for too."""
    dialect = connection.dialect.name
    calls = own_tables(dialect).calls
    dropped = {"state": CallState.DROPPED, **_settled(note), "closed_at": at}
    known = {"job": job, "step": plan.step, "attempts": 0}
    rows = [
        {**known, "subject": subject, "destination": name, **dropped}
        for subject, name in sorted(_there(connection, job, plan, subjects, at).items())
    ]
    if not rows:
        return set()
    made = upsert(dialect, calls).values(rows)
    changed = made.on_conflict_do_update(
        index_elements=[calls.c.job, calls.c.step, calls.c.subject], set_=dropped, where=_not_under_way(calls, at)
    )
    return set(connection.execute(changed.returning(calls.c.subject)).scalars())


def ended_badly(connection: Connection, job: str, plan: Plan) -> list[str]:
    """The subjects of all rows of the step that failed, were given up, or of which nobody knows."""
    calls = own_tables(connection.dialect.name).calls
    these = (calls.c.job == job, calls.c.step == plan.step, is_ended_badly(calls.c.state))
    return list(connection.execute(select(calls.c.subject).where(*these).order_by(calls.c.subject)).scalars())


def _there(connection: Connection, job: str, plan: Plan, subjects: Sequence[str], at: datetime) -> dict[str, str]:
    """Those of the rows that exist, and who would be called."""
    assert plan.call is not None
    given = plan.call.destination
    who = literal(given, Text()) if isinstance(given, str) else given
    subject = subject_text(plan.key)
    asked = select(subject.label("subject"), who.label("name")).where(subject.in_(subjects)).select_from(plan.table)
    found = connection.execute(asked, parameters(asked, Request(0, None, at, job, None)))
    return {row.subject: row.name or "" for row in found}


def _settled(note: str) -> dict[str, object]:
    return {"next_at": None, "claim": None, "leased_until": None, "note": note}


def _not_under_way(calls: Table, at: datetime) -> ColumnElement[bool]:
    return or_(calls.c.state != CallState.CLAIMED, calls.c.leased_until <= at)
