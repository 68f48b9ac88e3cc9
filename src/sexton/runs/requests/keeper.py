"""The second thread of a shift: while a function is away, it keeps the claim, and ends what has to end.

every 20 ms   what has ended is written, if the function in hand takes that long
0.5 s         it takes its time: the others of the claim are given back, and the row says that this one is begun
every 3 s     the process's row is renewed; whoever cancelled the request is heard
its timeout   2 s later it is on record as timed out, and the process ends; the kernel does that after 4 s
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from sqlalchemy import Connection, select

from ...db.tables import own_tables
from ...exit_codes import FAILED
from ...request_state import DeadReason
from ...requests.ending import EndedRequest, is_begun
from ...requests.holders import Holder
from ...run_state import OutcomeCode, RunState
from ...slots.ending import Ending
from ...slots.lease import short_transaction
from ..hard_limit import HARD_LIMIT_GRACE_SECONDS, OVERDUE
from .attempt import next_attempt
from .place import Current, ShiftPlace


class KeptShift(Protocol):
    """The shift that is kept. current: the request that is executed now.  ended: not written yet."""

    place: ShiftPlace
    holder: Holder
    lock: threading.RLock
    current: Current | None
    ended: list[EndedRequest]

    def write(self, then: Callable[[Connection], None] | None = None) -> None:
        """Put what has ended on record, and do `then` in the same transaction."""

    def give_back(self) -> None:
        """What was claimed and is not begun waits again."""


TICK_SECONDS = 0.02

LONG_SECONDS = 0.5
"""Seconds after which a request is taken to be a long one."""

CANCEL_POLL_SECONDS = 1.0
"""Seconds between two looks at whether somebody cancelled it."""

STOP_SHARE = 0.8
"""Of a lease's length: how long a request goes on when its process was asked to end; then it is given back for it."""

CANCEL_GRACE_SECONDS = 5.0
"""Seconds that a function has to end once it was cancelled; then its process ends."""


class Keeper:
    """Of one shift."""

    def __init__(self, shift: KeptShift) -> None:
        self._shift = shift
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="requests", daemon=True)
        self._asked = time.monotonic()
        self._cancelled_at = self._asked_to_stop = 0.0

    def start(self) -> None:
        """Begin to keep."""
        self._thread.start()

    def stop(self) -> None:
        """The shift is over."""
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._over.wait(TICK_SECONDS):
            with suppress(Exception):  # the database is away: the next tick tries it again
                self._tick()

    def _tick(self) -> None:
        shift, now = self._shift, time.monotonic()
        with shift.lock:
            current = shift.current
        if current is not None:
            self._end_what_has_to(current, now)
        if now - shift.holder.renewed > shift.place.limits.renew:  # also while a module is loaded
            with short_transaction(shift.place.database, shift.holder.seconds) as connection:
                shift.holder.renew(connection)
        if current is None:
            return
        if now - current.began > TICK_SECONDS:
            shift.write()
        if not current.begun and now - current.began > LONG_SECONDS:
            self._takes_its_time(current)
        if now - current.began > LONG_SECONDS and now - self._asked > CANCEL_POLL_SECONDS:
            self._asked = now
            self._hear_cancellation(current)

    def _end_what_has_to(self, current: Current, now: float) -> None:
        """By force, where asking did not help."""
        shift = self._shift
        if now > current.deadline + HARD_LIMIT_GRACE_SECONDS:
            self._end_process(current, OVERDUE)
        if self._cancelled_at and current.run.cancelled and now > self._cancelled_at + CANCEL_GRACE_SECONDS:
            words = f"cancelled by {current.run.cancelled}; it did not stop, and its process was ended"
            self._end_process(current, Ending(RunState.CANCELLED, words))
        if shift.place.stop.asked:
            self._asked_to_stop = self._asked_to_stop or now
            if now > self._asked_to_stop + shift.holder.seconds * STOP_SHARE:
                self._end_process(
                    current, Ending(RunState.CANCELLED, shift.place.stop.reason, code=OutcomeCode.STOPPED)
                )

    def _takes_its_time(self, current: Current) -> None:
        self._shift.give_back()
        holder, number = self._shift.holder.name, current.request.id
        self._shift.write(lambda connection: is_begun(connection, holder, number))
        current.begun = True

    def _hear_cancellation(self, current: Current) -> None:
        if current.run.cancelled is not None:
            return
        with short_transaction(self._shift.place.database, self._shift.holder.seconds) as connection:
            who = _cancelled_by(connection, current.request.id)
        if who is not None:
            self._cancelled_at = time.monotonic()
            current.run.cancelled = who
            if self._shift.place.stop.cancel is not None:
                self._shift.place.stop.cancel()

    def _end_process(self, current: Current, ending: Ending) -> None:
        """Put it on record, give back the others, and end the process, where it belongs to the request."""
        shift = self._shift
        if not shift.place.own_process:
            return
        request, seconds = current.request, time.monotonic() - current.began
        one = EndedRequest(request, ending, current.run.now, seconds, reason=DeadReason.TIMED_OUT)
        if ending.state == RunState.CANCELLED:
            stopped = ending.code == OutcomeCode.STOPPED
            one = replace(one, given_back=stopped, cancelled=not stopped)
        else:
            one = replace(one, again=next_attempt(request, current.function.about))
        with suppress(Exception):  # whoever leads finds the request later
            with shift.lock:
                shift.ended.append(one)
            shift.give_back()
            shift.write()
        os._exit(FAILED)


def _cancelled_by(connection: Connection, number: int) -> str | None:
    table = own_tables(connection.dialect.name).requests.c
    who: str | None = connection.execute(select(table.cancelled_by).where(table.id == number)).scalar()
    return who
