"""A yard whose jobs an engine carries: a scheduler and workers of the engine, as processes of their own.

Each engine is a `Carrier`: what its broker needs, and how its messages are broken. Another engine is one more entry of
`CARRIERS` in `carriers.py`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Row, func, select, text, update

from sexton.app import App
from sexton.clock import parse_instant
from sexton.db.connect import read_only
from sexton.db.database_identity import identity
from sexton.db.tables import own_tables
from sexton.engines.carrier import EngineMessage, MessageKind
from sexton.engines.registry import engine_of, engine_type
from sexton.slots.engine_counts import EngineCounts, counts_since
from tests.support.carried_jobs import SCHEDULED
from tests.support.children import command_line
from tests.support.patience import PATIENCE
from tests.support.worker import Yard
from tests.support.workers import Worker

Way = Callable[[Yard, Collection[str], Callable[[], bool]], None]


class Carrier(Protocol):
    """One engine under test.

    name: as in the settings.  outlives: whether a run goes on when the worker that started it is killed.
    watched: whether somebody sees at once that the process of a run is gone; else its lease has to run out.
    """

    name: str
    outlives: bool
    watched: bool

    def set_up(self, folder: Path) -> tuple[str, dict[str, str]]:
        """Start its broker. Lines of the settings for `[engines.NAME]`, and variables for all processes."""

    def stop_broker(self) -> None:
        """Nothing more can be handed on, nor taken."""

    def start_broker(self, *, wiped: bool) -> None:
        """It answers again. wiped: without the messages that it had."""

    def close(self) -> None:
        """End what it started."""


def with_environment(variables: dict[str, str], paths: list[str], *words: str) -> int:
    """A child that is `sexton` with these words, these variables, and these folders to import from."""
    os.environ.update(variables)
    for path in paths:
        sys.path.append(path)
    if paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), *paths]))
    engine_type.cache_clear()
    return command_line(*words)


_known: dict[str, CarriedYard] = {}
"""Those that `finish_with` has made, by the settings of their yard."""


@dataclass
class CarriedYard:
    """A yard, an engine, and its processes."""

    yard: Yard
    carrier: Carrier
    variables: dict[str, str]
    paths: list[str]
    schedulers: list[Worker] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)

    def sexton(self, *words: str) -> Worker:
        """A process that is `sexton` with these words."""
        process = self.yard.start(with_environment, self.variables, self.paths, words[0], self.yard.config, *words[1:])
        self.yard.workers.append(process)
        return process

    def scheduler(self) -> Worker:
        """A scheduler that leads already, unless another one does."""
        self.schedulers.append(self.sexton("scheduler"))
        if len(self.schedulers) == 1:
            self.schedulers[0].wait_for('"leading"')
        return self.schedulers[-1]

    def worker(self, concurrency: int = 2) -> Worker:
        """A worker of the engine."""
        words = ("--engine", self.carrier.name, "--concurrency", str(concurrency))
        self.workers.append(self.sexton("worker", *words))
        return self.workers[-1]

    def app(self) -> App:
        """The app as the processes have it."""
        return App.load(Path(self.yard.config.partition("=")[2]), partly=True)

    def deliver(self, *numbers: int) -> None:
        """Hand these runs to the engine past the scheduler, one by one: a delivery that comes twice, or late."""
        self._deliver(*((MessageKind.RUN, (number,)) for number in numbers))

    def deliver_requests(self, numbers: Sequence[int]) -> None:
        """Hand these requests to it, in one message."""
        self._deliver((MessageKind.REQUEST, tuple(numbers)))

    def deliver_to(self, database: str, number: int) -> None:
        """A message for another database, which came into our queue."""
        self._deliver((MessageKind.RUN, (number,)), database=database)

    def _deliver(self, *messages: tuple[MessageKind, tuple[int, ...]], database: str = "") -> None:
        app = self.app()
        engine = engine_of(app, self.carrier.name)
        try:
            with app.database.begin() as connection:
                database = database or identity(connection)
                made = [EngineMessage(kind, ids, database, 60.0) for kind, ids in messages]
                for message in made if engine.transactional else ():
                    engine.submit(message, using=connection)
            for message in () if engine.transactional else made:
                engine.submit(message)
        finally:
            engine.close()
            app.database.dispose()

    def make_notes(self) -> None:
        """The table into which `carried.note` writes."""
        with self.yard.engine.begin() as connection:
            connection.execute(text("CREATE TABLE noted (number integer)"))

    def note(self, number: int = 0) -> None:
        """Write a note: those who wait for one go on."""
        with self.yard.engine.begin() as connection:
            connection.execute(text("INSERT INTO noted VALUES (:number)"), {"number": number})

    def notes(self) -> list[int]:
        """What it has written."""
        with read_only(self.yard.engine) as connection:
            return list(connection.execute(text("SELECT number FROM noted")).scalars())

    def enqueue(self, job: str, numbers: Sequence[int]) -> list[int]:
        """A request for each of these; their numbers."""
        app = self.app()
        try:
            with app.database.begin() as connection:
                return [app.enqueue(job, using=connection, number=number) for number in numbers]
        finally:
            app.database.dispose()

    def counts(self) -> EngineCounts:
        """What was handed to the engine, and what came of it."""
        with read_only(self.yard.engine) as connection:
            return counts_since(connection, parse_instant("2020-01-01T00:00Z")).get(self.carrier.name, EngineCounts())

    def row(self, number: int) -> Row[Any]:
        """A run row as it is."""
        runs = own_tables(self.yard.engine.dialect.name).runs
        with read_only(self.yard.engine) as connection:
            return connection.execute(select(runs).where(runs.c.id == number)).one()

    def is_submitted(self, number: int) -> bool:
        """Whether a run was handed to the engine."""
        return self.row(number).submitted_at is not None

    def let_time_pass(self, seconds: float) -> None:
        """For what waits in the engine: it was handed on so much earlier."""
        own = own_tables(self.yard.engine.dialect.name)
        with self.yard.engine.begin() as connection:
            for table in (own.runs, own.requests):
                rows = connection.execute(select(table.c.id, table.c.submitted_at, table.c.submissions)).all()
                for row in rows:
                    if row.submitted_at is not None:
                        earlier = row.submitted_at - timedelta(seconds=seconds)
                        connection.execute(update(table).where(table.c.id == row.id).values(submitted_at=earlier))

    def runs_in(self, number: int) -> int:
        """The process that executes a run, once it does."""
        self.yard.wait_until(lambda: self.row(number).state == "running")
        return int(self.row(number).worker.split(":")[1])

    def cancel(self, number: int) -> bool:
        """Take a request back."""
        app = self.app()
        try:
            return app.cancel(number, by="a test")
        finally:
            app.database.dispose()

    def submitted_requests(self) -> int:
        """Requests that were handed to the engine and wait there."""
        return self._requests("submitted")

    def running_requests(self) -> int:
        """Requests under way."""
        return self._requests("running")

    def _requests(self, state: str) -> int:
        table = own_tables(self.yard.engine.dialect.name).requests
        with read_only(self.yard.engine) as connection:
            return connection.execute(select(func.count()).where(table.c.state == state)).scalar_one()

    def holds_requests(self) -> int:
        """The process that executes the request under way."""
        table = own_tables(self.yard.engine.dialect.name).requests
        with read_only(self.yard.engine) as connection:
            holder = connection.execute(select(table.c.holder).where(table.c.holder.is_not(None))).scalar_one()
        return int(holder.split(":")[1].partition("/")[0])

    def enable(self, *jobs: str) -> None:
        """Let these have their schedule."""
        file = Path(self.yard.config.partition("=")[2])
        for job in jobs:
            file.write_text(file.read_text().replace(_switched_off(job), ""))

    def set_engine_of(self, job: str, name: str) -> None:
        """The engine of one job."""
        file = Path(self.yard.config.partition("=")[2])
        file.write_text(f'{file.read_text()}[job."{job}"]\nengine = {name!r}\n')

    def set_engine(self, name: str) -> None:
        """Change the setting `engine`; processes that are started from now on have it."""
        file = Path(self.yard.config.partition("=")[2])
        first, _, rest = file.read_text().partition("\n")
        assert first.startswith("engine = ")
        file.write_text(f"engine = {name!r}\n{rest}")

    def end(self) -> None:
        """Ask all processes to end, the schedulers first."""
        for process in [*self.schedulers, *self.workers]:
            if process.runs:
                process.send(signal.SIGTERM)
        for process in [*self.schedulers, *self.workers]:
            if process.exit_code is None:
                process.wait()


def _switched_off(job: str) -> str:
    return f'[job."carried.{job}"]\nenabled = false\n'


def carried_by(carrier: Carrier, yard: Yard, folder: Path) -> CarriedYard:
    """The yard, all of whose jobs this engine carries; its broker runs."""
    options, variables = carrier.set_up(folder)
    file = Path(yard.config.partition("=")[2])
    text = file.read_text()
    lines = [f'engine = "{carrier.name}"', text, f"[engines.{carrier.name}]", options]
    off = "".join(_switched_off(job) for job in SCHEDULED) if "carried_jobs" in text else ""
    file.write_text("\n".join(lines) + "\n" + off)
    return CarriedYard(yard, carrier, {"SEXTON_CONFIG": str(file), **variables}, [str(_installed(folder))])


def _installed(folder: Path) -> Path:
    """A folder in which the tests' own engine is installed, as pip would."""
    about = folder / "installed" / "files_engine-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: files-engine\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[sexton.engines]\nfiles = tests.support.file_engine:FileEngine\n")
    return about.parent


def finish_with(make: Callable[[], Carrier]) -> Way:
    """BJ-25.4: a way for the table of outcomes: a scheduler and a worker of this engine, until all is done."""

    def finish(yard: Yard, _names: Collection[str], done: Callable[[], bool]) -> None:
        if yard.config not in _known:
            _known[yard.config] = carried_by(make(), yard, Path(yard.config.partition("=")[2]).parent)
        carried = _known[yard.config]
        carried.schedulers.clear()
        carried.workers.clear()
        carried.scheduler()
        carried.worker()
        yard.wait_until(done, 2 * PATIENCE)
        carried.end()

    return finish


def close_known() -> None:
    """End the brokers of what `finish_with` has made: after each test."""
    while _known:
        _known.popitem()[1].carrier.close()
