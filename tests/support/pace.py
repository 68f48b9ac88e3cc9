"""Runs whose steps do not depend on how fast the machine is.

A run measures its batches: one that passes `MAX_BATCH_SECONDS` is cut short and tried again, and the next ones are
larger or smaller. All of that is right, and on a busy machine it makes another sequence of statements, errors and
batches.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import Engine, event

from sexton.runs.context import Limits

from .patience import PATIENCE

UNHURRIED = Limits(lease=10 * PATIENCE, statement=PATIENCE)
"""Nothing of a run is over before a test gives up."""


def lift_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is not told its limits has all the time that a test has, and so has each statement of a claim."""
    monkeypatch.setattr("sexton.runs.runner.Limits", lambda: UNHURRIED)
    monkeypatch.setattr("sexton.slots.lease.STATEMENT", f"{PATIENCE:g}s")


def lift_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch is cut off, and made smaller, because the machine is busy."""
    monkeypatch.setattr("sexton.runs.batches.MAX_BATCH_SECONDS", PATIENCE)
    monkeypatch.setattr("sexton.runs.sizing.MAX_BATCH_SECONDS", PATIENCE)


def keep_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """All batches of a step are of one size."""
    monkeypatch.setattr("sexton.runs.sizing._STEP", 1.0)


class Clockwork:
    """Stands for the module `time`: each look at it is `step` seconds after the one before; `forward` moves it."""

    def __init__(self, step: float = 0.0) -> None:
        self.step = step
        self.seconds = 1000.0

    def monotonic(self) -> float:
        """Seconds."""
        if self.step:  # else nothing is written: other threads look at it too
            self.seconds += self.step
        return self.seconds

    def forward(self, seconds: float) -> None:
        """So much later."""
        self.seconds += seconds


class RunClock:
    """The clock by which runs of this process know that their time is over; a test puts it forward, and back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead = 0.0
        monkeypatch.setattr("sexton.runs.context.time", self)

    def forward(self, seconds: float) -> None:
        """So much later, from now on."""
        self._ahead += seconds

    def monotonic(self) -> float:
        """Instead of `time.monotonic`."""
        return time.monotonic() + self._ahead


def limits_sent(engine: Engine) -> list[tuple[float, float]]:
    """From now on (lock, statement) of each fenced transaction on this engine, in seconds, are added to this list."""
    sent: list[tuple[float, float]] = []

    def note(_connection: Any, _cursor: Any, _sql: str, values: Any, _context: Any, _many: bool) -> None:
        told = (
            [values.get(f"set_{name}_timeout", "") for name in ("lock", "statement")]
            if isinstance(values, dict)
            else []
        )
        if told and all(one.endswith("ms") for one in told):  # those of a claim are in seconds
            lock, statement = (float(one.removesuffix("ms")) / 1000 for one in told)
            sent.append((lock, statement))

    event.listen(engine, "before_cursor_execute", note)
    return sent
