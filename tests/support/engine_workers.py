"""Runs carried by an engine, in its real workers: a yard whose jobs it carries, and ways to start those workers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from sexton.app import App
from sexton.config import CONFIG
from sexton.engines.carrier import Engine as Carrier
from sexton.engines.carrier import EngineMessage, MessageKind
from sexton.engines.registry import engine_of
from sexton.engines.submitter import Submitter
from sexton.runs.stop_signals import Stop, on_signals
from sexton.slots.engine_counts import EngineCounts, counts_since

from .past_runs import database_time
from .worker import LONG, Yard
from .workers import Start, Worker

JOBS = "tests.support.engine_worker_jobs"


@dataclass
class CarriedYard(Yard):
    """A yard of which one engine carries all jobs. name: of the engine."""

    name: str = ""

    @cached_property
    def app(self) -> App:
        """Of its settings; disposed by `carried_yard`."""
        return App.load(Path(self.config.partition("=")[2]))

    @cached_property
    def carrier(self) -> Carrier:
        """The engine."""
        return engine_of(self.app, self.name)

    def hand_on(self, *jobs: str) -> list[int]:
        """Ask for runs of these, and hand them to the engine; their numbers."""
        numbers = [self.ask_for(job) for job in jobs]
        self.submit()
        return numbers

    def submit(self) -> int:
        """Hand on what waits, as the leader does; how many."""
        return Submitter(self.app, self.name, self.carrier, list(self.app.registry), lambda event, **_: None).submit()

    def bring(self, number: int) -> None:
        """A message about this run once more, as from an engine that brings it twice."""
        with self.app.database.begin() as connection:
            ours: str = connection.execute(text("SELECT id FROM " + self._own("identity"))).scalar_one()
        self.carrier.submit(EngineMessage(MessageKind.RUN, (number,), ours, seconds=60.0))

    def carried_worker(self, function: Any, *words: Any) -> Worker:
        """A worker of the engine: a child that calls one of the functions below."""
        self.workers.append(self.start(function, self.config.partition("=")[2], *words))
        return self.workers[-1]

    def trouble(self, *jobs: str) -> None:
        """From now on patient runs of these do not end."""
        with self.engine.begin() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS troubles (job text)"))
            for job in jobs:
                connection.execute(text("INSERT INTO troubles VALUES (:job)"), {"job": job})

    def settle(self) -> None:
        """Patient runs come to their end."""
        with self.engine.begin() as connection:
            connection.execute(text("DELETE FROM troubles"))

    def wait_for_run(self, number: int) -> int:
        """Until it is under way; the process that has it."""
        self.wait_until(lambda: any(run.id == number and run.state == "running" for run in self.runs()))
        return int(next(run.worker for run in self.runs() if run.id == number).split(":")[-2])

    @property
    def counts(self) -> EngineCounts:
        """What the engine did, as `sexton engines` shows it."""
        with self.app.database.begin() as connection:
            return counts_since(connection, database_time(self.engine)).get(self.name, EngineCounts())

    def _own(self, table: str) -> str:
        return f"sexton.{table}" if self.engine.dialect.name == "postgresql" else f"sexton_{table}"


@contextmanager
def carried_yard(
    engine: Engine, database: str, folder: Path, start: Start, name: str, options: Mapping[str, str]
) -> Iterator[CarriedYard]:
    """A yard with such an engine. Leases outlast the test: what happens has not waited for the end of one."""
    table = [f"{key} = {value!r}" for key, value in options.items()]
    lines = [f"database = {database!r}", f"jobs = [{JOBS!r}]", f"engine = {name!r}"]
    lines += ["[run]", f"lease = {LONG!r}", 'renew = "500ms"', 'statement_timeout = "1m"', f"[engines.{name}]", *table]
    file = folder / "sexton.toml"
    file.write_text("\n".join(lines) + "\n")
    yard = CarriedYard(engine, f"--config={file}", start, name=name)
    try:
        yield yard
    finally:
        yard.carrier.close()
        yard.app.database.dispose()


def own_worker(config: str, name: str, concurrency: int = 1) -> int:
    """A child that is the engine's worker, as `sexton worker --engine NAME`."""
    os.environ[CONFIG] = config
    stop = Stop()
    with on_signals(stop, then_ends=True):
        app = App.load(partly=True)
        try:
            return engine_of(app, name).worker(concurrency, stop)
        finally:
            app.database.dispose()


def rq_command(config: str, *words: str) -> int:
    """A child that is `rq` with these words, as RQ's users start it."""
    from rq.cli.cli import main

    os.environ[CONFIG] = config
    main(list(words), standalone_mode=False)
    return 0


def procrastinate_command(config: str, *words: str) -> int:
    """A child that is `procrastinate` with these words."""
    from procrastinate.cli import main

    os.environ[CONFIG] = config
    sys.argv = ["procrastinate", *words]
    main()  # type: ignore[no-untyped-call]
    return 0
