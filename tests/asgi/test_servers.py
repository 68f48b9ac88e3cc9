"""Sexton inside an API server: FastAPI under uvicorn, on real processes (T1.2, T1.3)."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from sexton.slots.lease import HOST
from sexton.testing.processes import wait_until
from tests.support.api_server import API, api_server, worker_of
from tests.support.children import write_settings
from tests.support.database_checks import lease_row
from tests.support.leaks import runs
from tests.support.patience import PATIENCE
from tests.support.worker import JOBS, LONG, SHORT

ENDED_IN_ORDER = -signal.SIGTERM
"""Of a uvicorn with one process: once its lifespan is over it sends itself the signal that it has got."""

pytestmark = [pytest.mark.slow, pytest.mark.databases("sqlite", "postgres18")]


@pytest.fixture
def product(database: str, tmp_path: Path) -> Path:
    """A folder with settings whose leases outlast the test: what happens has not waited for their end."""
    write_settings(tmp_path, database, jobs=JOBS, lease=LONG, renew="500ms")
    return tmp_path


@pytest.fixture
def hasty(database: str, tmp_path: Path) -> Path:
    """The same with short leases, for tests that wait for their end."""
    write_settings(tmp_path, database, jobs=JOBS, lease=SHORT, renew="500ms", statement_timeout="1s")
    return tmp_path


def is_gone(process: int) -> bool:
    return wait_until(lambda: not runs(process), PATIENCE, pause=0.02)


def holder(engine: Engine) -> str | None:
    row = lease_row(engine, HOST)
    return row[0] if row else None


def test_t1_2_the_worker_starts_with_the_server_once_for_all_its_processes(product: Path) -> None:
    """T1.2: of two server processes one has the worker; jobs run while both answer."""
    with api_server(product, "--workers", "2") as server:
        parts = server.wait_for(lambda parts: {part["role"] for part in parts.values()} == {"leading", "standing by"})
        server.wait_for_event("run ended", 3)
        parts = server.wait_for(lambda parts: all(part["ok"] for part in parts.values()))

        assert len(server.events("worker started")) == 1
        assert sorted(bool(part["worker"]) for part in parts.values()) == [False, True]
        server.send(signal.SIGTERM)
        assert server.wait() == 0


def test_t1_3_the_worker_ends_with_the_server_and_its_run_ends_its_batch(product: Path, engine: Engine) -> None:
    """T1.3: SIGTERM during a job; its run is on record as stopped, the lease is free, nothing is left."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE troubles (job text)"))
        connection.execute(text("INSERT INTO troubles VALUES ('hosted.patient')"))
    with api_server(product, jobs_of_troubles(product)) as server:
        worker = worker_of(server)
        server.wait_for_event("run started")
        server.send(signal.SIGTERM)

        assert server.wait() == ENDED_IN_ORDER
        (ended,) = server.events("run ended")
        assert (ended["state"], ended["outcome_code"]) == ("cancelled", "stopped")
        assert holder(engine) is None
        assert is_gone(worker)


def jobs_of_troubles(product: Path) -> str:
    """Settings with one job, which runs for as long as there is trouble; a word for uvicorn that changes nothing."""
    (product / "hosted.py").write_text(
        "from sexton import Job, every\nfrom tests.support.patient_jobs import wait\n"
        'patient = Job("hosted.patient", schedule=every("1s"), work=wait)\n'
    )
    settings = (product / "sexton.toml").read_text().replace(repr(JOBS), '"hosted.py"')
    (product / "sexton.toml").write_text(settings)
    return "--no-access-log"


def test_a_killed_server_process_takes_its_worker_along_and_another_takes_over(hasty: Path) -> None:
    with api_server(hasty) as first:
        worker = worker_of(first)
        first.wait_for_event("run ended")
        with api_server(hasty) as second:
            second.wait_for_role("standing by")
            first.send(signal.SIGKILL)

            assert is_gone(worker)
            second.wait_for_role("leading")
            second.wait_for_event("run ended")


def test_a_frozen_server_process_loses_the_worker_and_ends_its_own(hasty: Path) -> None:
    with api_server(hasty) as first:
        worker = worker_of(first)
        with api_server(hasty) as second:
            second.wait_for_role("standing by")
            first.send(signal.SIGSTOP)
            second.wait_for_role("leading")
            assert runs(worker)  # it stands by, or leads: each run has a slot and a lease of its own

            first.send(signal.SIGCONT)
            first.wait_for_role("standing by")
            assert is_gone(worker)
            second.wait_for_event("run ended")


def test_a_killed_worker_is_started_again(product: Path) -> None:
    with api_server(product) as server:
        os.kill(worker_of(server), signal.SIGKILL)

        worker_of(server, 2)
        (part,) = server.wait_for(
            lambda parts: any((part["worker"] or {}).get("starts") == 2 for part in parts.values())
        ).values()
        assert part["role"] == "leading"
        assert "the worker was killed by SIGKILL" in server.log


def test_reload_has_one_worker_after_the_other(product: Path) -> None:
    with api_server(product, "--reload") as server:
        first = worker_of(server)
        server.wait_for_role("leading")
        (product / "api.py").write_text((product / "api.py").read_text() + "\n# changed\n")

        second = worker_of(server, 2)
        assert is_gone(first)
        server.wait_for_event("run ended")
        assert runs(second)
        server.send(signal.SIGTERM)
        server.wait()
        assert is_gone(second)


def test_a_job_that_does_not_end_is_killed_with_the_server(product: Path) -> None:
    """T1.3: the limit of ten seconds holds, and nothing of the job is left."""
    settings = (product / "sexton.toml").read_text().replace(repr(JOBS), '"hosted.py"')
    (product / "sexton.toml").write_text(settings)
    (product / "hosted.py").write_text(
        "import os, time\nfrom sexton import Job, every\ndef sleep(run):\n"
        "    open('pid', 'w').write(str(os.getpid()))\n"
        "    while True:\n        try:\n            time.sleep(600)\n        except BaseException:\n            pass\n"
        'sleeper = Job("hosted.sleeper", schedule=every("1s"), work=sleep)\n'
    )
    with api_server(product) as server:
        worker = worker_of(server)
        assert wait_until(lambda: (product / "pid").exists() and (product / "pid").read_text() != "", PATIENCE)
        server.send(signal.SIGTERM)

        assert server.wait() == ENDED_IN_ORDER
        assert is_gone(worker)
        assert is_gone(int((product / "pid").read_text()))


@pytest.mark.databases("sqlite")
def test_an_open_connection_does_not_hold_back_the_end_beyond_what_is_said(product: Path) -> None:
    """uvicorn#451: without `--timeout-graceful-shutdown` it waits for ever, and the worker with it."""
    code = API + STREAM
    with api_server(product, "--timeout-graceful-shutdown", "1", code=code) as server:
        worker = worker_of(server)
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as reader:
            reader.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
            while b"event" not in reader.recv(4096):
                pass
            server.send(signal.SIGTERM)

            assert server.wait() == ENDED_IN_ORDER
            assert is_gone(worker)


STREAM = """

from asyncio import Event

from starlette.responses import StreamingResponse


async def events():
    yield "event: first"
    await Event().wait()


@app.get("/stream")
def stream():
    return StreamingResponse(events())
"""
