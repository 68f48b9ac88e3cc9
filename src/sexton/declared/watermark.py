"""`before`: rows of one policy wait until another has been through their time, or a roll-up has sealed their window.

The mark is the time that the other's newest run went up to, one that took rows and left none; without such a run
nothing is due. It leaves an hour, as a row may be committed later than its time says. Where both are on one table,
each row is asked as well whether the other still wants it, however late it came (Q10).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, false

from ..config.policy_settings import PolicySettings
from ..db.watermarks import LATE_COMMIT_MARGIN, sealed_by
from ..jobs.span import Span, parse_span
from ..run_state import TOOK_NOT_ALL, RunState
from ..slots.history import history
from .catalogue import Catalogue
from .time_columns import TimeMeaning

MAX_RUNS_SEARCHED = 200
"""Newest runs among which it is looked for."""


def passed_watermark(
    catalogue: Catalogue, by: Column[Any], meaning: TimeMeaning, name: str, other: PolicySettings
) -> ColumnElement[bool]:
    """Whether the policy `name` has been through the row's time."""
    at = _newest(catalogue, f"policies.{name}", other.limit)
    if at is None:
        return false()
    edge = parse_span(other.ahead) if other.ahead else -parse_span(other.keep or "0s")
    return replace(meaning, at=edge.from_(at)).before(by, Span(length=-LATE_COMMIT_MARGIN))


def sealed_windows(catalogue: Catalogue, by: Column[Any], meaning: TimeMeaning, job: str) -> ColumnElement[bool]:
    """Whether the row's time lies in a window that the roll-ups of the job compute no more; see `rolled_up`."""
    at = sealed_by(catalogue.connection, job)
    return false() if at is None else replace(meaning, at=at).before(by, Span(length=-LATE_COMMIT_MARGIN))


def _newest(catalogue: Catalogue, job: str, limit: int | None) -> datetime | None:
    """The time of the job's newest run that took all there was; what that means: `TOOK_NOT_ALL`."""
    for run in history(catalogue.connection, job=job, states=(RunState.SUCCEEDED,), limit=MAX_RUNS_SEARCHED):
        if run.outcome_code not in TOOK_NOT_ALL and (limit is None or run.total.picked < limit):
            return run.as_of
    return None
