"""Records answers until it is done: again after locks and lost connections, one by one where a row is refused."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ...call_outcomes import Again, Down, Unknown
from ...calls import destinations
from ...calls.claim_store import RECORDING_SECONDS
from ...calls.claimed_row import ClaimedRow, not_recorded
from ...calls.health import SUCCESSES_TO_TRUST, CallReport, FailureKind, HealthChange
from ...db.faults import Fault, classify, describe, while_changing
from ...statements.batch_strategy import Request
from ..context import RunContext
from .call_threads import Answer
from .claim_transaction import claim_transaction
from .recording import UNRECORDED, Recorded, Recording

T = TypeVar("T")

LOCK_SECONDS = 2.0
"""Seconds that recording waits for rows that others hold."""

BRIEF_SECONDS = 0.05
"""The same for a row of which it is known that somebody held it: the others must not wait for it again."""

PAUSE_SECONDS = 0.1
"""Seconds between two tries."""

HELD_SECONDS = 1.0
"""Seconds after which a row that was held is tried again."""


class Recorder:
    """Records for one step of a run. at: the run's time at a monotonic time."""

    def __init__(
        self, context: RunContext, recording: Recording, request: Request, at: Callable[[float], datetime]
    ) -> None:
        self.resting: dict[str, str] = {}
        """Who began to rest, and why."""
        self.held: list[Answer] = []
        """Answers about rows that others have locked; tried again for as long as the claims stand."""
        self._again = 0.0
        self._context, self._recording, self._request, self._at = context, recording, request, at
        self._settings = recording.rule.settings

    def record(self, answers: Sequence[Answer]) -> Recorded:
        """All of them at once; each alone where one of them is refused or locked by others.

        DBAPIError: the database is lost for longer than the claims stand.
        """
        reports = _reports(answers, self._settings)
        return self._record(answers, reports, LOCK_SECONDS)

    def record_held(self) -> Recorded:
        """What was held, if it is time to try again; each alone."""
        whole = Recorded()
        if not self.held or time.monotonic() < self._again:
            return whole
        held, self.held = self.held, []
        for answer in held:
            if time.monotonic() > answer.ended + RECORDING_SECONDS:
                whole.count(UNRECORDED)  # its claim ends, and it is called again
            else:
                whole.add(self._record([answer], [], BRIEF_SECONDS))
        return whole

    def _record(self, answers: Sequence[Answer], reports: Sequence[CallReport], wait: float) -> Recorded:
        try:
            return self._transact(answers, reports, wait)
        except Exception as error:
            fault = while_changing(error) if isinstance(error, DBAPIError) else Fault.POISON
            if fault not in (Fault.POISON, Fault.LOCKED, Fault.CANCELLED):
                raise
            if len(answers) == 1:
                return self._alone(answers[0], reports, error, fault, wait)
        whole = Recorded()
        for answer in answers:
            own = [report for report in reports if report.subject == answer.claimed.subject]
            whole.add(self._record([answer], own, BRIEF_SECONDS))
        return whole

    def _alone(
        self, answer: Answer, reports: Sequence[CallReport], error: Exception, fault: Fault, wait: float
    ) -> Recorded:
        """One that cannot be recorded as it is: it has to wait, or is recorded as such."""
        if fault is Fault.LOCKED:
            self.held.append(answer)
            self._again = time.monotonic() + HELD_SECONDS
            return Recorded()
        words = describe(error) if isinstance(error, DBAPIError) else type(error).__name__
        return self._transact([replace(answer, outcome=not_recorded(answer.outcome, words), began=True)], reports, wait)

    def overdue(self, rows: Sequence[ClaimedRow], at: datetime) -> None:
        """Calls that had no answer in time: their rows stay claimed, but who was called may be down."""
        reports = [CallReport(row.destination, row.subject, FailureKind.ROW, "no answer in time") for row in rows]
        if reports:
            changes = self._patiently(lambda connection: destinations.record(connection, reports, at), LOCK_SECONDS)
            self._note(changes, reports)

    def _transact(self, answers: Sequence[Answer], reports: Sequence[CallReport], wait: float) -> Recorded:
        """After a lost answer to COMMIT the claims say whether it counted: then none of them is ours any more."""
        before: list[Recorded] = []

        def work(connection: Connection) -> dict[str, HealthChange]:
            recorded = self._recording.record(connection, answers, self._request, lambda one: self._at(one.ended))
            # What a try before has recorded is not lost by a second one that finds the claims gone.
            before[:] = before if before and set(recorded.words) <= {"late"} else [recorded]
            return destinations.record(connection, reports, self._at(time.monotonic()))

        self._note(self._patiently(work, wait), reports)
        return before[0]

    def _patiently(self, work: Callable[[Connection], T], wait: float) -> T:
        """Tried again for as long as the claims stand. wait: seconds for a lock."""
        end = time.monotonic() + RECORDING_SECONDS
        while True:
            try:
                with claim_transaction(self._context, wait) as connection:
                    return work(connection)
            except DBAPIError as error:
                if classify(error) not in (Fault.RETRY, Fault.GONE) or time.monotonic() > end:
                    raise
                time.sleep(PAUSE_SECONDS)

    def _note(self, changes: dict[str, HealthChange], reports: Sequence[CallReport]) -> None:
        for name, change in changes.items():
            if change is HealthChange.RESTS:
                self.resting[name] = next(
                    one.why for one in reversed(reports) if one.destination == name and one.failure
                )
            else:
                self.resting.pop(name, None)


def _reports(answers: Sequence[Answer], settings: str) -> list[CallReport]:
    """What the calls say about those who were called; of many that went well one after the other some say it all."""
    reports: list[CallReport] = []
    well: Counter[str] = Counter()
    for answer in answers:
        # What was no attempt says nothing about the other side.
        if answer.began and not (isinstance(answer.outcome, Again) and not answer.outcome.counts):
            report = _report(answer, settings)
            well[report.destination] = well[report.destination] + 1 if report.failure is None else 0
            if well[report.destination] <= SUCCESSES_TO_TRUST:
                reports.append(report)
    return reports


def _report(answer: Answer, settings: str) -> CallReport:
    """What the outcome says about whoever was called. An answer that is about the row alone went well."""
    claimed, outcome = answer.claimed, answer.outcome
    if isinstance(outcome, Down):
        kind = FailureKind.LASTING if outcome.lasting else FailureKind.DOWN
        return CallReport(claimed.destination, claimed.subject, kind, outcome.why, outcome.after, settings)
    if isinstance(outcome, Unknown) or (isinstance(outcome, Again) and outcome.fault):
        return CallReport(claimed.destination, claimed.subject, FailureKind.ROW, outcome.why)
    return CallReport(claimed.destination, claimed.subject)
