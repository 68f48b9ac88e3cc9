"""Payments that are asked about, each way to keep what is known of the calls; and child processes."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.support.payments import KEPT, Payments, make_payments
from tests.support.workers import nursery, start

__all__ = ["nursery", "start"]


@pytest.fixture(params=KEPT)
def shop(request: pytest.FixtureRequest, engine: Engine) -> Payments:
    """The table, empty."""
    return make_payments(engine, request.param)
