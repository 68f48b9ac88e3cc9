"""History to write into, and receivers that are waited for."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.channels.conftest import direct, relay, web
from tests.support.pace import Clockwork
from tests.support.patience import PATIENCE

from .past import Past

__all__ = ["direct", "past", "relay", "web"]


@pytest.fixture
def past(engine: Engine) -> Past:
    """An empty history, and assessments of it."""
    return Past(engine)


@pytest.fixture(autouse=True)
def unhurried_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is: no monitor is late, and a call of `deliver` takes no time."""
    monkeypatch.setattr("sexton.telemetry.heartbeat.PING_SECONDS", PATIENCE)
    monkeypatch.setattr("sexton.telemetry.alert_delivery.time", Clockwork())
