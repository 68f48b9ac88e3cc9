"""Budgets: never more than N calls in any W, however many processes ask."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine

from sexton.calls.budgets import next_permit, permits
from sexton.policies.call import parse_rate
from tests.support.sessions import NOON


def test_all_of_a_budget_may_begin_at_once_and_then_none_until_the_time_is_over(engine: Engine) -> None:
    rates = [parse_rate("20/10m")]
    with engine.begin() as connection:
        given = [
            permits(connection, "gateway", rates, 30, NOON + timedelta(minutes=minutes)) for minutes in (0, 5, 9.99, 10)
        ]
        next_at = next_permit(connection, "gateway", rates, NOON + timedelta(minutes=11))

    assert given == [20, 0, 0, 20]
    assert next_at == NOON + timedelta(minutes=20)
