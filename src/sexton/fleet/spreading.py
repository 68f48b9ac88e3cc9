"""Spread over time: at 02:00 not all databases are visited at once, each has a delay of its own, always the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from ..jobs.job import Job

LONGEST_VISIT_DELAY = timedelta(minutes=10)
"""No visit is later than its slot by more than this, or by a tenth of the time between two slots."""


def delayed(job: Job, database: str, slot: datetime) -> datetime:
    """When the visit for this slot is due. The run keeps the slot itself.

    A job that gives slots up when they are late is not delayed.
    """
    if job.schedule is None or job.misfire.rule == "skip" or job.misfire.max_lateness is not None:
        return slot
    window = min(LONGEST_VISIT_DELAY, job.schedule.period(slot) / 10)
    share = int.from_bytes(sha256(database.encode()).digest()[:8], "big") / 2**64
    return slot + window * share
