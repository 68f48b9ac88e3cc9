"""Delays before a failed run is tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sexton.errors import ScheduleError
from sexton.jobs.backoff import parse_backoff


def test_each_attempt_waits_for_its_own_delay_and_then_no_more() -> None:
    backoff = parse_backoff(["1h", "6h", "24h"])

    waits = [backoff.delay(attempt) for attempt in (1, 2, 3, 4, 100)]

    assert waits == [timedelta(hours=1), timedelta(hours=6), timedelta(hours=24), None, None]


def test_no_delays_mean_no_retries() -> None:
    assert parse_backoff([]).delay(1) is None


def test_attempts_count_from_one() -> None:
    with pytest.raises(ValueError, match="count from 1"):
        parse_backoff(["1h"]).delay(0)


@pytest.mark.parametrize("texts", ["1h", ["1h", "soon"], ["1h", ""], ["1h", 6]])
def test_a_delay_that_is_no_duration_is_refused_with_its_setting(texts: list[str]) -> None:
    with pytest.raises(ScheduleError, match=r"^jobs\.expire\.retry: "):
        parse_backoff(texts, where="jobs.expire.retry")
