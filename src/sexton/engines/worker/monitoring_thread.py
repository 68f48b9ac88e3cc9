"""The second thread of a worker or a scheduler: while that leads, it looks for incidents and tells people.

Without a database, too. A thread of its own, so that a mail server that takes its time holds no run up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from ...app import App
from ...telemetry.health_reader import HealthReader
from ...telemetry.monitoring_cycle import MonitoringCycle
from .database_outage import SILENCE, tell_people


class Watched(Protocol):
    """A loop that this thread stands beside."""

    def leads(self) -> bool:
        """Whether it is the one that watches."""

    def without_database(self) -> float:
        """Seconds for which the database did not answer; 0 when it does."""


@contextmanager
def watching(app: App, loop: Watched, every: float, say: Callable[..., None], reader: HealthReader) -> Iterator[None]:
    """Watch inside the block, every `every` seconds."""
    rounds = MonitoringCycle(app.database, list(app.registry), app.settings, say, reader, app.registry.unloaded)
    over = threading.Event()

    def watch() -> None:
        shouted = False
        making: threading.Thread | None = None
        while not over.wait(every):
            gone = loop.without_database()
            if gone > SILENCE and not shouted:
                shouted = True
                tell_people(
                    app, "Sexton cannot reach its database", f"has not answered for {gone:.0f} s; no job runs", say
                )
            elif gone == 0 and shouted:
                shouted = False
                tell_people(app, "over: Sexton cannot reach its database", "answers again; jobs run", say)
            # In a thread of its own: a database that takes a question and never answers must not keep us from shouting.
            if gone == 0 and loop.leads() and not (making and making.is_alive()):
                making = threading.Thread(target=rounds.make, name="round", daemon=True)
                with suppress(RuntimeError):  # no memory for a thread: the next round may have it
                    making.start()

    thread = threading.Thread(target=watch, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5.0)
