"""Jobs on demand that do nothing: J2 drained by a worker, J4 asked for in bulk, J5 from asking to start.

Beside J2: a bare loop on one connection that locks a hundred rows with SKIP LOCKED, does nothing, and deletes them in
the same transaction; and Procrastinate with ten jobs at once. Beside J4: COPY into the same table.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from sexton.app import App
from sexton.testing import postgres

from .figures import Options, Row, median, note, percentile
from .quiet import wait_for_rest
from .server import connect, create_template, durable_server, scalar

MOST_JOBS = 60_000
PROCRASTINATE_SHARE = 10
"""Procrastinate gets a tenth of the jobs; it takes as long for them."""

ASKED = 200
LEAST_OF_BARE, AIM_OF_BARE, TIMES_PROCRASTINATE = 0.25, 0.5, 5.0
LEAST_OF_COPY = 0.5
MOST_P99 = 10.0

JOBS = '''"""Jobs on demand that do nothing."""
from sexton import Job, OnDemand, RequestRun

def nothing(run: RequestRun, number: int) -> None:
    return None

kept = Job("benchmark.kept", work=nothing, on_demand=OnDemand())
counted = Job("benchmark.counted", work=nothing, on_demand=OnDemand(history="failures"))
'''

PROCRASTINATE = """import sys, time
from procrastinate import App, PsycopgConnector

app = App(connector=PsycopgConnector(conninfo=sys.argv[1]))

@app.task(name="nothing", queue="benchmark")
def nothing(number):
    return None

async def main():
    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        for start in range(0, int(sys.argv[2]), 1000):
            await nothing.batch_defer_async(*({"number": start + number} for number in range(1000)))
        began = time.perf_counter()
        await app.run_worker_async(wait=False, concurrency=10, install_signal_handlers=False)
        print(time.perf_counter() - began)

import asyncio
asyncio.run(main())
"""


def run(options: Options) -> list[Row]:
    """All on one durable server, one after the other."""
    jobs = min(options.rows, MOST_JOBS)
    with tempfile.TemporaryDirectory(prefix="sexton-benchmark-") as name, durable_server() as server:
        url = create_template(server, "on_demand")
        folder = Path(name)
        (folder / "benchmark_jobs.py").write_text(JOBS)
        (folder / "sexton.toml").write_text(f'database = "{url}"\njobs = ["benchmark_jobs.py"]\n')
        app = App.load(folder / "sexton.toml")
        try:
            drained = _drained(app, server, url, folder, jobs, options.rounds)
            return [*drained, _bulk(app, url, jobs, options.rounds), _latency(app, url, folder)]
        finally:
            app.database.dispose()


@contextmanager
def _worker(folder: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "sexton.cli.main", "worker", f"--config={folder / 'sexton.toml'}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as worker:
        try:
            yield
        finally:
            worker.terminate()


def _drained(app: App, server: postgres.Server, url: str, folder: Path, jobs: int, rounds: int) -> list[Row]:
    bare, kept, counted = [], [], []
    with _worker(folder):
        _drain(app, url, "benchmark.counted", 200)  # everything is loaded
        for _ in range(rounds):
            wait_for_rest()
            bare.append(_bare(url, jobs))
            counted.append(_drain(app, url, "benchmark.counted", jobs))
            kept.append(_drain(app, url, "benchmark.kept", jobs))
            line = f"{bare[-1]:,.0f} jobs/s bare, {counted[-1]:,.0f} counted, {kept[-1]:,.0f} each with a run row"
            note(f"  J2: {line}")
    theirs = procrastinate_rate(server, jobs // PROCRASTINATE_SHARE)
    note(f"  J2: {theirs:,.0f} jobs/s by Procrastinate, 10 at once")
    rows = []
    for words, rates in (("counted", counted), ("each with a run row", kept)):
        share, times = median(rates) / median(bare), median(rates) / theirs
        rows.append(
            Row(
                id="J2",
                target=f"jobs on demand, {words}: {LEAST_OF_BARE} of a bare loop (aim {AIM_OF_BARE}), "
                f"{TIMES_PROCRASTINATE:.0f} times Procrastinate",
                measured=f"{share:.2f}, {times:.1f} times",
                met=share >= LEAST_OF_BARE and times >= TIMES_PROCRASTINATE,
            )
        )
    return rows


def _bare(url: str, jobs: int) -> float:
    """Jobs a second."""
    with connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS bare (id bigserial PRIMARY KEY, args text NOT NULL)")
        connection.execute("INSERT INTO bare (args) SELECT '{}' FROM generate_series(1, %s)", (jobs,))
        connection.execute("VACUUM ANALYZE bare")
        began = time.perf_counter()
        while True:
            with connection.transaction():
                picked = connection.execute("SELECT id FROM bare ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED")
                ids = [row[0] for row in picked]
                if not ids:
                    return jobs / (time.perf_counter() - began)
                connection.execute("DELETE FROM bare WHERE id = ANY(%s)", (ids,))


def _drain(app: App, url: str, job: str, jobs: int) -> float:
    """Jobs a second, by a worker that is there: from the COMMIT of all of them to the end of the last."""
    with connect(url) as connection:
        connection.execute("VACUUM ANALYZE sexton.requests")
        app.enqueue_many(job, ({"number": number} for number in range(jobs)))
        began = time.perf_counter()
        while scalar(connection, "SELECT EXISTS (SELECT 1 FROM sexton.requests)"):
            time.sleep(0.05)  # each look reads past what is gone already, on a processor that the worker needs
        return jobs / (time.perf_counter() - began)


def procrastinate_rate(server: postgres.Server, jobs: int) -> float:
    """Jobs a second of its own worker, ten at once, in a database of its own."""
    server.drop_database("procrastinate")
    address = server.create_database("procrastinate").replace("+psycopg", "")
    command = [sys.executable, "-c", PROCRASTINATE, address, str(jobs // 1000 * 1000)]
    seconds = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return jobs // 1000 * 1000 / seconds


def _bulk(app: App, url: str, jobs: int, rounds: int) -> Row:
    ratios = []
    for _ in range(rounds):
        wait_for_rest()
        copied = _copied(url, jobs)
        began = time.perf_counter()
        app.enqueue_many("benchmark.counted", ({"number": number} for number in range(jobs)))
        ours = jobs / (time.perf_counter() - began)
        ratios.append(ours / copied)
        note(f"  J4: {copied:,.0f} rows/s by COPY, {ours:,.0f} requests/s: {ours / copied:.2f}")
        with connect(url) as connection:
            connection.execute("TRUNCATE sexton.requests")
    return Row(
        id="J4",
        target=f"asked for in bulk, from one list of arguments: at least {LEAST_OF_COPY} of COPY into the same table",
        measured=f"{median(ratios):.2f}",
        met=median(ratios) >= LEAST_OF_COPY,
    )


def _copied(url: str, jobs: int) -> float:
    """Rows a second, by psycopg's COPY of rows that need no work."""
    with connect(url) as connection:
        began = time.perf_counter()
        columns = "job, args, args_version, priority, attempt, attempts, created_at, engine, state"
        with connection.cursor() as cursor, cursor.copy(f"COPY sexton.requests ({columns}) FROM STDIN") as copy:
            for number in range(jobs):
                args = f'{{"number":{number}}}'
                copy.write_row(("benchmark.counted", args, 1, 0, 1, 5, "2026-11-30T00:00:00Z", "worker", "ready"))
        seconds = time.perf_counter() - began
        connection.execute("TRUNCATE sexton.requests")
        return jobs / seconds


def _latency(app: App, url: str, folder: Path) -> Row:
    with _worker(folder), connect(url) as connection:
        for _ in range(5):
            _started(app, connection)
        wait_for_rest()
        waits = [_started(app, connection) for _ in range(ASKED)]
    p50, p99 = percentile(waits, 0.5), percentile(waits, 0.99)
    return Row(
        id="J5",
        target=f"from asking to start, a worker that sleeps: p99 at most {MOST_P99:.0f} ms",
        measured=f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
        met=p99 <= MOST_P99,
    )


def _started(app: App, connection: psycopg.Connection[Any]) -> float:
    """Milliseconds from before the COMMIT to the start, by the database's clock."""
    time.sleep(0.05)  # it sleeps again
    with app.database.begin() as asking:
        number = app.enqueue("benchmark.kept", using=asking, number=1)
        asked = asking.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = connection.execute("SELECT started_at FROM sexton.runs WHERE request = %s", (number,)).fetchone()
        if found is not None:
            return float((found[0] - asked).total_seconds() * 1000)
        time.sleep(0.002)
    raise TimeoutError("the worker did not take it")
