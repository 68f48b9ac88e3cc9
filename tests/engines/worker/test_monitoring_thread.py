"""The worker watches: an incident opens and closes, its pages answer, a database that is gone is told past itself."""

from __future__ import annotations

import json
import signal
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest
from sqlalchemy import Engine

from sexton.app import App
from sexton.engines import run_order
from sexton.engines.executor import process
from sexton.run_state import NoRun
from sexton.slots.queue import enqueue
from tests.support.children import command_line
from tests.support.patience import PATIENCE
from tests.support.proxy import Proxy
from tests.support.worker import LONG, PAGES, Yard, make_yard, pages_of, said
from tests.support.workers import Start, Worker


def settings(yard: Yard, text: str) -> None:
    """Add tables to the settings file of the yard."""
    file = Path(yard.config.partition("=")[2])
    file.write_text(file.read_text() + text)


@pytest.fixture
def yard(engine: Engine, database: str, tmp_path: Path, start: Start) -> Yard:
    """Workers that look after incidents every second."""
    yard = make_yard(engine, database, tmp_path, start, lease=LONG)
    settings(yard, '[worker]\nwatch = "1s"\n[alerts]\nafter_failures = 2\n')
    return yard


def incidents(lines: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    """What was said of incidents."""
    return [(line["what"], line["job"], line["kind"]) for line in lines if line["event"] == "incident"]


@pytest.mark.databases("sqlite", "postgres18")
def test_bj_26_two_failures_in_a_row_open_an_incident_and_people_are_told(yard: Yard) -> None:
    """BJ-26.1, BJ-26.2, BJ-26.4: in the log of the worker, too, with the last error and the command to look closer."""
    worker = yard.leader()
    for _ in range(2):
        yard.ended(yard.ask_for("bad.fail"))

    yard.wait_until(lambda: ("open", "bad.fail", "failing") in incidents(said(worker)))


def page(address: str) -> str:
    """What is there; nothing while the worker has no answer, as its database was slow to give one."""
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            return str(answer.read().decode())
    except HTTPError as refused:
        refused.close()
        return ""


@pytest.mark.databases("sqlite", "postgres18")
def test_ora_mon_1_the_pages_of_a_worker_answer(yard: Yard) -> None:
    """ORA-MON.1, PF-136.6"""
    settings(yard, PAGES)
    worker = yard.leader()
    pages = pages_of(worker)

    yard.wait_until(lambda: "tick.every_slot" in json.dumps(json.loads(page(f"{pages}/api/health/cron") or "{}")))
    yard.wait_until(lambda: "job_duration_seconds_count" in page(f"{pages}/metrics"))

    worker.send(signal.SIGTERM)
    assert worker.wait() == 0


@pytest.mark.databases("postgres18")
def test_x9_a_loop_that_cannot_ask_its_database_says_so_and_goes_on(
    engine: Engine, database: str, tmp_path: Path, start: Start, open_proxy: object
) -> None:
    """D3: the database goes away and comes back; the worker waits, and leads again."""
    proxy: Proxy = open_proxy(database)  # type: ignore[operator]
    yard = make_yard(engine, proxy.url_for(database), tmp_path, start)
    worker = yard.leader()
    proxy.refuse()
    proxy.cut()
    worker.wait_for('"database trouble"')

    proxy.admit()
    seen = len(yard.runs("tick.every_slot"))

    yard.wait_until(lambda: len(yard.runs("tick.every_slot")) > seen + 1)
    assert worker.runs


def renewing_soon(*words: str) -> int:
    """A worker that soon asks again what was not known, and whether all can be loaded."""
    run_order.UNKNOWN_SECONDS = process.RENEWED_AFTER = 0.5
    process.STEADY = 0.0
    return command_line(*words)


def unknown_to(worker: Worker, job: str) -> list[str]:
    """Why its executors did not know the job, each time."""
    runs = [line for line in said(worker) if line["event"] == "run ended" and line["job"] == job]
    return [run["error"] for run in runs if run["state"] == NoRun.UNKNOWN_JOB]


BREAKABLE = """
import os, signal
from sexton import Job

def die(run):
    os.kill(os.getpid(), signal.SIGKILL)

crash = Job("own.crash", work=die)
quiet = Job("own.quiet", work=lambda run: None)
"""


@pytest.mark.databases("sqlite", "postgres15")
def test_rep_35_a_module_that_breaks_under_a_running_worker_is_said_and_alerted(yard: Yard, start: Start) -> None:
    """A deploy with a typo: executors that start anew do the rest; what they cannot is said, waits, and is an incident.

    As under `run --due` (REP-40). Once the module is mended the next process has it, and what waits runs.
    """
    file = Path(yard.config.partition("=")[2])
    (file.parent / "own.py").write_text(BREAKABLE)
    file.write_text(file.read_text().replace("jobs = [", 'jobs = ["own.py", '))
    worker = start(renewing_soon, "worker", yard.config, "--concurrency", "1")
    yard.workers.append(worker)
    worker.wait_for('"leading"')
    crash, quiet = (App.load(file).registry.get(name) for name in ("own.crash", "own.quiet"))
    (file.parent / "own.py").write_text("import typo_of_a_deploy\n")

    with yard.engine.begin() as connection:
        enqueue(connection, crash, by="a test")
    worker.wait_for('"jobs not loaded"')
    with yard.engine.begin() as connection:
        number, _ = enqueue(connection, quiet, by="a test")

    yard.wait_until(lambda: bool(unknown_to(worker, "own.quiet")))
    assert "own.py:1: ModuleNotFoundError: No module named 'typo_of_a_deploy'" in unknown_to(worker, "own.quiet")[0]
    assert [run.state for run in yard.runs("own.quiet")] == ["queued"]
    assert yard.ended(yard.ask_for("calm.idle")).state == "succeeded"
    yard.wait_until(lambda: ("open", "own.py", "unloaded") in incidents(said(worker)))

    (file.parent / "own.py").write_text(BREAKABLE)

    assert yard.ended(number).state == "succeeded"
    yard.wait_until(lambda: ("close", "own.py", "unloaded") in incidents(said(worker)))
