"""REP-28: executors that cannot start: who has none does not lead, beside or without others, and tries on."""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest
from sqlalchemy import Engine, text

from sexton.engines.executor.process import Executor
from tests.support.children import command_line
from tests.support.database_checks import let_leases_end
from tests.support.patience import PATIENCE
from tests.support.worker import LONG, PAGES, Yard, make_yard, pages_of, said
from tests.support.workers import Start, Worker

pytestmark = pytest.mark.slow

BROKEN = """
import os, sys
from pathlib import Path
if Path("{flag}").exists():
    os._exit(5)  # as a broken C extension does; what only raises, executors bear (REP-35)
sys.path.append("{tests}")  # executors search no working directory
from tests.support.worker_jobs import *
"""


def without_interpreter(*words: str) -> int:
    """A worker whose Python has gone from its place, as during an upgrade."""
    sys.executable = "/nowhere/python"
    return command_line(*words)


def with_a_broken_interpreter(*words: str) -> int:
    """A worker whose Python starts, and cannot find its library."""
    os.environ["PYTHONHOME"] = "/nowhere"
    return command_line(*words)


@pytest.fixture
def yard(engine: Engine, database: str, tmp_path: Path, start: Start) -> Yard:
    """Workers over a fresh database whose jobs cannot be imported while there is a file "broken"."""
    (tmp_path / "jobs.py").write_text(BROKEN.format(flag=tmp_path / "broken", tests=Path.cwd()))
    return make_yard(engine, database, tmp_path, start, jobs=f"{tmp_path}/jobs.py", lease=LONG)


def health(pages: str) -> list[int]:
    """What the pages of a worker answer to probes; a busy machine may be slow to ask its database, which is no 200."""

    def status(path: str) -> int:
        try:
            with urllib.request.urlopen(f"{pages}{path}", timeout=PATIENCE) as answer:
                return int(answer.status)
        except HTTPError as refused:
            refused.close()
            return refused.code

    return [status(path) for path in ("/healthz", "/readyz")]


def succeeded(yard: Yard) -> int:
    """Runs so far."""
    return len([run for run in yard.runs() if run.state == "succeeded"])


def executors(worker: Worker) -> list[int]:
    """Its child processes."""
    return [int(pid) for pid in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()]


@pytest.mark.databases("sqlite", "postgres18")
@pytest.mark.parametrize("broken", [without_interpreter, with_a_broken_interpreter])
def test_rep_28_who_never_had_an_executor_leaves_the_lead_to_others(broken: object, yard: Yard, start: Start) -> None:
    sick = start(broken, "worker", yard.config, "--concurrency=2")  # type: ignore[arg-type]
    sick.wait_for('"cannot start runs"')
    yard.wait_until(lambda: yard.holder() is None)

    yard.leader()
    yard.wait_until(lambda: succeeded(yard) >= 3)

    events = [line["event"] for line in said(sick)]
    assert (events.count("cannot start runs"), events.count("leading")) == (1, 1), "a few tries, and no more"
    assert events.count("an executor could not start") == 2, "once for each of two"
    assert sick.runs
    sick.send(signal.SIGTERM)
    assert sick.wait() == 0


@pytest.mark.databases("sqlite", "postgres18")
def test_rep_28_a_leader_that_loses_its_executors_resigns_and_stands_again(
    yard: Yard, engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    """A deploy that leaves jobs which cannot be imported, and is mended."""
    file = tmp_path / "sexton.toml"
    file.write_text(file.read_text() + PAGES)
    sick = yard.leader()
    pages = pages_of(sick)
    yard.wait_until(lambda: succeeded(yard) >= 1)
    yard.wait_until(lambda: health(pages) == [200, 200])
    (tmp_path / "well").mkdir()
    well = make_yard(engine, database, tmp_path / "well", start, lease=LONG).worker()
    well.wait_for('"worker started"')

    (tmp_path / "broken").touch()
    for pid in executors(sick):
        os.kill(pid, signal.SIGKILL)
    well.wait_for('"leading"')
    before = succeeded(yard)
    yard.wait_until(lambda: succeeded(yard) >= before + 3)
    yard.wait_until(lambda: health(pages) == [503, 503])
    (tmp_path / "broken").unlink()
    sick.wait_for('"can start runs again"')
    yard.wait_until(lambda: health(pages) == [200, 200])
    well.kill()
    let_leases_end(engine)
    before = succeeded(yard)
    yard.wait_until(lambda: succeeded(yard) >= before + 3)

    assert [line["reason"] for line in said(sick) if line["event"] == "cannot start runs"] == [
        "no executor can be started: its process ended with exit code 5"
    ]


def test_rep_28_a_start_without_descriptors_is_one_in_vain() -> None:
    """Neither it nor any other error of the system gets out of the loop."""
    executor = Executor(None, None)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        executor.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert (executor.alive, executor.ready, executor.line) == (False, False, None)
    assert executor.failure == "Too many open files"


def test_an_executor_that_has_ended_is_missed_though_its_line_is_held_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run forked, and what it left behind keeps the line: nothing would ever be read from it."""
    program, left = tmp_path / "python", tmp_path / "left"
    program.write_text(f"#!/bin/sh\nsleep 600 & echo $! > {left}\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    executor = Executor(None, None)

    executor.start()
    try:
        assert executor.line is not None
        while not select.select([executor.line], [], [], 0.01)[0]:
            assert not executor.overdue()
        assert list(executor.read()) == []
    finally:
        os.kill(int(left.read_text()), signal.SIGKILL)

    assert not executor.alive
    assert executor.failure == "its process ended with exit code 3"


@pytest.mark.databases("postgres18")
def test_a_run_that_the_database_lets_not_begin_is_tried_again_and_is_no_failed_slot(
    engine: Engine, database: str, tmp_path: Path, start: Start
) -> None:
    """Its role has lost a right: the executor lives on, and once the right is back no slot is missing."""
    role = f"r{engine.url.database}"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN"))
        connection.execute(text(f"GRANT USAGE ON SCHEMA sexton TO {role}"))
        connection.execute(text(f"GRANT ALL ON ALL TABLES IN SCHEMA sexton TO {role}"))
        connection.execute(text(f"REVOKE INSERT ON sexton.runs FROM {role}"))
    theirs = engine.url.set(username=role).render_as_string(hide_password=False)
    yard = make_yard(engine, theirs, tmp_path, start, lease=LONG)
    worker = yard.leader("--concurrency=1")
    before = executors(worker)
    worker.wait_for("permission denied for table runs")

    with engine.begin() as connection:
        connection.execute(text(f"GRANT INSERT ON sexton.runs TO {role}"))
    yard.wait_until(lambda: succeeded(yard) >= 3)

    assert executors(worker) == before
    assert {run.state for run in yard.runs("tick.every_slot")} <= {"succeeded", "running"}
    worker.kill()
    with engine.begin() as connection:
        connection.execute(text(f"DROP OWNED BY {role}; DROP ROLE {role}"))
