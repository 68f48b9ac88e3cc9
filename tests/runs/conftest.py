"""Child processes for these tests, and runs and a doctor that nothing hurries."""

from __future__ import annotations

import pytest

from tests.support.pace import lift_limits
from tests.support.patience import PATIENCE
from tests.support.workers import nursery, start

__all__ = ["nursery", "start"]


@pytest.fixture(autouse=True)
def patient_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No run fails because a statement of it took seconds on a busy machine."""
    lift_limits(monkeypatch)


@pytest.fixture(autouse=True)
def patient_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is unknown because the machine is busy."""
    for limit in ("finding.SECONDS", "sample.SECONDS", "load.PATIENCE", "server.CLOCK_WARNING"):
        monkeypatch.setattr(f"sexton.runs.doctor.{limit}", PATIENCE)
