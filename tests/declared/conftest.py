"""A product's database."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from sexton.db.sessions import our_own

from ..support.pace import UNHURRIED
from ..support.questions import lift_limits
from .shop import Shop


@pytest.fixture(autouse=True)
def _nobody_hurries(monkeypatch: pytest.MonkeyPatch) -> None:
    """No statement, lease or question is over before the test is, unless the test says when."""
    monkeypatch.setattr("sexton.runs.runner.Limits", lambda: UNHURRIED)
    monkeypatch.setattr("sexton.runs.claim.short_transaction", lambda engine, _seconds: our_own(engine))
    lift_limits(monkeypatch)


@pytest.fixture
def shop(engine: Engine, database: str) -> Shop:
    """With Sexton's tables, and none of its own yet."""
    return Shop(engine, database)
