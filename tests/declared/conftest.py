"""A product's database."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from ..support.questions import await_answers
from .shop import Shop


@pytest.fixture(autouse=True)
def _nobody_hurries(monkeypatch: pytest.MonkeyPatch) -> None:
    """No question is given up before the test is."""
    await_answers(monkeypatch)


@pytest.fixture
def shop(engine: Engine, database: str) -> Shop:
    """With Sexton's tables, and none of its own yet."""
    return Shop(engine, database)
