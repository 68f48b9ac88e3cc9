"""J3: from a trigger's COMMIT to the start of its run on an idle worker, and what an idle worker costs.

Beside it a bare listener: one psycopg connection that waits for the same NOTIFY and marks one row.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, text

from sexton.app import App
from sexton.config import Settings
from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.slots.queue import enqueue

from .figures import Options, Row, note
from .quiet import wait_for_rest
from .server import connect, durable_server, scalar

TRIGGERS = 150
LOST = 10
IDLE = 20.0
"""Seconds over which an idle worker is watched."""

_JOBS = '''"""A job that does nothing."""
from sexton import Job

def nothing(run):
    return None

nothing_at_all = Job("benchmark.nothing", work=nothing)
'''
_BARE = """import sys, psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    connection.execute("LISTEN bare")
    print("ready", flush=True)
    while True:
        for notify in list(connection.notifies(stop_after=1)):
            connection.execute("UPDATE bare SET started = clock_timestamp() WHERE id = %s", [int(notify.payload)])
"""
_SILENT = text(
    "INSERT INTO sexton.runs (job, database, attempt, state, worker, epoch, as_of, started_at, counts, definition,"
    " asked_by) VALUES (:job, 'main', 1, 'queued', '', 0, clock_timestamp(), clock_timestamp(), '{}', '', 'benchmark')"
    " RETURNING id"
)
"""What `enqueue` writes, without its NOTIFY."""

_NOW = text("SELECT clock_timestamp()")


def run(options: Options) -> list[Row]:
    """Both sides on one durable server, one after the other."""
    with tempfile.TemporaryDirectory(prefix="sexton-benchmark-") as name, durable_server() as server:
        url = server.create_database("trigger")
        engine = open_database(url)
        migrate(engine)
        bare = _bare(url)
        folder = Path(name)
        (folder / "jobs.py").write_text(_JOBS)
        (folder / "sexton.toml").write_text(f'database = "{url}"\njobs = ["jobs.py"]\n')
        command = [sys.executable, "-m", "sexton.cli.main", "worker", f"--config={folder / 'sexton.toml'}"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as worker:
            try:
                ours, lost = _triggers(engine, url, folder)
                idle = _idle(worker.pid)
            finally:
                worker.terminate()
        engine.dispose()
    return _rows(bare, ours, lost, idle)


def _rows(bare: list[float], ours: list[float], lost: list[float], idle: float) -> list[Row]:
    p50, p99 = _at(ours, 0.5), _at(ours, 0.99)
    measured = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms (bare listener {_at(bare, 0.5):.1f} / {_at(bare, 0.99):.1f} ms)"
    later = f"longest of {len(lost)} {max(lost):.0f} ms; idle {idle:.2%} of a processor"
    return [
        Row(
            id="J3",
            target="trigger to start: p50 <= 3 ms, p99 <= 10 ms; NOTIFY lost <= 1 s; idle <= 0.5 %",
            measured=f"{measured}; NOTIFY lost: {later}",
            met=p50 <= 3 and p99 <= 10 and max(lost) <= 1050 and idle <= 0.005,
        )
    ]


def _bare(url: str) -> list[float]:
    """Milliseconds from before the COMMIT to the row's mark."""
    with connect(url) as connection:
        connection.execute("CREATE TABLE bare (id int PRIMARY KEY, asked timestamptz, started timestamptz)")
        address = url.replace("+psycopg", "")
        with subprocess.Popen([sys.executable, "-c", _BARE, address], stdout=subprocess.PIPE, text=True) as listener:
            assert listener.stdout is not None
            try:
                listener.stdout.readline()
                return [_mark(connection, number) for number in range(TRIGGERS)]
            finally:
                listener.kill()


def _mark(connection: psycopg.Connection[Any], number: int) -> float:
    time.sleep(0.05)  # the worker is idle again
    with connection.transaction():
        connection.execute("INSERT INTO bare VALUES (%s)", [number])
        connection.execute("SELECT pg_notify('bare', %s)", [str(number)])
        connection.execute("UPDATE bare SET asked = clock_timestamp() WHERE id = %s", [number])
    _until(lambda: bool(scalar(connection, "SELECT started IS NOT NULL FROM bare WHERE id = %s", number)))
    return float(
        scalar(connection, "SELECT extract(epoch FROM started - asked) * 1000 FROM bare WHERE id = %s", number)
    )


def _triggers(engine: Engine, url: str, folder: Path) -> tuple[list[float], list[float]]:
    app = App(Settings(database=url, jobs=("jobs.py",)), folder=folder)
    job = app.registry.get("benchmark.nothing")
    wait_for_rest()
    for _ in range(5):
        _trigger(engine, job)
    note(f"  {TRIGGERS} triggers, a twentieth of a second apart")
    ours = [_trigger(engine, job) for _ in range(TRIGGERS)]
    return ours, [_trigger(engine, job, silent=True) for _ in range(LOST)]


def _trigger(engine: Engine, job: Any, *, silent: bool = False) -> float:
    """Milliseconds. silent: NOTIFY is lost, so a look of the worker finds it."""
    time.sleep(0.05 if not silent else 0.37)  # idle again; at another place of the worker's second
    with engine.begin() as connection:
        if silent:
            number = connection.execute(_SILENT, {"job": job.name}).scalar_one()
        else:
            number, _ = enqueue(connection, job, by="benchmark")
        asked: datetime = connection.execute(_NOW).scalar_one()
    started = text("SELECT started_at FROM sexton.runs WHERE id = :id AND finished_at IS NOT NULL")
    found: list[datetime] = []

    def ended() -> bool:
        with engine.connect() as connection:
            found[:] = connection.execute(started, {"id": number}).scalars().all()
        return bool(found)

    _until(ended)
    return (found[0] - asked).total_seconds() * 1000


def _idle(pid: int) -> float:
    """Share of a processor that the worker and its children used."""
    before, began = _ticks(pid), time.monotonic()
    note(f"  idle for {IDLE:.0f} s")
    time.sleep(IDLE)
    return (_ticks(pid) - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began)


def _ticks(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    total = 0
    for process in (str(pid), *children):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the worker did not take it")
        time.sleep(0.002)


def _at(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]
