"""Questions that people ask, and time for their answers: on a busy machine what is known takes longer to say."""

from __future__ import annotations

import pytest

from sexton.proposals.measure import DatabaseProbe
from sexton.telemetry.debt import read_debt

from .patience import PATIENCE


def await_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doctor, check, proposals and debt give no question up before a test does."""
    for limit in (
        "finding.QUESTION_SECONDS",
        "sample_batch.QUESTION_SECONDS",
        "workload.COUNT_SECONDS",
        "server.CLOCK_WARNING",
    ):
        monkeypatch.setattr(f"sexton.doctor.{limit}", PATIENCE)
    monkeypatch.setattr("sexton.doctor.inspection.COUNT_TIMEOUT_SECONDS", PATIENCE)
    monkeypatch.setattr(DatabaseProbe.__init__, "__kwdefaults__", {"seconds": PATIENCE, "patience": 10 * PATIENCE})
    monkeypatch.setattr(read_debt, "__kwdefaults__", {"seconds": PATIENCE})
