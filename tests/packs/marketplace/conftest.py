"""A marketplace with the pack's own names, fresh for each test."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.support.market import Market, open_market


@pytest.fixture
def shop(engine: Engine) -> Market:
    """The pack's tables on `engine`, empty, with the default options."""
    return open_market(engine)
