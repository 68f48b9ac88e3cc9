"""The outside of a `Call`, scripted: no network, no waiting. Each subject gets the outcomes that the test gives it.

outside = Outside({"7": [Unknown("cut"), Done({"status": "paid"})], "8": [Down("refused"), Done()]})
outside.run(engine, check_payments, at="2026-11-30T10:00Z")
assert outside.numbers("7") == [1, 2]
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from ..call_outcomes import CallOutcome
from ..clock import in_utc, parse_instant
from ..db.effect_keys import subject_of
from ..jobs.job import Job
from ..policies.call_rule import Attempt, CallRule
from ..policies.contract import Plan
from .jobs import run_job

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ..runs.outcome import Outcome

ScriptedAnswer = CallOutcome | Exception | Callable[[Attempt], CallOutcome]
"""What a call comes to; an exception is raised by it, and a function answers in its place: it may call `heartbeat`."""

LONGEST = timedelta(days=400)
"""How far the clock is moved at most."""


@dataclass(frozen=True, slots=True)
class MadeCall:
    """One call as it was made. at: the run's time."""

    subject: str
    key: str
    number: int
    uncertain: bool
    at: datetime


class Outside:
    """Stands in for whatever the steps of a job call; made for one test.

    answers: by subject (the row's key as text), in the order of its calls. A call for which there is none left is an
    AssertionError, as is one for a subject whose key has changed.
    """

    def __init__(self, answers: Mapping[str, Sequence[ScriptedAnswer]]) -> None:
        self.calls: list[MadeCall] = []
        self._answers = {subject: list(given) for subject, given in answers.items()}
        self._wrong: list[str] = []

    def numbers(self, subject: str) -> list[int]:
        """The numbers of the attempts that were made for it."""
        return [call.number for call in self.calls if call.subject == subject]

    def run(
        self, engine: Engine, job: Job, *, at: str | datetime, until: str | datetime | None = None
    ) -> list[Outcome]:
        """Run the job at that time, and again at each time for which a call is left waiting; the runs in order.

        until: no run begins after it; by default until nothing waits. Sockets cannot be opened meanwhile, but those of
        the database's driver. A rate is no limit here. AssertionError when a call was made that the test did not
        expect, or when an answer is left.
        """
        now, end = _instant(at), None if until is None else _instant(until)
        last = now + LONGEST if end is None else end
        scripted = replace(job, work=[_Scripted(self, step) for step in _steps(job, engine)])
        runs: list[Outcome] = []
        while True:
            with _no_network(self._wrong):
                runs.append(run_job(engine, scripted, at=now))
            assert not self._wrong, "; ".join(self._wrong)
            following = _next(engine, scripted, now)
            if following is None or following > last:
                break
            now = following
        left = {subject: given for subject, given in self._answers.items() if given}
        assert end is not None or not left, f"calls that were not made: {left}"
        return runs

    def answer(self, attempt: Attempt, subject: str) -> CallOutcome:
        """What the next call for this subject comes to."""
        self.calls.append(MadeCall(subject, attempt.key, attempt.number, attempt.uncertain, attempt.now))
        keys = {call.key for call in self.calls if call.subject == subject}
        if len(keys) > 1:
            self._wrong.append(f"{subject} was called under several keys: {', '.join(sorted(keys))}")
        given = self._answers.get(subject)
        if not given:
            self._wrong.append(f"unexpected call for {subject}, attempt {attempt.number}")
            from ..call_outcomes import Failed

            return Failed("the test expected no call")
        answer = given.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer(attempt) if callable(answer) else answer


class _Scripted:
    """A step whose calls go to the test."""

    def __init__(self, outside: Outside, step: Any) -> None:
        self._outside, self._step = outside, step

    def plan(self) -> Plan:
        """The same plan, but for who is called."""
        plan: Plan = self._step.plan()
        return plan if plan.call is None else replace(plan, call=self._rule(plan, plan.call))

    def _rule(self, plan: Plan, rule: CallRule) -> CallRule:
        names = [column.key for column in plan.key]

        def one(attempt: Attempt) -> CallOutcome:
            return self._outside.answer(attempt, subject_of([attempt.row._mapping[name] for name in names]))

        def several(attempts: Sequence[Attempt]) -> Iterator[CallOutcome]:
            yield from map(one, attempts)

        function: Callable[..., Any] = several if rule.batch > 1 else one
        return replace(rule, function=function, look_up=one if rule.look_up is not None else None, rates=())


def _steps(job: Job, engine: Engine) -> list[Any]:
    work = job.load(engine)
    return list(work) if isinstance(work, list | tuple) else [work]


def _next(engine: Engine, job: Job, now: datetime) -> datetime | None:
    """When the next call of the job is due: of what is kept, and of the product's own columns."""
    from ..calls.waiting import next_call

    with engine.connect() as connection:
        times = [next_call(connection, job.name, plan, now) for plan in (step.plan() for step in _list(job.work))]
    found = [one for one in times if one is not None]
    return min(found, default=None)


def _list(work: object) -> list[Any]:
    return work if isinstance(work, list) else [work]


def _instant(at: str | datetime) -> datetime:
    return parse_instant(at) if isinstance(at, str) else in_utc(at)


@contextmanager
def _no_network(wrong: list[str]) -> Iterator[None]:
    """No socket of Python's connects, and who tries is told of; the driver of PostgreSQL has its own, in C."""

    def refuse(opened: socket.socket, address: object, *_more: object) -> None:
        opened.close()
        wrong.append(f"a call went out to {address}; Outside stands for all calls")
        raise AssertionError(wrong[-1])

    with patch.object(socket.socket, "connect", refuse), patch.object(socket.socket, "connect_ex", refuse):
        yield
