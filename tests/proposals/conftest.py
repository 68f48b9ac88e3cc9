"""A product's database."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.declared.shop import Shop


@pytest.fixture
def shop(engine: Engine, database: str) -> Shop:
    """With Sexton's tables, and none of its own yet."""
    return Shop(engine, database)
