"""Records answers until it is done: again after locks and lost connections, one by one where a row is refused."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ...call_outcomes import Again, Down, Unknown
from ...calls import destinations
from ...calls.claim_store import RECORDING_SECONDS
from ...calls.claimed_row import ClaimedRow
from ...calls.health import SUCCESSES_TO_TRUST, CallReport, FailureKind, HealthChange
from ...db.faults import Fault, classify, describe, while_changing
from ...db.statement_timeout import statement_limit
from ...statements.batch_strategy import Request
from ..context import RunContext, milliseconds
from ..outcome import PASSING
from .call_threads import Answer
from .recording import Recorded, Recording

LOCK_SECONDS = 2.0
"""Seconds that recording waits for a row that others hold, each time; it tries for as long as the claims stand."""

PAUSE_SECONDS = 0.1
"""Seconds between two tries."""


class Recorder:
    """Records for one step of a run. at: the run's time at a monotonic time."""

    def __init__(
        self, context: RunContext, recording: Recording, request: Request, at: Callable[[float], datetime]
    ) -> None:
        self.resting: dict[str, str] = {}
        """Who began to rest, and why."""
        self._context, self._recording, self._request, self._at = context, recording, request, at

    def record(self, answers: Sequence[Answer]) -> Recorded:
        """All of them at once; each alone where one of them is refused, and as not recorded where that is the one.

        DBAPIError: the database is lost for longer than the claims stand.
        """
        try:
            return self._transact(answers)
        except DBAPIError as error:
            if while_changing(error) is not Fault.POISON:
                raise
            if len(answers) == 1:
                words = f"could not be recorded: {describe(error)}"
                return self._transact([replace(answers[0], outcome=Again(words), began=True)])
        whole = Recorded()
        for answer in answers:
            whole.add(self.record([answer]))
        return whole

    def overdue(self, rows: Sequence[ClaimedRow], at: datetime) -> None:
        """Calls that had no answer in time: their rows stay claimed, but who was called may be down."""
        for row in rows:
            report = CallReport(row.destination, row.subject, FailureKind.ROW, "no answer in time")
            with _transaction(self._context) as connection:
                self._note(destinations.record(connection, [report], at), [report])

    def _transact(self, answers: Sequence[Answer]) -> Recorded:
        """Tried again for as long as the claims stand. After a lost COMMIT the claim says whether it counted."""
        end, lost = time.monotonic() + RECORDING_SECONDS, False
        reports = _reports(answers)
        while True:
            try:
                with _transaction(self._context) as connection:
                    recorded = self._recording.record(
                        connection, answers, self._request, lambda one: self._at(one.ended)
                    )
                    changes = destinations.record(connection, reports, self._at(time.monotonic()))
            except DBAPIError as error:
                fault = classify(error)
                if fault not in PASSING or time.monotonic() > end:
                    raise
                lost = lost or fault is Fault.GONE
                time.sleep(PAUSE_SECONDS)
                continue
            self._note(changes, reports)
            if lost and (late := recorded.words.pop("late", 0)):
                recorded.words["recorded"] = late
            return recorded

    def _note(self, changes: dict[str, HealthChange], reports: Sequence[CallReport]) -> None:
        for name, change in changes.items():
            if change is HealthChange.RESTS:
                self.resting[name] = next(
                    one.why for one in reversed(reports) if one.destination == name and one.failure
                )
            else:
                self.resting.pop(name, None)


def _reports(answers: Sequence[Answer]) -> list[CallReport]:
    """What the calls say about those who were called; of many that went well one after the other some say it all."""
    reports: list[CallReport] = []
    well: Counter[str] = Counter()
    for answer in answers:
        if answer.began:
            report = _report(answer)
            well[report.destination] = well[report.destination] + 1 if report.failure is None else 0
            if well[report.destination] <= SUCCESSES_TO_TRUST:
                reports.append(report)
    return reports


def _report(answer: Answer) -> CallReport:
    """What the outcome says about whoever was called. An answer that is about the row alone went well."""
    claimed, outcome = answer.claimed, answer.outcome
    if isinstance(outcome, Down):
        kind = FailureKind.LASTING if outcome.lasting else FailureKind.DOWN
        return CallReport(claimed.destination, claimed.subject, kind, outcome.why, outcome.after)
    if isinstance(outcome, Unknown) or (isinstance(outcome, Again) and outcome.fault):
        return CallReport(claimed.destination, claimed.subject, FailureKind.ROW, outcome.why)
    return CallReport(claimed.destination, claimed.subject)


@contextmanager
def _transaction(context: RunContext) -> Iterator[Connection]:
    """One that the claim fences, and not the job's lease."""
    engine: Engine = context.engine
    statement = context.limits.statement
    with engine.begin() as connection, statement_limit(connection, statement):
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(
                f"SET LOCAL lock_timeout = '{milliseconds(min(LOCK_SECONDS, statement))}';"
                f" SET LOCAL statement_timeout = '{milliseconds(statement)}';"
                f" SET LOCAL idle_in_transaction_session_timeout = '{milliseconds(RECORDING_SECONDS)}'"
            )
        yield connection
