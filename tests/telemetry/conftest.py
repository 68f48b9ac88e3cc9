"""History to write into."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from .past import Past


@pytest.fixture
def past(engine: Engine) -> Past:
    """An empty history, and assessments of it."""
    return Past(engine)
