"""Workers on a post office."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.post_office import JOBS, PostOffice, open_post_office
from tests.support.worker import SHORT, Yard, make_yard
from tests.support.workers import Start, Worker, nursery, start

__all__ = ["nursery", "start"]


@dataclass
class Post:
    """A post office, its workers, and a folder in which functions meet their test."""

    office: PostOffice
    yard: Yard
    folder: Path

    def ask(self, job: str, count: int, **arguments: Any) -> list[int]:
        """So many requests with the names "0", "1", ..."""
        many = [{**arguments, "name": str(number)} for number in range(count)]
        return self.office.app.enqueue_many(job, many)

    def go(self) -> None:
        """Let those go on that wait for that."""
        (self.folder / "go").touch()

    def begun(self) -> dict[str, int]:
        """Names of those that have begun, and the processes."""
        found = (file.name.rpartition(".") for file in self.folder.iterdir() if file.name != "go")
        return {name: int(process) for name, _, process in found}

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it; the workers are listened to meanwhile."""
        self.yard.wait_until(condition)

    def until_done(self) -> None:
        """Wait until no request is left."""
        self.until(lambda: not self.office.rows())

    def log(self, worker: Worker) -> str:
        """What a worker has said; for the message of a failed test."""
        return worker.output + worker.errors


@pytest.fixture
def make_post(database: str, engine: Engine, tmp_path: Path, start: Start) -> Iterator[Callable[..., Post]]:
    """`make_post(lease=LONG)`."""
    folder = tmp_path / "meeting"
    folder.mkdir()
    with open_post_office(database) as office:

        def make(lease: str = SHORT, jobs: str = JOBS) -> Post:
            return Post(office, make_yard(engine, database, tmp_path, start, jobs=jobs, lease=lease), folder)

        yield make
