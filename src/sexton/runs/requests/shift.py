"""A shift: one process takes requests, calls their functions one after the other, and ends them together.

    claim 1 to 100 ──> call, call, call, … ──> end them and claim the next, in one transaction
         what ended waits no longer than 20 ms for that; what was claimed and not begun is given back when one is long

What a crash costs: requests that ended within the last 20 ms and were not written yet are run again.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ...errors import LeaseLost
from ...jobs.on_demand import OnDemand
from ...requests.claimed_request import ClaimedRequest
from ...requests.claiming import MAX_CLAIM, Claims
from ...requests.ending import EndedRequest, end, give_back, give_back_all, is_begun
from ...requests.holders import Holder
from ...requests.upkeep import unknown
from ...run_counts import Counts
from ...run_state import RunState
from ...slots.ending import Ending
from ...slots.lease import short_transaction
from ..hard_limit import ALARM
from ..process_state import given_back
from .attempt import attempted, refused
from .keeper import Keeper
from .place import Current, ShiftPlace
from .request_run import RequestRun, RunPlace

WORK_SECONDS = 0.1
"""How much work one claim is to be, by how long requests took lately."""

UNWRITTEN_SECONDS = 0.02
"""How long what has ended may wait to be written."""

FIRST_CLAIM = 8
"""Requests of the first claim, when nobody knows yet how long they take."""


class Shift:
    """One process at work. holder: its row in `workers`."""

    def __init__(self, place: ShiftPlace, holder: Holder) -> None:
        self.place = place
        self.holder = holder
        self.lock = threading.RLock()
        self.current: Current | None = None
        self.pending: deque[ClaimedRequest] = deque()
        self.ended: list[EndedRequest] = []
        self._left: list[int] = []
        self._writing = threading.Lock()
        self._claims = Claims(holder.name, holder.engine)
        self._runs = RunPlace(place.database, place.limits, holder.name, place.stop, self._finish)
        self._typical = WORK_SECONDS / FIRST_CLAIM
        self._claimed = self._first_ended = 0.0
        self.done = 0
        self.broken = False
        """Whether the database failed it: what it had is taken up by others when its row is old; it does no more."""

    def work(self, until: float, enough: Callable[[], bool] = lambda: False) -> bool:
        """Take what waits until nothing does, or `until` (monotonic), or enough(); whether more may wait.

        Errors of the database pass; what was claimed is then taken up again, by whoever leads.
        """
        with self._kept():
            while not self.place.stop.asked:
                batch = self._turn(self._claim)
                if not batch:
                    return False
                self._execute(batch, lambda: time.monotonic() >= until or enough())
                if time.monotonic() >= until or enough():
                    break
            self.write()
        return True

    def _claim(self, connection: Connection) -> list[ClaimedRequest]:
        return self._claims.claim(connection, int(min(max(WORK_SECONDS / self._typical, 1), MAX_CLAIM)))

    def take(self, ids: Sequence[int]) -> int:
        """Execute those of these that are free; how many of them were. For engines, which bring numbers."""
        with self._kept():
            batch = self._turn(lambda connection: self._claims.claim_these(connection, ids))
            self._execute(batch, lambda: False)
            self.write()
        return len(batch)

    def recover(self) -> None:
        """The database had failed it, and answers again: what has ended is written, and the rest waits again.

        Nothing of that costs an attempt, unless a leader was quicker. Errors of the database pass: try it later.
        """
        with self.lock:
            self.pending.clear()
        holder = self.holder

        def and_leave(connection: Connection) -> None:
            give_back_all(connection, holder.name)
            holder.leave(connection)

        self.write(and_leave)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        keeper = Keeper(self)
        keeper.start()
        try:
            with given_back(), _alarm_ends_us(self.place.own_process):
                yield
        except BaseException:
            self.broken = True
            raise
        finally:
            keeper.stop()

    def _turn(self, claim: Callable[[Connection], list[ClaimedRequest]]) -> list[ClaimedRequest]:
        """Write what has ended, and claim, in one transaction."""
        claimed: list[ClaimedRequest] = []

        def and_claim(connection: Connection) -> None:
            if time.monotonic() - self.holder.renewed > self.place.limits.renew:
                self.holder.renew(connection)
            self.holder.lapsed = False  # what is claimed from here on is ours
            claimed.extend(claim(connection))

        self.write(and_claim)
        self._claimed = time.monotonic()
        return claimed

    def write(self, then: Callable[[Connection], None] | None = None) -> None:
        """Put on record what has ended and what is given back, from whichever thread.

        What cannot be written is written with the next.  then: what else belongs into that transaction.
        """
        with self._writing:
            with self.lock:
                ended, self.ended, left, self._left = self.ended, [], self._left, []
            if not ended and not left and then is None:
                return
            try:
                with short_transaction(self.place.database, self.holder.seconds) as connection:
                    ours = end(connection, self.holder.name, ended, self.place.definition) if ended else set()
                    give_back(connection, self.holder.name, left)
                    if then is not None:
                        then(connection)
            except BaseException:
                with self.lock:
                    self.ended, self._left = [*ended, *self.ended], [*left, *self._left]
                raise
            told = [one for one in ended if one.request.id in ours]
            self.done += len(told)
            if told:
                self.place.tell(told)

    def _execute(self, batch: list[ClaimedRequest], over: Callable[[], bool]) -> None:
        """Those that may have crashed a process come last, each alone."""
        with self.lock:
            self.pending.extend(sorted(batch, key=lambda request: request.crashes > 0))
        self._pass_on_unknown()
        while True:
            with self.lock:
                if not self.pending:
                    return
                request = self.pending.popleft()
            if self.place.stop.asked or over() or self._may_be_others():
                self.give_back([request])
                return
            if request.crashes:
                self._alone(request)
            self._one(request)
            with self.lock:
                late = self.ended and time.monotonic() - self._first_ended > UNWRITTEN_SECONDS
            if late:
                self.write()

    def _may_be_others(self) -> bool:
        """Whether we were away for so long that others may have taken what we had claimed, and be done with it."""
        return self.holder.lapsed or time.monotonic() - self.holder.renewed > self.holder.seconds

    def _pass_on_unknown(self) -> None:
        with self.lock:
            strange = [one for one in self.pending if not self.place.functions.knows(one)]
            for one in strange:
                self.pending.remove(one)
        if strange:
            self.write(lambda connection: unknown(connection, self.holder.name, [one.id for one in strange]))

    def give_back(self, also: Sequence[ClaimedRequest] = ()) -> None:
        """What was claimed and is not begun waits again, for anybody."""
        with self.lock:
            self._left += [one.id for one in (*also, *self.pending)]
            self.pending.clear()
        self.write()

    def _alone(self, request: ClaimedRequest) -> None:
        """Its process died with it, or beside it: now it is the only one that we have."""
        self.give_back()
        self.write(lambda connection: is_begun(connection, self.holder.name, request.id))

    def _one(self, request: ClaimedRequest) -> None:
        place, began = self.place, time.monotonic()
        place.begins(request.id)
        now = request.claimed_at + timedelta(seconds=max(began - self._claimed, 0.0))
        try:
            function = place.functions.get(request.job)
            arguments = function.arguments(request)
        except SQLAlchemyError:
            raise
        except Exception as error:  # it is this request's alone, and must not end the shift again and again
            self._has_ended(refused(request, error, now, self._about(request)))
            return
        deadline = began + function.seconds
        run = RequestRun(request, now, self._runs, began, deadline)
        with self.lock:
            self.current = Current(request, run, function, began, deadline, begun=request.crashes > 0)
        if place.own_process:
            signal.setitimer(signal.ITIMER_REAL, function.seconds + ALARM)
        ended = attempted(function, arguments, run, request, place.stop, place.limits.tracebacks, place.tell)
        if place.own_process:
            signal.setitimer(signal.ITIMER_REAL, 0)  # it came back: what is slow from here on is not its fault
        took = time.monotonic() - began
        self._typical += (max(took, 1e-6) - self._typical) / 8
        with self.lock:
            self.current = None
            if ended is None:
                self.done += 1
        if ended is not None:
            self._has_ended(ended)

    def _about(self, request: ClaimedRequest) -> OnDemand:
        return self.place.functions.about(request.job)

    def _has_ended(self, ended: EndedRequest) -> None:
        with self.lock:
            if not self.ended:
                self._first_ended = time.monotonic()
            self.ended.append(ended)

    def _finish(
        self, request: ClaimedRequest, now: datetime, began: float, connection: Connection, counts: Counts
    ) -> None:
        """End it in the function's own transaction."""
        steps = {"work": counts} if counts.changed else {}
        kept = self._about(request).history == "all"
        one = EndedRequest(request, Ending(RunState.SUCCEEDED), now, time.monotonic() - began, steps=steps, kept=kept)
        if request.id not in end(connection, self.holder.name, [one], self.place.definition):
            raise LeaseLost(f"request {request.id} was taken over by another process")


@contextmanager
def _alarm_ends_us(own_process: bool) -> Iterator[None]:
    """The kernel ends a process whose C code does not come back, some seconds after our own end of it failed."""
    if not own_process or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
