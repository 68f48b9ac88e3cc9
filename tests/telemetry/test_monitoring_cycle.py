"""One round of watching: its parts stand alone, whatever goes wrong in one; a sign of life only while runs go well."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from sexton.config import Settings
from sexton.config.alert_settings import AlertSettings
from sexton.config.monitoring_settings import MetricsSettings
from sexton.telemetry import assessment, monitoring_cycle
from sexton.telemetry.monitoring_cycle import MonitoringCycle
from tests.channels.web import Web
from tests.support.past_runs import add_runs, database_time, run_row

from .past import HOURLY

JOB = replace(HOURLY, schedule=None)


class Lines:
    """What was said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, event: str, **fields: Any) -> None:
        self.said.append((event, fields))


def make(engine: Engine, database: str, **metrics: Any) -> tuple[MonitoringCycle, Lines]:
    """Rounds of one process, and what it says."""
    settings = Settings(database=database, alerts=AlertSettings(), metrics=MetricsSettings(**metrics))
    lines = Lines()
    return MonitoringCycle(engine, [JOB], settings, lines), lines


def fail(engine: Engine) -> None:
    """A run has just failed."""
    add_runs(engine, run_row(JOB.name, "failed", database_time(engine), 0.0))


def test_the_heartbeat_stays_away_after_a_round_in_which_a_run_failed(engine: Engine, database: str, web: Web) -> None:
    watching, _ = make(engine, database, heartbeat=web.url)
    add_runs(engine, run_row(JOB.name, "failed", database_time(engine) - timedelta(hours=1)))

    watching.make()
    assert len(web.requests) == 1, "what failed before we looked is history"
    fail(engine)
    watching.make()
    assert len(web.requests) == 1
    watching.make()
    assert len(web.requests) == 2


def test_the_heartbeat_stays_away_when_a_run_of_this_start_failed(engine: Engine, database: str, web: Web) -> None:
    watching, _ = make(engine, database, heartbeat=web.url)

    watching.make(failed=True)
    assert web.requests == []


@pytest.mark.databases("sqlite")
def test_an_error_that_nobody_foresaw_is_said_by_its_kind_and_the_next_round_comes(
    engine: Engine, database: str, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching, lines = make(engine, database, heartbeat=web.url)

    def broken(*_: object) -> None:
        raise KeyError("qXcanaryX7")

    with monkeypatch.context() as at_first:
        at_first.setattr(assessment, "assess_jobs", broken)
        watching.make()
    watching.make()

    assert lines.said == [("watching failed", {"part": "alert", "error": "unexpected KeyError"})]
    assert len(web.requests) == 1, "not while a part of the round is broken"


@pytest.mark.databases("sqlite")
def test_a_proxy_that_cannot_be_used_is_a_line(
    engine: Engine, database: str, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://someone:qXcanaryX7@127.0.0.1:1")
    watching, lines = make(engine, database, heartbeat=web.url)

    watching.make()

    ((event, fields),) = lines.said
    assert event == "heartbeat failed"
    assert "cannot be called from here" in fields["error"]
    assert "qXcanaryX7" not in str(lines.said)


def test_a_round_is_needed_while_something_is_open_or_waits_and_not_otherwise(engine: Engine, database: str) -> None:
    settings = Settings(database=database)
    assert not monitoring_cycle.needed_facts(engine, settings)

    watching, _ = make(engine, database)
    for _ in range(3):
        fail(engine)
    watching.make()

    assert monitoring_cycle.needed_facts(engine, settings)
