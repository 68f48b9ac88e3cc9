"""Real workers on a database: started with short leases, watched by their log lines and by the run table."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from sexton.app import App
from sexton.db.connect import read_only
from sexton.engines.worker.leader_inbox import LeaderInbox
from sexton.slots.history import RunRecord, history
from sexton.slots.queue import enqueue
from sexton.testing.processes import wait_until

from .children import command_line, write_settings
from .database_checks import lease_row
from .patience import PATIENCE
from .waiters import wait_for_writers
from .workers import Start, Worker

JOBS = "tests.support.worker_jobs"
SHORT = "2s"
"""A lease that a test waits for; on a busy machine one of a worker that lives may run out as well."""

LONG = "10m"
"""A lease that outlasts the test: what happens meanwhile has not waited for its end."""


@dataclass
class Yard:
    """Workers over one database."""

    engine: Engine
    config: str
    start: Start
    workers: list[Worker] = field(default_factory=list)

    def worker(self, *words: str) -> Worker:
        """A worker; it may lead or stand by."""
        self.workers.append(self.start(command_line, "worker", self.config, *words))
        return self.workers[-1]

    def leader(self, *words: str) -> Worker:
        """A worker that leads already."""
        worker = self.worker(*words)
        worker.wait_for('"leading"')
        return worker

    def runs(self, job: str | None = None) -> list[RunRecord]:
        """Runs, oldest first."""
        with read_only(self.engine) as connection:  # which waits for no writer of a file
            return sorted(history(connection, job=job, limit=10_000), key=lambda run: run.id)

    def ask_for(self, job: str) -> int:
        """Trigger a job; the number of its run."""
        app = App.load(Path(self.config.partition("=")[2]), partly=True)
        with self.engine.begin() as connection:
            return enqueue(connection, app.registry.get(job), by="a test")[0]

    def ended(self, number: int, seconds: float = PATIENCE) -> RunRecord:
        """The run, once it has ended."""
        self.wait_until(lambda: any(run.id == number and run.finished_at for run in self.runs()), seconds)
        return next(run for run in self.runs() if run.id == number)

    def wait_until(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Fail when it does not come true. The workers are listened to meanwhile."""

        def listening() -> bool:
            for worker in self.workers:
                worker.listen()
            return condition()

        assert wait_until(listening, seconds, pause=0.02), [
            (run.job, run.state, run.error) for run in self.runs()[-20:]
        ]

    def holder(self) -> str | None:
        """Who leads, by the database."""
        row = lease_row(self.engine, "leader")
        return row[0] if row else None


def make_yard(
    engine: Engine, database: str, folder: Path, start: Start, *, jobs: str = JOBS, lease: str = SHORT
) -> Yard:
    """A yard whose workers have such leases; LONG where a lease that a busy machine lets run out would show."""
    limits = {"lease": lease, "renew": "500ms", "statement_timeout": "1s" if lease == SHORT else "1m"}
    if engine.dialect.name == "sqlite":
        wait_for_writers(engine)
    return Yard(engine, write_settings(folder, database, jobs=jobs, **limits), start)


def freeze_between_transactions(worker: Worker, yard: Yard) -> None:
    """SQLite has one writer: frozen in the middle of a transaction, a process stops all others until it goes on."""
    worker.freeze()
    while _is_locked(yard):
        worker.resume()
        worker.freeze()


def _is_locked(yard: Yard) -> bool:
    path = yard.engine.url.database if yard.engine.dialect.name == "sqlite" else None
    if path is None:
        return False
    with closing(sqlite3.connect(path, timeout=0.5, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


def leader_inbox(app: App) -> LeaderInbox:
    """What a leader of all jobs has before it."""
    return LeaderInbox(app, [*app.registry])


def said(worker: Worker) -> list[dict[str, Any]]:
    """The lines of a worker."""
    return [json.loads(line) for line in worker.output.splitlines()]


PAGES = '[web]\nlisten = "127.0.0.1:0"\n'
"""For a settings file: pages on a port that is free when it is taken; see `pages_of`."""


def pages_of(worker: Worker) -> str:
    """Where the pages of a worker are, "http://127.0.0.1:8787", once it has them."""
    worker.wait_for('"pages"')
    return next(str(line["address"]) for line in said(worker) if line["event"] == "pages")


def has_every_slot(runs: list[RunRecord]) -> bool:
    """Whether these, of a job that wants each second, leave out none between the first and the last."""
    slots = sorted({run.slot for run in runs if run.slot is not None})
    return bool(slots) and len(slots) == (slots[-1] - slots[0]).total_seconds() + 1


def assert_no_slot_twice(runs: list[RunRecord]) -> None:
    """No slot of a job has succeeded twice."""
    done = [(run.job, run.slot) for run in runs if run.slot is not None and run.state in ("succeeded", "partial")]
    assert len(done) == len(set(done))
