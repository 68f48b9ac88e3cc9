"""Instants as people write them, and those that nobody can reckon with."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sexton.clock import parse_instant, parse_reckonable
from sexton.errors import UsageError


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-22", datetime(2026, 11, 22, tzinfo=UTC)),
        ("2026-11-22 10:00", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22T10:00:00+02:00", datetime(2026, 11, 22, 8, tzinfo=UTC)),
        (" 2026-11-22T10:00Z ", datetime(2026, 11, 22, 10, tzinfo=UTC)),
    ],
)
def test_instants(text: str, instant: datetime) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize("text", ["9999-12-31", "9999-12-31T23:59-10:00", "0001-01-01", "2401-01-01", "soon", ""])
def test_instants_that_are_none_or_out_of_reach_are_one_line(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_reckonable(text)
    assert "\n" not in str(refused.value)
