"""The rows that are called for, as people ask about them: what waits, since when, and why. Only reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Text, func, literal, null, select

from ...call_state import OPEN_CALLS, CallState
from ...calls import budgets, destinations
from ...calls.claims_in_calls import InCalls
from ...calls.health import DestinationHealth
from ...db.call_conditions import ended_badly
from ...db.ledger import subject_text
from ...db.server_clock import ask_now
from ...db.tables import own_tables
from ...policies.call_rule import CallColumns, CallRule
from ...policies.contract import Plan
from ...statements.batch_strategy import Request, parameters


@dataclass(frozen=True, slots=True)
class ListedCall:
    """One row. since: when its first call began, or else its own time, where that is an instant.  why: for people.

    until: when that ends, where it is known.  error: what came of the last attempt.  note: what a person did.
    """

    job: str
    step: str
    subject: str
    destination: str
    state: str
    attempts: int
    since: datetime | None = None
    next_at: datetime | None = None
    claimed_until: datetime | None = None
    run: int | None = None
    error: str | None = None
    note: str | None = None
    why: str = ""
    until: datetime | None = None


@dataclass(slots=True)
class _Reasons:
    """Why rows of one step wait; each destination is looked up once."""

    connection: Connection
    rule: CallRule
    now: datetime
    health: Mapping[str, DestinationHealth] = field(default_factory=dict)
    next_calls: dict[str, datetime] = field(default_factory=dict)

    def of(self, call: ListedCall) -> tuple[str, datetime | None]:
        """In words, and until when."""
        if call.state == CallState.CLAIMED:
            if call.claimed_until is not None and call.claimed_until > self.now:
                return f"is called now, by run {call.run}", call.claimed_until
            return "its process ended in the call; called again at the next run", None
        if not call.destination:
            return "its destination is empty: nobody to call", None
        health = self.health.get(call.destination, DestinationHealth())
        if health.disabled_at is not None:
            who = f"paused by {health.disabled_by}" if health.disabled_by else "disabled"
            return f"{call.destination} is {who}: {health.reason or 'no reason given'}", None
        if call.next_at is not None and call.next_at > self.now:
            return f"tried again later: {call.error or 'not yet'}", call.next_at
        if health.rest_until is not None:
            return _of_rest(call.destination, health, self.now)
        free = self._next_call(call.destination)
        if free > self.now:
            return f"{call.destination} has no more calls for now by its rate", free
        return "called at the next run", None

    def _next_call(self, name: str) -> datetime:
        if name not in self.next_calls:
            self.next_calls[name] = budgets.next_permit(self.connection, name, self.rule.rates, self.now)
        return self.next_calls[name]


def _of_rest(name: str, health: DestinationHealth, now: datetime) -> tuple[str, datetime | None]:
    why = health.reason or "it was down"
    if health.rests_at(now):
        return f"{name} rests: {why}", health.rest_until
    if health.probed_at(now):
        return f"{name} was down ({why}), and one call finds out whether it is back", health.probe_until
    return f"{name} was down ({why}); one call at the next run finds out whether it is back", None


def open_calls(
    connection: Connection, job: str, plan: Plan, most: int, subjects: Sequence[str] = ()
) -> list[ListedCall]:
    """Rows of one step that wait or are called now, in the order of calling, at most so many.

    subjects: only these rows, whatever has become of them, as long as `when` holds.
    """
    assert plan.call is not None
    now = ask_now(connection)
    statement = _statement(plan, job, connection.dialect.name, subjects).limit(most)
    request = Request(most, None, now, job, None)
    rows = connection.execute(statement, parameters(statement, request)).all()
    return _explained(connection, plan.call, now, [_listed(job, plan, row) for row in rows])


def ended_calls(
    connection: Connection, most: int, *, job: str | None = None, subjects: Sequence[str] = ()
) -> list[ListedCall]:
    """Rows that failed, were given up, or of which nobody knows, the newest first; of all jobs by default.

    subjects: these rows, whatever has become of them. Only what table `calls` keeps: a product's own columns say it
    themselves.
    """
    calls = own_tables(connection.dialect.name).calls
    asked = select(calls).order_by(calls.c.closed_at.desc(), calls.c.subject).limit(most)
    asked = asked.where(calls.c.subject.in_(subjects) if subjects else ended_badly(calls.c.state))
    if job is not None:
        asked = asked.where(calls.c.job == job)
    return [
        ListedCall(
            job=row.job,
            step=row.step,
            subject=row.subject,
            destination=row.destination,
            state=row.state,
            attempts=row.attempts,
            since=row.first_at,
            run=row.run_id,
            error=row.error,
            note=row.note,
            why=f"{row.state.replace('_', ' ')}: {row.error or row.code or 'no reason given'}",
        )
        for row in connection.execute(asked)
    ]


def _explained(connection: Connection, rule: CallRule, now: datetime, calls: Iterable[ListedCall]) -> list[ListedCall]:
    calls = list(calls)
    health = destinations.health_of(connection, {call.destination for call in calls})
    reasons = _Reasons(connection, rule, now, health)
    return list(_with_reasons(reasons, calls))


def _with_reasons(reasons: _Reasons, calls: Iterable[ListedCall]) -> Iterator[ListedCall]:
    for call in calls:
        if call.state not in OPEN_CALLS:
            yield replace(call, why=f"{call.state.replace('_', ' ')}: {call.error or 'no reason given'}")
            continue
        why, until = reasons.of(call)
        yield replace(call, why=why, until=until)


def _statement(plan: Plan, job: str, dialect: str, subjects: Sequence[str]) -> Select[Any]:
    """By the condition of the policy alone: rows whose next call is not due yet are asked for as well."""
    assert plan.call is not None
    rule, own = plan.call, plan.call.state or CallColumns()
    given = rule.destination
    who = literal(given, Text()) if isinstance(given, str) else given
    kept, joined = _kept(plan, own, job, dialect)
    state = func.coalesce(kept["state"], CallState.WAITING.value)
    columns = [column.label(f"kept_{name}") for name, column in kept.items() if name != "state"]
    subject = subject_text(plan.key)
    asked = select(subject.label("subject"), who.label("destination"), state.label("state"), *columns)
    if plan.by is not None:
        asked = asked.add_columns(plan.by.label("by"))
    asked = asked.where(rule.when).order_by(*plan.order)
    asked = asked.where(subject.in_(subjects) if subjects else state.in_(OPEN_CALLS))
    return asked.select_from(plan.table if joined is None else plan.table.outerjoin(*joined))


def _kept(
    plan: Plan, own: CallColumns, job: str, dialect: str
) -> tuple[dict[str, ColumnElement[Any]], tuple[Any, Any] | None]:
    """Where each part of what is kept stands, and what has to be joined for it."""
    mapped = {
        "state": own.status,
        "attempts": own.attempts,
        "first_at": own.first_at,
        "next_at": own.next_at,
        "leased_until": own.leased_until,
        "run_id": own.run_id,
        "error": own.error,
    }
    if own.whole:
        return {name: null() if column is None else column for name, column in {**mapped, "note": None}.items()}, None
    calls = own_tables(dialect).calls.c
    kept: dict[str, ColumnElement[Any]] = {name: calls[name] for name in (*mapped, "note")}
    for name in ("attempts", "next_at", "error"):
        column = mapped[name]
        if column is not None:
            kept[name] = column
    _, joined = InCalls(plan, own, job, dialect).picked()
    return kept, joined


def _listed(job: str, plan: Plan, row: Row[Any]) -> ListedCall:
    known = row._mapping
    own_time = known.get("by")
    return ListedCall(
        job=job,
        step=plan.step,
        subject=known["subject"],
        destination=known["destination"] or "",
        state=known["state"],
        attempts=known["kept_attempts"] or 0,
        since=known["kept_first_at"] or (own_time if isinstance(own_time, datetime) else None),
        next_at=known["kept_next_at"],
        claimed_until=known["kept_leased_until"],
        run=known["kept_run_id"],
        error=known["kept_error"],
        note=known["kept_note"],
    )
