"""Metrics for Prometheus, built from the tables when they are asked for, so that one-shot runs under cron count.

All that Sexton exposes is declared in METRICS; the manual's page and the dashboard are held against it. Nothing here
holds a row's values: labels are names of jobs, and only of those in the registry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

from .. import files
from ..errors import SextonError
from .call_counters import MILLISECONDS, WaitingCalls
from .counters import BUCKETS, STUCK_ATTEMPTS, JobCounters
from .fleet_metrics import FLEET_METRICS, fleet_samples
from .health import Health, JobHealth
from .health_reader import HealthReader, HealthReading
from .metric_family import COUNTER as COUNTER
from .metric_family import GAUGE as GAUGE
from .metric_family import HISTOGRAM as HISTOGRAM
from .metric_family import MetricFamily as MetricFamily
from .request_metrics import REQUEST_METRICS, request_samples

UP = MetricFamily("sexton_up", GAUGE, "1: the tables could be read; 0: they could not, and nothing else is told", False)
JOB_DURATION = MetricFamily("job_duration_seconds", HISTOGRAM, "how long runs took that ended by themselves")
JOB_SUCCESS = MetricFamily("job_success", COUNTER, "runs that ended succeeded or partial")
JOB_FAILURE = MetricFamily("job_failure", COUNTER, "runs that ended failed, timed_out or abandoned")
LAST_SUCCESS = MetricFamily(
    "sexton_last_success_timestamp_seconds", GAUGE, "when the last run that succeeded ended, Unix time; 0: never"
)
LAST_START = MetricFamily(
    "sexton_last_start_timestamp_seconds", GAUGE, "when the last run started, Unix time; 0: never"
)
FAILURES_IN_A_ROW = MetricFamily("sexton_failures_in_a_row", GAUGE, "failed runs since the last success, at most 1000")
LATENESS = MetricFamily("sexton_lateness_seconds", GAUGE, "age of the oldest slot that is due and not begun; 0: none")
JOB_IS_LATE = MetricFamily("sexton_late", GAUGE, "1: later than allowed, as the health page judges it")
PAUSED = MetricFamily("sexton_paused", GAUGE, "1: somebody paused the job")
PICKED = MetricFamily("sexton_rows_picked", COUNTER, "rows that were due")
CHANGED = MetricFamily("sexton_rows_changed", COUNTER, "rows that were changed or deleted")
TOLD = MetricFamily("sexton_rows_told", COUNTER, "facts that were told for the first time")
LOCK_SKIPS = MetricFamily("sexton_lock_skips", COUNTER, "rows that others held locked until the end of a run")
MISSED = MetricFamily("sexton_missed_slots", COUNTER, "slots that passed with no run of their own")
POISON = MetricFamily("sexton_poison_rows", GAUGE, "rows set aside now; of all jobs 10000 are counted")
QUEUED = MetricFamily("sexton_queue_depth", GAUGE, "runs that were asked for and not yet started")
OPEN_INCIDENTS = MetricFamily("sexton_open_incidents", GAUGE, "incidents that are open")
DEBT = MetricFamily(
    "sexton_debt_rows", GAUGE, "rows that were due and still there at the last look, at most 10000 a step"
)
DEBT_AGE = MetricFamily("sexton_debt_age_seconds", GAUGE, "how long the oldest of them had been due; 0: none was")
HAS_LEADER = MetricFamily("sexton_leader", GAUGE, "1: a worker leads", False)
LEADER_MISSING = MetricFamily(
    "sexton_leader_missing", GAUGE, "1: no worker leads, and one did within the last day", False
)
WAITING = MetricFamily(
    "sexton_outbox_waiting", GAUGE, "messages in Sexton's outbox not published yet, at most 10000", False
)
STUCK = MetricFamily(
    "sexton_outbox_stuck",
    GAUGE,
    f"of the 10000 oldest of them those tried {STUCK_ATTEMPTS} times or older than a day",
    False,
)
CALLS = MetricFamily("sexton_calls", COUNTER, "what calls to the outside came to", labels=("step", "outcome"))
CALL_SECONDS = MetricFamily("sexton_call_seconds", COUNTER, "how long these calls took, all together", labels=("step",))
CALLS_WAITING = MetricFamily(
    "sexton_calls_waiting", GAUGE, "rows that are called for, and not yet at their end; of all jobs 10000 are counted"
)
CALLS_OLDEST = MetricFamily(
    "sexton_calls_oldest_seconds", GAUGE, "how long ago the first call for the oldest of them began"
)
CALLS_ENDED_BADLY = MetricFamily(
    "sexton_calls_ended_badly",
    GAUGE,
    "rows whose calls failed, were given up, or may have been done; of all jobs 10000 are counted",
)
DELIVERIES_WAITING = MetricFamily(
    "sexton_deliveries_waiting",
    GAUGE,
    "messages on their way, by channel; of all channels 10000 are counted",
    False,
    ("channel",),
)
DELIVERIES_OLDEST = MetricFamily(
    "sexton_deliveries_oldest_seconds", GAUGE, "how long the oldest of them has been waiting", False, ("channel",)
)
DELIVERIES_DEAD = MetricFamily(
    "sexton_deliveries_dead", GAUGE, "messages that did not get through; of all channels 10000", False, ("channel",)
)
UNWELL = MetricFamily(
    "sexton_destinations_unwell", GAUGE, "those who are called that rest or are disabled, at most 10000", False
)
SINCE = MetricFamily("sexton_counted_since_timestamp_seconds", GAUGE, "midnight UTC, from which counters count", False)

METRICS = (
    *(
        UP,
        JOB_DURATION,
        JOB_SUCCESS,
        JOB_FAILURE,
        LAST_SUCCESS,
        LAST_START,
        FAILURES_IN_A_ROW,
        LATENESS,
        JOB_IS_LATE,
        PAUSED,
    ),
    *(PICKED, CHANGED, TOLD, LOCK_SKIPS, MISSED, POISON, QUEUED, OPEN_INCIDENTS, DEBT, DEBT_AGE),
    *(
        CALLS,
        CALL_SECONDS,
        CALLS_WAITING,
        CALLS_OLDEST,
        CALLS_ENDED_BADLY,
        DELIVERIES_WAITING,
        DELIVERIES_OLDEST,
        DELIVERIES_DEAD,
    ),
    *REQUEST_METRICS,
    *FLEET_METRICS,
    *(UNWELL, HAS_LEADER, LEADER_MISSING, WAITING, STUCK, SINCE),
)
"""Everything that is exposed, in this order."""

MetricSample = tuple[MetricFamily, float]


class Collector:
    """For a registry of prometheus_client, a product's own for instance: `REGISTRY.register(Collector(reader))`."""

    def __init__(self, reader: HealthReader) -> None:
        self._reader = reader

    def describe(self) -> Iterable[Metric]:
        """What will be collected, without asking the database."""
        return [_family(declared) for declared in METRICS]

    def collect(self) -> Iterable[Metric]:
        """All metrics now; `sexton_up 0` alone when the tables cannot be read. Raises nothing."""
        return families(self._reader.read())


def families(answer: HealthReading | SextonError) -> list[Metric]:
    """The metrics of one reading."""
    if isinstance(answer, SextonError):
        up = _family(UP)
        up.add_sample(UP.name, {}, 0)
        return [up]
    made = {declared: _family(declared) for declared in METRICS}
    for declared, value in _whole(answer):
        made[declared].add_sample(declared.name, {}, value)
    for job in answer.health.jobs:
        for declared, value in _of_job(job, answer):
            suffix = "_total" if declared.kind == COUNTER else ""
            made[declared].add_sample(declared.name + suffix, {"job": job.job}, value)
        _add_histogram(made[JOB_DURATION], job.job, answer.tallies.jobs[job.job])
    names = {job.job for job in answer.health.jobs}
    of_requests = request_samples(answer.tallies.requests, names, answer.health.now)
    for declared, labels, value in (*_of_calls(answer), *of_requests, *fleet_samples(answer.tallies.fleet)):
        suffix = "_total" if declared.kind == COUNTER else ""
        made[declared].add_sample(declared.name + suffix, labels, value)
    return list(made.values())


def exposition(answer: HealthReading | SextonError, accept: str = "") -> tuple[bytes, str]:
    """(text, content type). accept: the header of that name, which may ask for OpenMetrics."""
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # the library compares whatever stands there as a version
        encode, content_type = choose_encoder("")
    return encode(_registry(answer)), content_type


def write_textfile(path: Path, answer: HealthReading | SextonError, group: str | None = None) -> None:
    """The same as a file for node_exporter; a reader never sees half of it.

    All may read it, as node_exporter is another user and no metric is a secret; with a group, its members alone.
    OSError; SettingsError for a group that cannot be given.
    """
    files.replace(path, generate_latest(_registry(answer)), group=group, mode=None if group else files.FOR_ALL)


class _Once:
    def __init__(self, answer: HealthReading | SextonError) -> None:
        self._answer = answer

    def collect(self) -> Iterable[Metric]:
        return families(self._answer)


def _registry(answer: HealthReading | SextonError) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(answer))
    return registry


def _family(declared: MetricFamily) -> Metric:
    kinds = {COUNTER: CounterMetricFamily, GAUGE: GaugeMetricFamily, HISTOGRAM: HistogramMetricFamily}
    family: Metric = kinds[declared.kind](declared.name, declared.meaning)
    return family


def _whole(answer: HealthReading) -> Iterator[MetricSample]:
    health: Health = answer.health
    yield UP, 1
    yield HAS_LEADER, health.leader
    yield LEADER_MISSING, health.leader_missing
    yield WAITING, answer.tallies.waiting
    yield STUCK, answer.tallies.stuck
    yield UNWELL, answer.tallies.calls.unwell
    yield SINCE, answer.tallies.since.timestamp()


def _of_job(job: JobHealth, answer: HealthReading) -> Iterator[MetricSample]:
    tallies = answer.tallies
    tally = tallies.jobs[job.job]
    yield JOB_SUCCESS, tally.successes
    yield JOB_FAILURE, tally.failures
    yield LAST_SUCCESS, _unix(job.last_success)
    yield LAST_START, _unix(job.last_start)
    yield FAILURES_IN_A_ROW, job.failures
    yield LATENESS, job.lateness
    yield JOB_IS_LATE, job.late
    yield PAUSED, job.paused
    yield PICKED, tally.picked
    yield CHANGED, tally.changed
    yield TOLD, tally.told
    yield LOCK_SKIPS, tally.skipped
    yield MISSED, tally.missed
    yield POISON, tallies.poison.get(job.job, 0)
    yield QUEUED, tallies.queued.get(job.job, 0)
    yield OPEN_INCIDENTS, tallies.incidents.get(job.job, 0)
    debts = [debt for debt in answer.debt if debt.job == job.job and debt.rows is not None]
    if debts:
        yield DEBT, sum(debt.rows or 0 for debt in debts)
        oldest = min((debt.since for debt in debts if debt.since), default=answer.health.now)
        yield DEBT_AGE, max((answer.health.now - oldest).total_seconds(), 0.0)


def _of_calls(answer: HealthReading) -> Iterator[tuple[MetricFamily, dict[str, str], float]]:
    """With their labels. A job that has never called anybody has none."""
    calls, now = answer.tallies.calls, answer.health.now
    jobs = {job.job for job in answer.health.jobs}
    for (job, step, outcome), number in sorted(calls.outcomes.items()):
        if outcome == MILLISECONDS:
            yield CALL_SECONDS, {"job": job, "step": step}, number / 1000
        else:
            yield CALLS, {"job": job, "step": step, "outcome": outcome}, number
    for job in sorted(jobs & {*calls.calls, *calls.ended_badly}):
        waiting = calls.calls.get(job, WaitingCalls(0))
        yield CALLS_WAITING, {"job": job}, waiting.number
        yield CALLS_OLDEST, {"job": job}, _seconds_since(waiting.oldest, now)
        yield CALLS_ENDED_BADLY, {"job": job}, calls.ended_badly.get(job, 0)
    for channel in sorted({*calls.deliveries, *calls.dead}):
        waiting = calls.deliveries.get(channel, WaitingCalls(0))
        yield DELIVERIES_WAITING, {"channel": channel}, waiting.number
        yield DELIVERIES_OLDEST, {"channel": channel}, _seconds_since(waiting.oldest, now)
        yield DELIVERIES_DEAD, {"channel": channel}, calls.dead.get(channel, 0)


def _seconds_since(instant: datetime | None, now: datetime) -> float:
    return 0.0 if instant is None else max((now - instant).total_seconds(), 0.0)


def _add_histogram(family: Metric, job: str, tally: JobCounters) -> None:
    for end, many in zip((*map(str, BUCKETS), "+Inf"), (*tally.buckets, tally.timed), strict=True):
        family.add_sample(f"{JOB_DURATION.name}_bucket", {"job": job, "le": end}, many)
    family.add_sample(f"{JOB_DURATION.name}_count", {"job": job}, tally.timed)
    family.add_sample(f"{JOB_DURATION.name}_sum", {"job": job}, tally.seconds)


def _unix(instant: datetime | None) -> float:
    return 0.0 if instant is None else instant.timestamp()
