"""Child processes for these tests, and a doctor that nothing hurries."""

from __future__ import annotations

import pytest

from tests.support.questions import await_answers
from tests.support.workers import nursery, start

__all__ = ["nursery", "start"]


@pytest.fixture(autouse=True)
def _time_for_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is unknown to the doctor because the machine is busy."""
    await_answers(monkeypatch)
