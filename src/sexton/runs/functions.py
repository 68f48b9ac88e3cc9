"""Work that is a plain function: it gets a `Run`, uses its transactions, and returns counts.

    def work(run: Run) -> Counts:
        with run.transaction() as connection:
            ...
        return Counts(changed=3)

While it runs, a thread of ours renews the lease, as the function may be away in a call for longer than that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ..db.connect import read_only
from ..errors import JobFailed, LeaseLost
from .context import RunContext
from .counts import Counts
from .lease import renew, short_transaction


class Run:
    """What a function sees of its run.

    now: the run's frozen time, aware, UTC.  slot: the instant it was due; None by hand.  dry_run: change nothing;
    transactions are read-only then.
    """

    def __init__(
        self, engine: Engine, job: str, now: datetime, slot: datetime | None, context: RunContext | None
    ) -> None:
        self.job = job
        self.now = now
        self.slot = slot
        self.dry_run = context is None
        self._engine = engine
        self._context = context
        self.lost = threading.Event()

    def transaction(self) -> AbstractContextManager[Connection]:
        """A transaction that commits at the end of the block, and only while this process holds the job's lease.

        Keep it short, and never call the outside world inside. LeaseLost when the job was taken over.
        """
        if self._context is None:
            return read_only(self._engine)
        self.check()
        return self._context.transaction(lock=self._context.limits.lock_wait, statement=self._context.limits.statement)

    def check(self) -> None:
        """Call it between pieces of work: Stopped, TimedOut or LeaseLost when the function must end."""
        if self.lost.is_set():
            raise LeaseLost(f"{self.job} was taken over by another process")
        if self._context is not None:
            self._context.check()


Function = Callable[[Run], Counts | None]


def call(context: RunContext, name: str, function: Function) -> None:
    """Call one function as a step of the run, and keep its counts under `name`."""
    claim = context.claim
    run = Run(context.engine, claim.job, claim.as_of, claim.slot, context)
    with _kept_alive(context, run):
        counts = context.stop.interrupting(lambda: function(run))
    if counts is not None and not isinstance(counts, Counts):
        raise JobFailed(f"{name} returned {type(counts).__name__}; a job's function returns Counts or nothing")
    if counts is not None and (wrong := counts.wrong()) is not None:
        raise JobFailed(f"{name} returned Counts that count no rows ({wrong}); each is a whole number from 0 on")
    context.steps[name] = counts or Counts()
    run.check()


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
            except SQLAlchemyError:
                continue  # the next round, or the fence, will tell

    thread = threading.Thread(target=keep, name=f"lease of {run.job}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
