"""A shop with the pack's own names, fresh for each test."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.support.storefront import Storefront, open_storefront


@pytest.fixture
def shop(engine: Engine) -> Storefront:
    """The pack's tables on `engine`, empty, with the default options."""
    return open_storefront(engine)
