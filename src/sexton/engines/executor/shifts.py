"""The shifts of an executor: it takes requests until none waits, its time is over, or its worker has something else."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any

from ...app import App
from ...db.faults import in_words
from ...jobs.job import OWN_ENGINE
from ...runs.stop_signals import Stop
from ...telemetry import logs
from .in_hand import InHand
from .messages import JsonPipe

if TYPE_CHECKING:
    from ...runs.requests.shift import Shift

LISTEN_SECONDS = 0.02
"""Seconds between two looks at whether the worker has had enough."""


class RequestShifts:
    """Of one process, which is one holder for as long as it lives."""

    def __init__(self, app: App, line: JsonPipe, stop: Stop, in_hand: InHand) -> None:
        self._in_hand = in_hand
        self._app = app
        self._line = line
        self._stop = stop
        self._shift: Shift | None = None
        self._broken = 0
        self._listened = 0.0
        self._enough = False

    def work(self, wish: dict[str, Any]) -> bool:
        """Take requests as the worker asks, and tell it when that is over; whether modules were loaded for it."""
        first = self._shift is None
        self._enough = False
        more = False
        try:
            from ..request_shift import take

            shift = self._of(wish["holder"], wish.get("engine", OWN_ENGINE))
            if "ids" in wish:
                take(self._app, shift, wish["ids"], wish["engine"])
            else:
                more = shift.work(time.monotonic() + wish["seconds"], self._has_enough)
        except Exception as error:  # the database is away: what was claimed is taken up again when its lease is over
            logs.emit(logs.said("requests were left", error=in_words(error)))
        self._line.send({"event": "shift over", "more": more})
        return first

    def _of(self, holder: str, engine: str) -> Shift:
        if self._shift is not None and not self._shift.broken:
            return self._shift
        if self._shift is not None:
            self._shift.recover()
            self._broken += 1
        from ..request_shift import shift_of

        name = f"{holder}.{self._broken}"
        self._shift = shift_of(self._app, name, engine, self._stop, begins=self._in_hand.put)
        return self._shift

    def _has_enough(self) -> bool:
        if not self._enough and time.monotonic() - self._listened > LISTEN_SECONDS:
            self._listened = time.monotonic()
            ready, _, _ = select.select([self._line.fileno()], [], [], 0)
            if ready:
                self._enough = any(message is None or "enough" in message for message in self._line.receive())
        return self._enough
