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
from pathlib import Path
from typing import Protocol

from sqlalchemy import text

from sexton.app import App
from sexton.db.connect import read_only
from sexton.db.database_identity import identity
from sexton.engines.carrier import EngineMessage, MessageKind
from sexton.engines.registry import engine_of, engine_type
from tests.support.children import command_line
from tests.support.patience import PATIENCE
from tests.support.worker import Yard
from tests.support.workers import Worker

Way = Callable[[Yard, Collection[str], Callable[[], bool]], None]


class Carrier(Protocol):
    """One engine under test.

    name: as in the settings.  outlives: whether a run goes on when the worker that started it is killed.
    """

    name: str
    outlives: bool

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


_KNOWN: dict[str, CarriedYard] = {}


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
        """Hand these runs to the engine past the scheduler: as a delivery that comes twice, or late."""
        app = self.app()
        engine = engine_of(app, self.carrier.name)
        try:
            with app.database.connect() as connection:
                database = identity(connection)
            for number in numbers:
                engine.submit(EngineMessage(MessageKind.RUN, (number,), database, 60.0))
        finally:
            engine.close()
            app.database.dispose()

    def make_notes(self) -> None:
        """The table into which `carried.note` writes."""
        with self.yard.engine.begin() as connection:
            connection.execute(text("CREATE TABLE noted (number integer)"))

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

    def end(self) -> None:
        """Ask all processes to end, the schedulers first."""
        for process in [*self.schedulers, *self.workers]:
            if process.runs:
                process.send(signal.SIGTERM)
        for process in [*self.schedulers, *self.workers]:
            if process.exit_code is None:
                process.wait()


def carried_by(carrier: Carrier, yard: Yard, folder: Path) -> CarriedYard:
    """The yard, all of whose jobs this engine carries; its broker runs."""
    options, variables = carrier.set_up(folder)
    file = Path(yard.config.partition("=")[2])
    text = file.read_text()
    lines = [f'engine = "{carrier.name}"', text, f"[engines.{carrier.name}]", options]
    file.write_text("\n".join(lines) + "\n")
    return CarriedYard(yard, carrier, {"SEXTON_CONFIG": str(file), **variables}, [str(_installed(folder))])


def _installed(folder: Path) -> Path:
    """A folder in which the tests' own engine is installed, as pip would."""
    about = folder / "installed" / "files_engine-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: files-engine\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[sexton.engines]\nfiles = tests.support.file_engine:FileEngine\n")
    return about.parent


def finish_with(carrier: Carrier) -> Way:
    """A way for the table of outcomes: a scheduler and a worker of this engine, until all is done."""

    def finish(yard: Yard, _names: Collection[str], done: Callable[[], bool]) -> None:
        file = Path(yard.config.partition("=")[2])
        if "[engines." not in file.read_text():
            _KNOWN[yard.config] = carried_by(carrier, yard, file.parent)
        carried = _KNOWN[yard.config]
        carried.schedulers.clear()
        carried.workers.clear()
        carried.scheduler()
        carried.worker()
        yard.wait_until(done, 2 * PATIENCE)
        carried.end()

    return finish
