"""Call: for rows that are due, call something outside, each under a claim, and record what came of it.

    claim    one short transaction: rows that are due and free, attempts + 1, ours until the lease ends; COMMIT
    call     no transaction: a function of yours, with a hard end
    record   a second transaction: lock the row, look whether claim and row are still what they were; write; COMMIT

A process that dies in between leaves a claim that ends by itself; the row is then called again, with the same key and
one attempt more. So a call happens at least once, and what is recorded about it exactly once (promise 3).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, Table, and_, literal_column, true

from ..call_outcomes import CallOutcome
from ..call_state import CallState
from ..db.call_conditions import callable_by_row, callable_now
from ..errors import PolicyError
from ..jobs.duration import format_duration, parse_duration
from .age import require_column
from .call_rule import AfterRecord, CallColumns, CallDelays, CallRule, Rate
from .contract import Message, Plan, key_of

OnUnknown = Literal["again", "once", "stop"]
"""What follows when nobody knows whether a call was done: it is made again with the same key, as often as the delays
say, or one more time; or a person decides."""

LONGEST_CALL = timedelta(minutes=5)
"""Of `timeout`. One that lasts longer says that it is alive: else nobody would know for as long that it has died."""

RATE = re.compile(r"([0-9]+)/(.+)")


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """Call `call` for each row of `table` that is due, at least once, with one key that never changes.

    by: the order of calling, oldest first.  when: the condition; asked again before anything is recorded.
    call: a function of an `Attempt` that returns a `CallOutcome`. With `batch` above 1 it gets several attempts of one
        destination and returns, better yields, an outcome for each, in their order: what is yielded is recorded soon.
    key: the stable id of the call, over columns of the row.
    unchanged: columns that must have the values that the call saw, else the row has moved.
    destination: who is called, a name or a text column; it rests as a whole when it is down. Default: the step's name.
        A row whose column is NULL or empty is not called for, and `sexton calls` says so.
    rate: at most so many calls to anyone, "20/10m", in any process; several for several periods.
    timeout: hard end of one call, up to 5m; one that takes longer moves it on by `call.heartbeat()`.
    concurrency: calls at once.  per_destination: of those to one destination, where that is a column.
    retry: delays after the first, second, … attempt, from its end; the last one repeats until `give_up_after`, and
        without that the attempts end with the list. Or "30s*2^n<=1h": doubled each time, up to an hour.
    jitter: share by which delays vary at random, at most; 0 or up to 0.5.
    give_up_after: how long after the first attempt a row is given up, loudly.
    on_unknown: "again"; "once": one more time; "stop", for charges, where there is no `look_up`.
    look_up: a function of the attempt that asks whether the call before was done; called instead, after Unknown.
    state: columns of the row that keep its schedule; by default a table of Sexton's does.
    gave_up, failed, gone, unknown: column -> value, written when a row ends so.  tell: a message when it gave up or
        failed.
    settings: fingerprint of what a call is made with, such as credentials: when it changes, whoever rested because of
        them is called again.
    after_record: called in each transaction that records, with its connection and all that was recorded in it.
    name: of the step; default "call_<table>".
    """

    table: Table
    by: Column[Any]
    call: Callable[..., CallOutcome | Iterable[CallOutcome]]
    key: ColumnElement[str]
    when: ColumnElement[bool] = field(default_factory=true)
    unchanged: Sequence[Column[Any]] = ()
    destination: str | ColumnElement[str] = ""
    rate: str | Sequence[str] = ()
    timeout: str = "10s"
    concurrency: int = 4
    per_destination: int = 2
    batch: int = 1
    retry: Sequence[str] | str = ("1m", "5m", "30m", "2h", "6h")
    jitter: float = 0.1
    give_up_after: str | None = None
    on_unknown: OnUnknown = "again"
    look_up: Callable[..., CallOutcome] | None = None
    state: CallColumns | None = None
    gave_up: Mapping[str, Any] = field(default_factory=dict)
    failed: Mapping[str, Any] = field(default_factory=dict)
    gone: Mapping[str, Any] = field(default_factory=dict)
    unknown: Mapping[str, Any] = field(default_factory=dict)
    tell: Message | None = None
    settings: str = ""
    after_record: AfterRecord | None = None
    name: str = ""

    def plan(self) -> Plan:
        """The rows that are called for, and how; PolicyError when the policy cannot be right."""
        require_column(self.table, self.by, "by")
        own = key_of(self.table)
        step = self.name or f"call_{self.table.name}"
        rule = self._rule(step)
        return Plan(
            step=step,
            table=self.table,
            key=own,
            order=(self.by, *(column for column in own if column is not self.by)),
            due=and_(self.when, self._has_destination(), self._callable(step, own)),
            by=self.by,
            call=rule,
        )

    def _has_destination(self) -> ColumnElement[bool]:
        """Nobody can be called for a row that names nobody, by NULL or an empty text."""
        return true() if isinstance(self.destination, str) else self.destination > literal_column("''")

    def _callable(self, step: str, key: tuple[Column[Any], ...]) -> ColumnElement[bool]:
        own = self.state or CallColumns()
        if own.status is not None and own.next_at is not None and own.leased_until is not None and own.whole:
            return callable_by_row(own.status, own.next_at, own.leased_until)
        return callable_now(step, key, own.next_at)

    def _rule(self, step: str) -> CallRule:
        where = f"call for {self.table.fullname}"
        self._check(where)
        rates = (self.rate,) if isinstance(self.rate, str) else tuple(self.rate)
        horizon = self.give_up_after
        return CallRule(
            function=self.call,
            key=self.key,
            when=self.when,
            unchanged=tuple(self.unchanged),
            destination=step if isinstance(self.destination, str) and not self.destination else self.destination,
            rates=tuple(parse_rate(one, f"{where}: rate") for one in rates),
            timeout=self._timeout(f"{where}: timeout"),
            concurrency=self.concurrency,
            per_destination=self.per_destination,
            batch=self.batch,
            delays=CallDelays.parse(self.retry, self.jitter, f"{where}: retry", repeats=horizon is not None),
            horizon=None if horizon is None else parse_duration(horizon, where=f"{where}: give_up_after"),
            on_unknown=self.on_unknown,
            look_up=self.look_up,
            state=self.state,
            endings=self._endings(where),
            tell=self.tell,
            settings=self.settings,
            after_record=self.after_record,
        )

    def _check(self, where: str) -> None:
        for name, least, given in (
            ("concurrency", 1, self.concurrency),
            ("per_destination", 1, self.per_destination),
            ("batch", 1, self.batch),
        ):
            if given < least:
                raise PolicyError(f"{where}: {name} starts at {least}")
        if self.look_up is not None and self.batch > 1:
            raise PolicyError(f"{where}: look_up asks about one row at a time, so batch must be 1")
        if not 0 <= self.jitter <= 0.5:
            raise PolicyError(f"{where}: jitter is a share from 0 to 0.5")
        if not isinstance(self.key, ColumnElement):
            raise PolicyError(f"{where}: key must be made of the row's columns; write text_key(…)")

    def _endings(self, where: str) -> dict[str, Mapping[str, Any]]:
        ends: dict[str, Mapping[str, Any]] = {
            CallState.GAVE_UP: self.gave_up,
            CallState.FAILED: self.failed,
            CallState.GONE: self.gone,
            CallState.UNKNOWN: self.unknown,
        }
        for name, values in ends.items():
            if odd := [column for column in values if column not in self.table.c]:
                raise PolicyError(f"{where}: {name}: {self.table.fullname} has no column {', '.join(odd)}")
        return ends

    def _timeout(self, where: str) -> float:
        given = parse_duration(self.timeout, where=where)
        if given <= timedelta(0):
            raise PolicyError(f"{where} must be longer than 0s")
        if given > LONGEST_CALL:
            most = format_duration(LONGEST_CALL)
            raise PolicyError(f"{where} is {most} at most; a call that takes longer calls heartbeat() of its Attempt")
        return given.total_seconds()


def parse_rate(text: str, where: str = "rate") -> Rate:
    """Read "20/10m": at most 20 in any 10 minutes. PolicyError, ScheduleError beginning with `where`."""
    match = RATE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or int(match[1]) < 1:
        raise PolicyError(f'{where}: {text!r} is no rate; write "20/10m": at most 20 in any ten minutes')
    period = parse_duration(match[2], where=where)
    if period <= timedelta(0):
        raise PolicyError(f'{where}: {text!r} has no length of time; write "20/10m"')
    return Rate(int(match[1]), period)
