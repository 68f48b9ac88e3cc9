"""How rows are called for, as `Call` has settled it: delays, rate, state; and one attempt as a function sees it."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row

from ..call_state import CallState
from ..errors import PolicyError
from ..jobs.backoff import parse_backoff
from ..jobs.duration import format_duration, parse_duration
from .hard_end import HardEnd
from .plan_parts import Message

SPARE_SECONDS = 5.0
"""Seconds that a run must have left beyond the timeout of a call that it begins."""

MOST_ASKED_FOR = timedelta(hours=24)
"""Of a Retry-After at most so much counts (G6): no answer can silence a row for years."""

DOUBLED = re.compile(r"\s*([^*<]+?)\s*\*\s*2\^n\s*(?:<=\s*(.+?)\s*)?")


@dataclass(frozen=True, slots=True)
class CallColumns:
    """Columns of the product's table that keep the schedule of a row's calls; each may be left out.

    attempts: a whole number.  next_at: due from then on, NULL: at once.  error: text, why not yet.
    status: one word, a `CallState`; only where the product has such a column to spare.
    claim, leased_until, first_at, code: with all of them beside attempts, next_at and status nothing is kept elsewhere.
    run_id: of the last attempt, a whole number.  closed_at: since when nothing comes after it; where the row keeps all.
    A person's UPDATE of `attempts` or `next_at` decides.
    """

    attempts: Column[Any] | None = None
    next_at: Column[Any] | None = None
    error: Column[Any] | None = None
    status: Column[Any] | None = None
    claim: Column[Any] | None = None
    leased_until: Column[Any] | None = None
    first_at: Column[Any] | None = None
    code: Column[Any] | None = None
    run_id: Column[Any] | None = None
    closed_at: Column[Any] | None = None

    @property
    def whole(self) -> bool:
        """Whether the row itself keeps everything."""
        return all(
            column is not None
            for column in (
                *(self.attempts, self.next_at, self.status, self.claim, self.leased_until, self.first_at),
                self.code,  # without it nobody would know that a call may have been done
            )
        )


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """What was recorded about one row. row: as it was claimed.  state: from now on.  closed: nothing comes after it.

    at: when it ended, by the run's time.
    """

    row: Row[Any]
    key: str
    state: CallState
    attempts: int
    closed: bool
    at: datetime


AfterRecord = Callable[[Connection, Sequence[RecordedCall]], object]
"""Called inside the transaction that records, once for all that is recorded in it."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `number` in any period of that length."""

    number: int
    period: timedelta


@dataclass(frozen=True, slots=True)
class CallDelays:
    """When a call that did not come to its end is made again. Give `listed`, or `base` and `most`.

    repeats: after the last of the list it is used again and again.  jitter: share of a delay that is random.
    """

    listed: tuple[timedelta, ...] = ()
    base: timedelta = timedelta(0)
    most: timedelta = timedelta(days=1)
    repeats: bool = False
    jitter: float = 0.0

    @classmethod
    def parse(cls, written: Sequence[str] | str, jitter: float, where: str, *, repeats: bool) -> CallDelays:
        """Read ["1h", "6h"], or "30s*2^n<=1h". ScheduleError, PolicyError beginning with `where`."""
        if isinstance(written, str):
            match = DOUBLED.fullmatch(written)
            if match is None:
                raise PolicyError(f'{where}: {written!r}: write ["1m", "5m"], or "30s*2^n<=1h" for doubled delays')
            most = parse_duration(match[2], where=where) if match[2] else timedelta(days=1)
            return cls(base=parse_duration(match[1], where=where), most=most, repeats=True, jitter=jitter)
        return cls(parse_backoff(written, where=where).delays, repeats=repeats, jitter=jitter)

    def after(
        self, attempt: int, asked: float | None = None, chance: Callable[[], float] = random.random
    ) -> timedelta | None:
        """The rest after attempt `attempt` (the first is 1), from its end; None: there is none left.

        asked: seconds that the other side wants; the longer of both counts.  chance: gives numbers from 0 to 1.
        """
        delay = self._delay(attempt)
        if delay is None:
            return None
        delay *= 1 + self.jitter * (2 * chance() - 1)
        return max(delay, asked_for(asked))

    def _delay(self, attempt: int) -> timedelta | None:
        if self.base:
            seconds = self.base.total_seconds() * 2.0 ** min(attempt - 1, 64)
            return min(timedelta(seconds=min(seconds, self.most.total_seconds())), self.most)
        if attempt <= len(self.listed):
            return self.listed[attempt - 1]
        return self.listed[-1] if self.repeats and self.listed else None


def asked_for(seconds: float | None) -> timedelta:
    """A rest that the other side wants, within the cap (G6). What is no length of time asks for nothing."""
    if seconds is None or not seconds > 0:  # not a number is not above 0 either
        return timedelta(0)
    return timedelta(seconds=min(seconds, MOST_ASKED_FOR.total_seconds()))


@dataclass(frozen=True, slots=True, eq=False)
class CallRule:
    """What the runner needs to know beside the plan; fields as in `Call`, checked. timeout: seconds."""

    function: Callable[..., Any]
    key: ColumnElement[str]
    when: ColumnElement[bool]
    destination: str | ColumnElement[str]
    delays: CallDelays
    timeout: float
    unchanged: tuple[Column[Any], ...] = ()
    rates: tuple[Rate, ...] = ()
    concurrency: int = 4
    per_destination: int = 2
    batch: int = 1
    horizon: timedelta | None = None
    on_unknown: str = "again"
    look_up: Callable[..., Any] | None = None
    state: CallColumns | None = None
    endings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tell: Message | None = None
    settings: str = ""
    after_record: AfterRecord | None = None

    def require_time(self, step: str, job: str, limit: timedelta) -> None:
        """PolicyError where no call could begin and come to its end within the job's timeout."""
        needed = timedelta(seconds=self.timeout + SPARE_SECONDS)
        if needed >= limit:
            words = f"needs a timeout of more than {format_duration(needed)}; the job's is {format_duration(limit)}"
            raise PolicyError(f"{job}, step {step}: one call may take {self.timeout:g} s, so the job {words}")


class Attempt:
    """One call as its function sees it.

    row: the row as it was claimed, its columns by name.  key: the stable id; send it along, so that the other side can
    tell a second copy.  number: 1 for the first attempt.  uncertain: an earlier one may have been done.
    now: the run's frozen time, aware, UTC.  destination: who is called.
    ends: monotonic time of its hard end.
    """

    def __init__(
        self,
        row: Row[Any],
        key: str,
        number: int,
        *,
        now: datetime,
        destination: str,
        ends: float | HardEnd,
        uncertain: bool = False,
    ) -> None:
        self.row = row
        self.key = key
        self.number = number
        self.now = now
        self.destination = destination
        self.uncertain = uncertain
        self._end = ends if isinstance(ends, HardEnd) else HardEnd(ends, timeout=ends - time.monotonic())

    @property
    def left(self) -> float:
        """Seconds until the hard end of this call; never negative. Give it to whatever takes a timeout."""
        return max(self._end.ends - time.monotonic(), 0.0)

    @property
    def cancelled(self) -> bool:
        """Whether the call should end as soon as it can: its time is over, its run ends, its claim is lost."""
        return self._end.cancelled

    def heartbeat(self) -> None:
        """Say that the call is alive: its hard end moves on to `timeout` from now, never past the end of the run.

        The claims of all its rows are extended with it. As often as you like, from any thread; few are written.
        CallCancelled when the call has to end. Let it pass: what the call has done by then is Unknown.
        """
        self._end.beat()

    def cancel(self) -> None:
        """Ask the function to end."""
        self._end.cancel("it was asked to end")
