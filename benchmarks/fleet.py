"""F1, F2: a fleet of 200 databases on one server against one database two hundred times, and memory by their number.

Each database has a table of sessions of which some are due, and one purge over all. One database × 200 is the same
purge by hand in one open engine, again and again; what a visit costs beside it is connection, identity and records.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, insert

from sexton import Job, Purge, UtcDateTime
from sexton.db.connect import open_database
from sexton.db.migrate import migrate
from sexton.fleet.caps import Caps
from sexton.fleet.database import DatabaseState, FleetDatabase
from sexton.fleet.fleet_run import FleetRunState, begin, end
from sexton.fleet.identity import take_in
from sexton.fleet.running import FleetOrder, FleetRunner
from sexton.fleet.visit import Errand
from sexton.runs.context import Limits
from sexton.runs.runner import RunOptions
from sexton.runs.stop_signals import Stop
from sexton.testing.jobs import run_job
from sexton.testing.postgres import Server

from .figures import Options, Row, median, note, spread
from .memory import own_peak
from .server import durable_server

DATABASES = 200
LIMITS = (1, 4, 8)
"""Databases at once, of one server."""

SIMULATED = (20, 200, 2_000)
MOST_MEMORY = 1.5
ROWS = 100

sessions = Table(
    "sessions",
    MetaData(),
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("expires_at", UtcDateTime, index=True),
)
PURGE = Purge(sessions, by=sessions.c.expires_at, keep="0s", kind="deadline", name="sessions")
JOB = Job("benchmark.purge", work=PURGE, guard=None)


def run(options: Options) -> list[Row]:
    """Both."""
    return [_against_one(options.rounds), _memory()]


def _against_one(rounds: int) -> Row:
    found: dict[str, list[float]] = {f"{limit} at once": [] for limit in LIMITS}
    with durable_server(fsync="off", shared_buffers="1GB", max_connections="60") as server:
        home, template = server.create_database("home"), server.create_database("template")
        _prepare(home)
        _prepare(template, filled=True)
        for number in range(rounds):
            one = _one_again_and_again(server)
            for limit in LIMITS:
                fleet = [_taken_in(server, f"shop_{number}_{limit}_{one}") for one in range(DATABASES)]
                seconds = _over(home, fleet, limit)
                found[f"{limit} at once"].append(seconds / one)
                note(f"  {DATABASES} databases, {limit} at once: {seconds:.1f} s; one, {DATABASES} times: {one:.1f} s")
                for database in fleet:
                    server.drop_database(database.name)
    measured = "; ".join(f"{words}: {spread(ratios)}" for words, ratios in found.items())
    best = min(median(ratios) for ratios in found.values())
    return Row(id="F1", target="200 databases <= 3 times one database × 200", measured=measured, met=best <= 3)


def _one_again_and_again(server: Server) -> float:
    engine = open_database(server.create_database("single", "template"))
    began = time.monotonic()
    for _ in range(DATABASES):
        run_job(engine, JOB)
    seconds = time.monotonic() - began
    engine.dispose()
    server.drop_database("single")
    return seconds


def _prepare(url: str, *, filled: bool = False) -> None:
    engine = open_database(url)
    migrate(engine)
    if filled:
        past = datetime.now(UTC) - timedelta(hours=1)
        with engine.begin() as connection:
            sessions.metadata.create_all(connection)
            connection.execute(insert(sessions), [{"expires_at": past}] * ROWS)
    engine.dispose()


def _taken_in(server: Server, name: str) -> FleetDatabase:
    database = _entry(name, server.create_database(name, "template"), "one")
    _take_in(database)
    return database


def _entry(name: str, url: str, server: str) -> FleetDatabase:
    return FleetDatabase(name, url, None, server, {}, DatabaseState.ACTIVE)


def _take_in(database: FleetDatabase) -> None:
    engine = open_database(database.address)
    with engine.begin() as connection:
        take_in(connection, database, "benchmark")
    engine.dispose()


def _over(home_url: str, fleet: list[FleetDatabase], limit: int) -> float:
    """Seconds of the purge over all of them, everywhere at once."""
    home, stop = open_database(home_url), Stop()
    with home.begin() as connection:
        end(connection, begin(connection, JOB.name, "proven", "", None), FleetRunState.FINISHED, None)
    options = RunOptions(limits=Limits(), stop=stop)
    errand = Errand((JOB,), options, "benchmark", home.dialect.name)
    runner = FleetRunner(home, errand, Caps(limit, limit), stop, told=lambda _report: None)
    began = time.monotonic()
    ended = runner.run(FleetOrder(JOB, "proven"), fleet)
    seconds = time.monotonic() - began
    home.dispose()
    if ended.summary.exit_code():
        raise RuntimeError(f"not all were done: {ended.summary.grid}")
    return seconds


def _memory() -> Row:
    """Of a process that goes over so many databases, which are files of SQLite here."""
    peaks = [_peak(number) for number in SIMULATED]
    shown = ", ".join(f"{number:,} databases: {peak:.0f} MB" for number, peak in zip(SIMULATED, peaks, strict=True))
    target = f"peak memory over {SIMULATED[-1]:,} databases <= {MOST_MEMORY} of that over {SIMULATED[0]}"
    return Row(id="F2", target=target, measured=shown, met=peaks[-1] <= MOST_MEMORY * peaks[0])


def _peak(number: int) -> float:
    command = [sys.executable, "-m", "benchmarks.fleet", str(number)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent)
    peak: float = json.loads(done.stdout)
    return peak


def main() -> None:
    """`python -m benchmarks.fleet NUMBER`: go over so many files, print the peak in MB."""
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template.db"
        _prepare(f"sqlite:///{folder}/home.db")
        _prepare(f"sqlite:///{template}", filled=True)
        fleet = []
        for number in range(int(sys.argv[1])):
            file = Path(folder) / f"shop_{number}.db"
            file.write_bytes(template.read_bytes())
            fleet.append(_entry(file.stem, f"sqlite:///{file}", f"server {number % 8}"))
            _take_in(fleet[-1])
        _over(f"sqlite:///{folder}/home.db", fleet, 4)
    print(json.dumps(own_peak()))


if __name__ == "__main__":
    main()
