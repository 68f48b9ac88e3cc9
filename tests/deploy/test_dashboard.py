"""The dashboard asks for metrics that there are, as they are: no panel of it can be empty for a wrong name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sexton.telemetry.metrics import COUNTER, HISTOGRAM, METRICS, MetricFamily

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "sexton.json"
NAME = re.compile(r"\b(?:sexton|job)_\w+")


def series(metric: MetricFamily) -> set[str]:
    """The names of its series."""
    endings = {COUNTER: ("_total",), HISTOGRAM: ("_bucket", "_sum", "_count")}.get(metric.kind, ("",))
    return {metric.name + ending for ending in endings}


EXPOSED = {name: metric for metric in METRICS for name in series(metric)}


@pytest.fixture(scope="module")
def dashboard() -> Any:
    """The file."""
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


def expressions(dashboard: Any) -> dict[str, str]:
    """Title of a panel and letter of a query -> the query."""
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }


def test_every_metric_that_it_asks_for_is_exposed(dashboard: Any) -> None:
    asked = {title: set(NAME.findall(expression)) for title, expression in expressions(dashboard).items()}

    assert all(asked.values())
    assert {title: names - set(EXPOSED) for title, names in asked.items() if names - set(EXPOSED)} == {}
    variables = " ".join(str(variable["query"]) for variable in dashboard["templating"]["list"])
    assert set(NAME.findall(variables)) <= set(EXPOSED)


def test_labels_and_functions_fit_the_metrics(dashboard: Any) -> None:
    """A counter is asked for its increase, a gauge for itself; only metrics of jobs are chosen by job."""
    for title, expression in expressions(dashboard).items():
        for found in NAME.finditer(expression):
            metric, before = EXPOSED[found[0]], expression[: found.start()]
            selected = expression[found.end() :].startswith("{")
            assert before.endswith("increase(") == (metric.kind in (COUNTER, HISTOGRAM)), title
            assert not selected or metric.of_job, title


def test_what_people_must_see_is_on_it(dashboard: Any) -> None:
    """ORA-FUT.2, BJ-22.2: PF-136.6 by its names, and all that can be wrong."""
    asked = " ".join(expressions(dashboard).values())
    for name in ("job_duration_seconds_bucket", "job_success_total", "job_failure_total", "sexton_up", "sexton_leader"):
        assert name in asked
    requests = ("sexton_requests_waiting", "sexton_requests_oldest_seconds", "sexton_requests_dead")
    for name in ("sexton_late", "sexton_outbox_stuck", "sexton_poison_rows", "sexton_open_incidents", *requests):
        assert re.search(rf"\b{name}\b", asked), name


def test_panels_do_not_lie_on_each_other(dashboard: Any) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
