"""A bank with the pack's own names, fresh for each test."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.support.accounts import Bank, open_bank
from tests.support.workers import nursery, start

__all__ = ["bank", "nursery", "start"]


@pytest.fixture
def bank(engine: Engine) -> Bank:
    """The pack's tables on `engine`, empty, with the default options."""
    return open_bank(engine)
