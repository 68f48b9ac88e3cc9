"""Metrics about jobs on demand: what waits and since when, what runs, what is dead, how attempts ended."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from ..request_state import RequestState
from .metric_family import COUNTER, GAUGE, MetricFamily
from .request_counters import MAX_COUNTED_REQUESTS, RequestCounters

_COUNTED = f"of all jobs the {MAX_COUNTED_REQUESTS} oldest are counted"

REQUESTS_WAITING = MetricFamily(
    "sexton_requests_waiting", GAUGE, f"requests of a job on demand that could begin, or have others before; {_COUNTED}"
)
REQUESTS_DELAYED = MetricFamily(
    "sexton_requests_delayed", GAUGE, f"those whose time has not come, or that rest before another attempt; {_COUNTED}"
)
REQUESTS_RUNNING = MetricFamily(
    "sexton_requests_running", GAUGE, f"those that a process has taken and not ended; {_COUNTED}"
)
REQUESTS_OLDEST = MetricFamily(
    "sexton_requests_oldest_seconds", GAUGE, "how long the oldest of those that could begin has been waiting; 0: none"
)
REQUESTS_DEAD = MetricFamily(
    "sexton_requests_dead", GAUGE, f"dead letters: requests that nobody tries any more; {MAX_COUNTED_REQUESTS} of all"
)
REQUESTS_ENDED = MetricFamily(
    "sexton_requests_ended",
    COUNTER,
    'attempts that "succeeded" or "failed", and requests that became "dead" letters',
    labels=("outcome",),
)

REQUEST_METRICS = (
    *(REQUESTS_WAITING, REQUESTS_DELAYED, REQUESTS_RUNNING, REQUESTS_OLDEST, REQUESTS_DEAD, REQUESTS_ENDED),
)
"""All of them, in this order."""


def request_samples(
    counters: RequestCounters, jobs: Collection[str], now: datetime
) -> Iterator[tuple[MetricFamily, dict[str, str], float]]:
    """With their labels. jobs: those of the registry; one that nobody ever asked for has none."""
    for job in sorted(counters.jobs.intersection(jobs)):
        labels = {"job": job}
        waiting = counters.count(job, RequestState.READY, RequestState.BLOCKED, RequestState.SUBMITTED)
        oldest = counters.oldest.get(job)
        yield REQUESTS_WAITING, labels, waiting
        yield REQUESTS_DELAYED, labels, counters.count(job, RequestState.DELAYED)
        yield REQUESTS_RUNNING, labels, counters.count(job, RequestState.RUNNING)
        yield REQUESTS_OLDEST, labels, 0.0 if oldest is None else max((now - oldest).total_seconds(), 0.0)
        yield REQUESTS_DEAD, labels, counters.dead.get(job, 0)
    for (job, outcome), number in sorted(counters.ended.items()):
        if job in jobs:
            yield REQUESTS_ENDED, {"job": job, "outcome": outcome}, number
