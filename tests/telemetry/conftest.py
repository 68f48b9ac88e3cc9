"""History to write into."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from ..channels.conftest import direct, relay, web
from .past import Past

__all__ = ["direct", "past", "relay", "web"]


@pytest.fixture
def past(engine: Engine) -> Past:
    """An empty history, and assessments of it."""
    return Past(engine)
