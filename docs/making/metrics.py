"""The page of metrics, from what the collector declares."""

from __future__ import annotations

from collections.abc import Iterator

from sexton.telemetry.counters import BUCKETS
from sexton.telemetry.metrics import COUNTER, METRICS, MetricFamily

from .markdown import code, inline, page, sentence, table


def metrics() -> str:
    """Every metric with its kind, labels and meaning."""
    return page("Metrics", "src/sexton/telemetry/metrics.py", _parts())


def _parts() -> Iterator[str]:
    yield (
        "What `/metrics` and `sexton metrics` expose; how to get at them: [monitoring](../how-to/monitoring.md). They "
        "are built from Sexton's tables when they are asked for, so every instance tells the same figures, and runs "
        "that cron started count like those of a worker. When the tables cannot be read, `sexton_up` is 0 and "
        "everything else is absent."
    )
    yield table(["metric", "kind", "labels", "meaning"], (_row(metric) for metric in METRICS))
    yield (
        "A counter is declared under the name that the ticket gives it, `job_success`; its series ends in `_total`, as "
        "Prometheus wants it. The label `job` holds names of jobs in the registry and nothing else, but for metrics "
        "about a fleet, whose jobs are those that were visited for. `step` is a step that calls, `outcome` what its "
        "calls came to; what a job keeps about its calls in columns of the product is "
        "in `sexton_calls` only."
    )
    yield "## What counters count"
    yield (
        "Runs that ended since midnight UTC by the database's clock. Within a day they never go down: the shortest "
        "retention of runs is a day. At midnight they start anew, which `rate()` and `increase()` take for the restart "
        "of a process and step over; what ended between the last scrape and midnight is not in them. A run counts when "
        "it ends. `cancelled` and `skipped` runs are neither success nor failure."
    )
    yield (
        "`job_duration_seconds` holds runs that ended by themselves: `succeeded`, `partial`, `failed`, `timed_out`. "
        f"Its buckets end at {', '.join(f'{end:g}' for end in BUCKETS)} seconds."
    )
    yield "## What a scrape costs"
    yield (
        "About fifteen statements for up to a hundred jobs, and four more for each further hundred. Each goes through "
        "an index and may take 2 s. A process keeps the sums of hours that are long over, so a scrape reads the runs "
        "of the last two hours; the first one of a process, and each `sexton metrics`, those of the day. An answer is "
        "given again for 5 s. One thing grows with history: a job that has failed for very long has its failures "
        "passed over, to find its last success."
    )


def _row(metric: MetricFamily) -> list[str]:
    name = metric.name + ("_total" if metric.kind == COUNTER else "")
    labels = (*(["job"] if metric.of_job else []), *metric.labels)
    return [code(name), metric.kind, ", ".join(map(code, labels)), inline(sentence(metric.meaning))]
