"""Runs of one policy of the settings file, each after a dry run that has to say the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sexton.errors import UsageError
from sexton.runs.outcome import Outcome
from sexton.testing import preview_job, run_job

from .shop import Shop

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
BY_SECONDS: dict[str, Any] = {"by": "ends", "unit": "s"}


def run_as_previewed(shop: Shop, **written: Any) -> Outcome:
    """One run; the dry run before it counts the same. written: settings, None for one that is not given."""
    job = shop.armed(**given({"max_share": 1.0, **BY_SECONDS, **written}))
    before = preview_job(shop.engine, job, at=NOON).total
    outcome = run_job(shop.engine, job, at=NOON)
    assert outcome.total == before
    return outcome


def refusal(shop: Shop, **written: Any) -> str:
    """Why the policy cannot run."""
    with pytest.raises(UsageError) as refused:
        run_job(shop.engine, shop.job(**given({**BY_SECONDS, **written})), at=NOON)
    return str(refused.value)


def given(written: dict[str, Any]) -> dict[str, Any]:
    """Settings without those that are None."""
    return {name: value for name, value in written.items() if value is not None}
