"""Invoices with the pack's own names, fresh for each test."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.support.billing import Billing, open_billing


@pytest.fixture
def desk(engine: Engine) -> Billing:
    """The pack's tables on `engine`, empty, with the default options."""
    return open_billing(engine)
