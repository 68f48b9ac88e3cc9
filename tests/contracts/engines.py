"""Ways to start what is due, as the table of outcomes knows them. Another engine is one more entry in ENGINES.

An engine gets a yard, a database with settings and slots that are due, and brings all of it to its end.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from tests.support.children import command_line_to_the_last_word
from tests.support.patience import PATIENCE
from tests.support.worker import Yard

from .carried import finish_with
from .carriers import CARRIERS


class Way(Protocol):
    """Do what is due of these jobs until `done` says that it is; fail when it never is."""

    def __call__(self, yard: Yard, names: Collection[str], done: Callable[[], bool], /) -> None:
        """Start it, and wait."""


@dataclass(frozen=True)
class EngineCase:
    """One engine under test. watched: whether somebody sees at once that the process of a run is gone."""

    name: str
    finish: Way
    watched: bool = True


ROUNDS = 5
"""Rounds of cron within which all is done: none takes a slot up more than three times."""


def run_due(yard: Yard, names: Collection[str], done: Callable[[], bool]) -> None:
    """Rounds of cron, and one more that finds nothing to do."""
    said = []
    for _ in range(ROUNDS):
        over = done()
        process = yard.start(command_line_to_the_last_word, "run", "--due", "--quiet", yard.config, *names)
        process.wait(2 * PATIENCE)
        if over:
            return
        said.append(process.output + process.errors)
    raise AssertionError(said)


def worker(yard: Yard, names: Collection[str], done: Callable[[], bool]) -> None:
    """A worker, told to end when all is done."""
    leader = yard.leader()
    yard.wait_until(done, 2 * PATIENCE)
    leader.send(signal.SIGTERM)
    assert leader.wait() == 0


ENGINES = [
    EngineCase("run --due", run_due),
    EngineCase("worker", worker),
    *(EngineCase(name, finish_with(make), make().watched) for name, make in CARRIERS.items()),
]
