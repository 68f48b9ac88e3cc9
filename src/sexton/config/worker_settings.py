"""Settings `[worker]`: how a worker shares its machine."""

from __future__ import annotations

from dataclasses import dataclass

from ..setting_fields import setting

MAX_CONCURRENCY = 64
"""Runs at once at most."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Of every worker that runs with these settings."""

    concurrency: int = setting(
        1,
        "runs at once; jobs of one group never run beside each other, so 1 means one after the other, by priority",
        minimum=1,
        maximum=MAX_CONCURRENCY,
    )
    watch: str = setting(
        "15s",
        "how often the leader looks for incidents, sends alerts and writes the metrics file",
        kind="duration",
        minimum="1s",
        maximum="1h",
    )
