"""The clock by which a run knows that its time is over, put forward by a test: nothing has to be slow for that."""

from __future__ import annotations

import time

import pytest


class RunClock:
    """Runs of this process go by it, as long as the test lasts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead = 0.0
        monkeypatch.setattr("sexton.runs.context.time", self)

    def forward(self, seconds: float) -> None:
        """So much later, from now on."""
        self._ahead += seconds

    def monotonic(self) -> float:
        """Instead of `time.monotonic`."""
        return time.monotonic() + self._ahead
