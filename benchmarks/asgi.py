"""A1: how long requests of an API server take while a job computes: in the worker that it hosts, and in a thread.

One FastAPI application under uvicorn with two processes, one client that asks again and again. Each round measures
it without a job, with one in the hosted worker, and with the same work in a thread of each server process.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from sqlalchemy import Engine

from sexton.app import App
from sexton.config import Settings
from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.slots.history import history
from sexton.slots.queue import enqueue

from .figures import Options, Row, median, note, percentile, spread
from .quiet import wait_for_rest
from .server import durable_server

SECONDS = 8.0
"""Of each measurement."""

MOST_P50, MOST_P99 = 1.5, 3.0
"""How many times as long requests may take beside a job."""

_JOBS = f'''"""A job that computes."""
import time
from sexton import Job

def compute(run=None):
    end = time.monotonic() + {SECONDS + 3}
    while time.monotonic() < end:
        sum(range(2000))

busy = Job("benchmark.compute", work=compute)
'''
_API = '''"""An API that answers, and that may compute in a thread of its own."""
import os
import threading

from fastapi import FastAPI, Request
from jobs import compute

from sexton.asgi import lifespan

app = FastAPI(lifespan=lifespan("sexton.toml"))
threads = []


@app.get("/")
async def answer(request: Request):
    return {"pid": os.getpid(), "role": request.app.state.sexton.health()["role"]}


@app.post("/thread")
async def thread():
    if not any(one.is_alive() for one in threads):
        threads.append(threading.Thread(target=compute, daemon=True))
        threads[-1].start()
    return os.getpid()
'''
Latencies = list[float]


def run(options: Options) -> list[Row]:
    """All of it on one server. options: rounds."""
    with tempfile.TemporaryDirectory(prefix="sexton-benchmark-") as name, durable_server() as server:
        url = server.create_database("asgi")
        engine = open_database(url)
        migrate(engine)
        folder = Path(name)
        (folder / "jobs.py").write_text(_JOBS)
        (folder / "api.py").write_text(_API)
        (folder / "sexton.toml").write_text(f'database = "{url}"\njobs = ["jobs.py"]\n')
        app = App(Settings(database=url, jobs=("jobs.py",)), folder=folder)
        with _api(folder) as port:
            rounds = [_round(port, engine, app) for _ in range(options.rounds)]
        app.database.dispose()
        engine.dispose()
    return [_row(rounds)]


def _row(rounds: list[tuple[Latencies, Latencies, Latencies]]) -> Row:
    def ratios(place: int, share: float) -> list[float]:
        return [percentile(one[place], share) / percentile(one[0], share) for one in rounds]

    p50, p99 = ratios(1, 0.5), ratios(1, 0.99)
    alone = [latency for one in rounds for latency in one[0]]
    shown = f"p50 {percentile(alone, 0.5):.2f} ms, p99 {percentile(alone, 0.99):.2f} ms"
    beside = f"the same work in a thread of each process: p50 {spread(ratios(2, 0.5))}, p99 {spread(ratios(2, 0.99))}"
    return Row(
        id="A1",
        target=f"requests beside a job, to those without: p50 <= {MOST_P50}, p99 <= {MOST_P99}",
        measured=f"p50 {spread(p50)}, p99 {spread(p99)} ({beside}; without {shown})",
        met=median(p50) <= MOST_P50 and median(p99) <= MOST_P99,
    )


def _round(port: int, engine: Engine, app: App) -> tuple[Latencies, Latencies, Latencies]:
    wait_for_rest()
    alone = _latencies(port)
    with engine.begin() as connection:
        number, _ = enqueue(connection, app.registry.get("benchmark.compute"), by="benchmark")
    _until(lambda: _has_begun(engine, number), "the job has not begun")
    beside = _latencies(port)
    _until(lambda: _has_ended(engine, number), "the job has not ended")
    wait_for_rest()
    threads = {_ask(port, "POST", "/thread") for _ in range(20)}  # one in each process that is asked
    inside = _latencies(port)
    _until(lambda: percentile(_latencies(port, 0.5), 0.5) < 2 * percentile(alone, 0.5), "the threads have not ended")
    note(
        f"  p50 alone {percentile(alone, 0.5):.2f}, beside a job {percentile(beside, 0.5):.2f}, "
        f"with threads in {len(threads)} processes {percentile(inside, 0.5):.2f} ms"
    )
    return alone, beside, inside


def _has_begun(engine: Engine, number: int) -> bool:
    with engine.connect() as connection:
        return any(run.id == number and run.state == "running" for run in history(connection, limit=50))


def _has_ended(engine: Engine, number: int) -> bool:
    with engine.connect() as connection:
        return any(run.id == number and run.finished_at is not None for run in history(connection, limit=50))


def _latencies(port: int, seconds: float = SECONDS) -> Latencies:
    """Milliseconds of each request, one after the other, each on a connection of its own: any process may answer."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        _ask(port, "GET", "/")
        found.append((time.perf_counter() - began) * 1000)
        time.sleep(0.002)
    return found


def _ask(port: int, method: str, path: str) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, headers={"connection": "close"})
        return connection.getresponse().read().decode()
    finally:
        connection.close()


@contextmanager
def _api(folder: Path) -> Iterator[int]:
    """The API with two processes, one of which has the worker; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        words = ["--fd", str(listening.fileno()), "--workers", "2", "--no-access-log", "--log-level", "warning"]
        command = [sys.executable, "-m", "uvicorn", "api:app", *words]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(
            command, cwd=folder, stdout=quiet, stderr=quiet, pass_fds=[listening.fileno()], start_new_session=True
        )
        port = listening.getsockname()[1]
        try:
            roles: dict[int, str] = {}
            _until(lambda: _roles(port, roles) == {"leading", "standing by"}, "the server has not started")
            yield port
        finally:
            process.terminate()
            process.wait(30)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _roles(port: int, roles: dict[int, str]) -> set[str]:
    with suppress(OSError, HTTPException, ValueError):
        said = json.loads(_ask(port, "GET", "/"))
        roles[said["pid"]] = said["role"]
    return set(roles.values())


def _until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)
