"""History to write into, and receivers that are waited for."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import Engine

from sexton.channels.http import post

from ..channels.conftest import direct, relay, web
from ..support.pace import Clockwork
from ..support.patience import PATIENCE
from .past import Past

__all__ = ["direct", "past", "relay", "web"]


@pytest.fixture
def past(engine: Engine) -> Past:
    """An empty history, and assessments of it."""
    return Past(engine)


@pytest.fixture(autouse=True)
def unhurried_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is: no receiver is late, and a call of `deliver` takes no time."""
    monkeypatch.setattr("sexton.telemetry.heartbeat.DEADLINE", PATIENCE)
    for channel in ("slack", "webhook"):
        monkeypatch.setattr(f"sexton.channels.{channel}.post", partial(post, deadline=PATIENCE))
    monkeypatch.setattr("sexton.telemetry.alerts.time", Clockwork())
