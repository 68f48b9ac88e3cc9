"""A small product table for tests of calls: payments that a gateway is asked about, and a gateway by script.

    shop = make_payments(engine)
    shop.add(3)
    gateway = Script({1: [Again("not yet"), Done({"status": "paid"})]})
    run = shop.run(gateway)
    assert gateway.made == [(1, "payment:1", 1), ...]

What is kept of the calls stands in table `calls` ("ours"), partly in the row ("some"), or in the row alone ("whole").
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Engine, Index, Integer, MetaData, Table, Text, insert, select, update

from sexton import Attempt, Call, CallColumns, CallOutcome, Done, Job, UtcDateTime, text_key
from sexton.db.column_types import BigKey
from sexton.db.server_clock import ask_now, database_now
from sexton.db.tables import own_tables
from sexton.runs.outcome import Outcome
from sexton.testing import run_job

from .sessions import NOON

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

JOB = "shop.check_payments"
STEP = "call_payments"

KEPT = ("ours", "some", "whole")
"""Where what is kept of the calls can stand."""

PAID = {"status": "paid"}


WENT_WELL = Done(PAID)


@dataclass
class Script:
    """A function for `Call` that answers by the row's id, in turn; the last answer again and again.

    made: (id, key, number of the attempt) of each call, in the order in which they began.  uncertain: ids of calls
    that may have been done before.
    """

    answers: Mapping[Any, Sequence[Any]] = field(default_factory=dict)
    otherwise: Any = WENT_WELL
    made: list[tuple[Any, str, int]] = field(default_factory=list)
    uncertain: list[Any] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, call: Attempt) -> CallOutcome:
        """One call."""
        with self._lock:
            number = call.row.id
            place = sum(one[0] == number for one in self.made)
            self.made.append((number, call.key, call.number))
            self.uncertain += [number] * call.uncertain
        answers = self.answers.get(number, (self.otherwise,))
        answer = answers[min(place, len(answers) - 1)]
        if isinstance(answer, BaseException):
            raise answer
        outcome: CallOutcome = answer(call) if callable(answer) else answer
        return outcome

    @property
    def ids(self) -> list[Any]:
        """Of the rows that were called for, sorted."""
        return sorted(one[0] for one in self.made)


@dataclass(frozen=True)
class Kept:
    """What is kept of one row's calls, wherever it stands."""

    state: str | None
    attempts: int
    next_at: datetime | None
    claim: str | None
    error: str | None


@dataclass(frozen=True)
class Payments:
    """The table on one engine, and short words for what tests do with it."""

    engine: Engine
    table: Table
    kept: str = "ours"

    def add(self, count: int, *, start: int = 1, **columns: Any) -> list[int]:
        """`count` payments, a second apart, oldest first, an hour old; their ids."""
        ids = list(range(start, start + count))
        rows = [
            {
                "id": one,
                "status": "pending",
                "amount": 100,
                "created_at": NOON - HOUR + timedelta(seconds=one),
                **columns,
            }
            for one in ids
        ]
        with self.engine.begin() as connection:
            connection.execute(insert(self.table), rows)
        return ids

    def call(self, function: Callable[..., Any], **options: Any) -> Call:
        """The policy: ask about what is pending."""
        columns = self.table.c
        given = {"key": text_key("payment", columns.id), "when": columns.status == "pending", "jitter": 0.0}
        return Call(self.table, by=columns.created_at, call=function, **{**given, "state": self.columns, **options})

    def job(self, function: Callable[..., Any], *, job_timeout: str = "4m", **options: Any) -> Job:
        """A job of nothing else."""
        return Job(JOB, work=self.call(function, **options), guard=None, timeout=job_timeout)

    def run(
        self,
        function: Callable[..., Any],
        *,
        at: datetime = NOON,
        running: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Outcome:
        """Run it; `running`: options of the run."""
        return run_job(self.engine, self.job(function, **options), at=at, **(running or {}))

    @property
    def columns(self) -> CallColumns | None:
        """Columns that keep the schedule."""
        own = self.table.c
        some = {"attempts": own.checks, "next_at": own.next_check_at, "error": own.why_not}
        if self.kept == "ours":
            return None
        if self.kept == "some":
            return CallColumns(**some)
        names = ("claim", "leased_until", "first_at", "code", "run_id")
        return CallColumns(**some, status=own.call_status, **{name: own[name] for name in names})

    def set(self, number: Any, **values: Any) -> None:
        """A person changes a row."""
        with self.engine.begin() as connection:
            connection.execute(update(self.table).where(self.table.c.id == number).values(**values))

    def row(self, number: Any) -> Any:
        """One row as it is now."""
        with self.engine.connect() as connection:
            return connection.execute(select(self.table).where(self.table.c.id == number)).one()

    def statuses(self) -> dict[Any, str]:
        """By id."""
        with self.engine.connect() as connection:
            asked = select(self.table.c.id, self.table.c.status).order_by(self.table.c.id)
            return {row.id: row.status for row in connection.execute(asked)}

    def rows_of_calls(self) -> dict[str, Any]:
        """Table `calls`, by subject."""
        calls = own_tables(self.engine.dialect.name).calls
        with self.engine.connect() as connection:
            return {row.subject: row for row in connection.execute(select(calls).order_by(calls.c.subject))}

    def of(self, number: int) -> Kept:
        """What is kept of the calls for one row."""
        row = self.row(number)
        if self.kept == "whole":
            return Kept(row.call_status, row.checks or 0, row.next_check_at, row.claim, row.why_not)
        ours = self.rows_of_calls().get(str(number))
        state, claim = (ours.state, ours.claim) if ours else (None, None)
        if self.kept == "some":
            return Kept(state, row.checks or 0, row.next_check_at, claim, row.why_not)
        return Kept(state, ours.attempts, ours.next_at, claim, ours.error) if ours else Kept(None, 0, None, None, None)

    def leased_until(self, number: int) -> Any:
        """The end of the claim on a row."""
        row = self.row(number) if self.kept == "whole" else self.rows_of_calls()[str(number)]
        return row.leased_until

    def now(self) -> datetime:
        """By the database's clock, which judges claims."""
        with self.engine.connect() as connection:
            return ask_now(connection)

    def take_claim(self, number: int) -> None:
        """Another process has the row from now on."""
        calls, own = own_tables(self.engine.dialect.name).calls, self.table
        with self.engine.begin() as connection:
            connection.execute(update(own).where(own.c.id == number, own.c.claim.is_not(None)).values(claim="other"))
            connection.execute(update(calls).where(calls.c.subject == str(number)).values(claim="other"))

    def let_claims_end(self) -> None:
        """As if the time of all claims had passed, by the database's clock."""
        past = database_now(self.engine.dialect.name, -1.0)
        calls = own_tables(self.engine.dialect.name).calls
        with self.engine.begin() as connection:
            connection.execute(update(calls).where(calls.c.claim.is_not(None)).values(leased_until=past))
            own = self.table
            connection.execute(update(own).where(own.c.claim.is_not(None)).values(leased_until=past))

    def claimed(self) -> int:
        """Rows that anybody holds a claim on."""
        calls, own = own_tables(self.engine.dialect.name).calls, self.table
        with self.engine.connect() as connection:
            held = [
                connection.execute(select(one.c.claim).where(one.c.claim.is_not(None))).all() for one in (calls, own)
            ]
        return sum(map(len, held))


def make_payments(engine: Engine, kept: str = "ours", *, create: bool = True) -> Payments:
    """The table on `engine`; kept: see `KEPT`."""
    metadata = MetaData()
    table = Table(
        "payments",
        metadata,
        Column("id", BigKey, primary_key=True, autoincrement=False),
        Column("status", Text, nullable=False),
        Column("amount", Integer, nullable=False),
        Column("created_at", UtcDateTime, nullable=False),
        Column("shop", Text),
        Column("checks", Integer),
        Column("next_check_at", UtcDateTime),
        Column("why_not", Text),
        Column("call_status", Text),
        Column("claim", Text),
        Column("leased_until", UtcDateTime),
        Column("first_at", UtcDateTime),
        Column("code", Text),
        Column("run_id", BigKey),
        Column("closed_at", UtcDateTime),
    )
    Index("payments_created", table.c.created_at, table.c.id)
    Index("payments_shop", table.c.shop, table.c.created_at, table.c.id)
    if create:
        metadata.create_all(engine)
    return Payments(engine, table, kept)
