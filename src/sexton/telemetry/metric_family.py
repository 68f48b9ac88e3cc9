"""How a metric is declared."""

from __future__ import annotations

from dataclasses import dataclass

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """One metric. of_job: it has the label `job`.  labels: others. A counter's series is called `name` + "_total"."""

    name: str
    kind: str
    meaning: str
    of_job: bool = True
    labels: tuple[str, ...] = ()
