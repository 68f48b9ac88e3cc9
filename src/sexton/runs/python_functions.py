"""Work that is a plain function: it gets a `Run`, uses its transactions, and returns counts.

    def work(run: Run) -> Counts:
        with run.transaction() as connection:
            ...
        return Counts(changed=3)

Without counts, or when it does not come to its end, the rows that its committed transactions wrote are what it did.
While it runs, a thread of ours renews the lease, as the function may be away in a call for longer than that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields
from datetime import datetime
from itertools import count
from operator import index

from sqlalchemy import Connection, Engine

from ..db.connect import read_only
from ..errors import JobFailed, LeaseLost, Stopped
from ..run_counts import Counts
from ..slots.lease import renew, short_transaction
from ..texts import one_line
from .context import RunContext
from .function_transactions import Transactions
from .process_state import given_back

MAX_STEP_NAME_CHARACTERS = 200
"""Characters of a step's name."""

MAX_COUNT = 2**63 - 1
"""What a count may be: more than a database can hold, and no more than its tables keep."""


class Run:
    """What a function sees of its run.

    now: the run's frozen time, aware, UTC.  slot: the instant it was due; None by hand.  dry_run: change nothing;
    transactions are read-only then.
    """

    def __init__(
        self,
        engine: Engine,
        job: str,
        now: datetime,
        slot: datetime | None,
        context: RunContext | None,
        transactions: Transactions | None = None,
    ) -> None:
        self.job = job
        self.now = now
        self.slot = slot
        self.dry_run = context is None
        self._engine = engine
        self._context = context
        self._transactions = transactions
        self.lost = threading.Event()
        self.told = False
        """Whether the function was told to end, by an error that it may have kept to itself."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """A transaction that commits at the end of the block, and only while this process holds the job's lease.

        Keep it short, and never call the outside world inside. LeaseLost when the job was taken over; JobFailed for
        one inside another.
        """
        if self._transactions is None:
            return read_only(self._engine)
        self.check()
        return self._transactions.begin()

    def check(self) -> None:
        """Call it between pieces of work: Stopped, TimedOut or LeaseLost when the function must end."""
        if self.lost.is_set():
            raise LeaseLost(f"{self.job} was taken over by another process")
        if self._context is not None:
            try:
                self._context.check()
            except Stopped:
                self.told = True
                raise


Function = Callable[[Run], Counts | None]


def call(context: RunContext, name: str, function: Function) -> None:
    """Call one function as a step of the run, and keep its counts under `name`."""
    claim = context.claim
    transactions = Transactions(context, context.steps.setdefault(name, Counts()))
    run = Run(context.engine, claim.job, claim.as_of, claim.slot, context, transactions)
    left = False
    try:
        with _kept_alive(context, run), given_back():
            counts = context.stop.interrupting(lambda: function(run))
    finally:
        left = transactions.end()
    if counts is not None:
        context.steps[name] = checked(name, counts)
    if left:
        raise JobFailed(f"{name} came to its end and left a transaction open; nothing of that was committed")
    if run.told or context.stop.interrupted or not context.stop.asked:
        run.check()  # it may have kept the error to itself; but what has come to its end need not be done again


def step_name(function: object, taken: Collection[str]) -> str:
    """Under which a function's counts are kept: its name; of several with one name, or none, each with its number."""
    given = getattr(function, "__name__", None)
    name = one_line(given, MAX_STEP_NAME_CHARACTERS) if isinstance(given, str) and given else "function"
    return next(one for one in _numbered(name) if one not in taken)


def _numbered(name: str) -> Iterator[str]:
    yield name
    for number in count(2):
        yield f"{name} {number}"


def checked(name: str, counts: object) -> Counts:
    """What a function returned, if it is counts. JobFailed when it is anything else, or counts what cannot be."""
    if not isinstance(counts, Counts):
        raise JobFailed(f"{name} returned {type(counts).__name__}; a job's function returns Counts or nothing")
    try:
        numbers = {one.name: _number(getattr(counts, one.name)) for one in fields(counts) if one.name != "also"}
        also = {str(table): _number(rows) for table, rows in counts.also.items()}
    except (TypeError, ValueError, AttributeError) as error:
        words = f"{name} returned Counts that count no rows ({error}); each is a whole number from 0 on"
        raise JobFailed(words) from error
    return Counts(**numbers, also=also)


def _number(value: object) -> int:
    number = index(value)  # type: ignore[arg-type]  # whatever is no whole number raises TypeError
    if not 0 <= number <= MAX_COUNT:
        raise ValueError(f"{number} is out of range")
    return number


@contextmanager
def _kept_alive(context: RunContext, run: Run) -> Iterator[None]:
    """Renew the lease from a thread until the block ends; on loss set `run.lost`."""
    done = threading.Event()

    def keep() -> None:
        while not done.wait(context.limits.renew):
            try:
                with short_transaction(context.engine, context.limits.lease) as connection:
                    if not renew(connection, context.claim.lease):
                        run.lost.set()
                        return
            except Exception:
                continue  # the next round, or the fence, will tell

    thread = threading.Thread(target=keep, name=f"lease of {run.job}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
