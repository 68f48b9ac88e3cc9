"""Jobs that run whenever something waits, many times a minute, are not looked through before each of these runs.

What changes in the database meanwhile is found by the run itself, as an error of its statements.
"""

from __future__ import annotations

import time
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from ..jobs.job import Job

READY_SECONDS = 60.0
"""Seconds for which a job that could run here is taken to be able to."""

_ready: WeakKeyDictionary[Engine, dict[str, float]] = WeakKeyDictionary()
"""Monotonic time of the last look, by job."""


def was_ready_lately(engine: Engine, job: Job) -> bool:
    """Whether this process has looked through the job so lately that it need not now. Never of a scheduled job."""
    if job.demand is None:
        return False
    looked = _ready.get(engine, {}).get(job.name)
    return looked is not None and time.monotonic() - looked < READY_SECONDS


def is_ready(engine: Engine, job: Job) -> None:
    """It was looked through now, and can run."""
    if job.demand is not None:
        _ready.setdefault(engine, {})[job.name] = time.monotonic()
