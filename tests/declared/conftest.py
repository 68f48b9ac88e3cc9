"""A product's database."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from ..support.questions import lift_limits
from .shop import Shop


@pytest.fixture(autouse=True)
def _nobody_hurries(monkeypatch: pytest.MonkeyPatch) -> None:
    """No question is given up before the test is."""
    lift_limits(monkeypatch)


@pytest.fixture
def shop(engine: Engine, database: str) -> Shop:
    """With Sexton's tables, and none of its own yet."""
    return Shop(engine, database)
