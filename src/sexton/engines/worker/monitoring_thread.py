"""The worker's second thread: while it leads, it looks for incidents and tells people; without a database, too.

A thread of its own, so that a mail server that takes its time holds no run up.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ...app import App
from ...channels.contract import Notice
from ...db.connect import place
from ...telemetry.alert_delivery import broadcast, channels_of
from ...telemetry.health_reader import HealthReader
from ...telemetry.monitoring_cycle import Rounds
from .loop import Worker

SILENCE = 60.0
"""Seconds without the database after which a worker says so, past everything that it keeps there."""


@contextmanager
def watching(app: App, worker: Worker, every: float, say: Callable[..., None], reader: HealthReader) -> Iterator[None]:
    """Watch inside the block, every `every` seconds."""
    rounds = Rounds(app.database, list(app.registry), app.settings, say, reader, app.registry.unloaded)
    over = threading.Event()

    def watch() -> None:
        shouted = False
        making: threading.Thread | None = None
        while not over.wait(every):
            gone = worker.without_database()
            if gone > SILENCE and not shouted:
                shouted = True
                _shout(app, "Sexton cannot reach its database", f"has not answered for {gone:.0f} s; no job runs", say)
            elif gone == 0 and shouted:
                shouted = False
                _shout(app, "over: Sexton cannot reach its database", "answers again; jobs run", say)
            # In a thread of its own: a database that takes a question and never answers must not keep us from shouting.
            if gone == 0 and worker.leadership.leading and not (making and making.is_alive()):
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


def _shout(app: App, title: str, what: str, say: Callable[..., None]) -> None:
    """Tell all channels straight away: what we watch cannot carry the message."""
    where = place(app.database.url)
    key = f"alert:database:{secrets.token_hex(8)}"  # the database, which knows who we are, is away
    notice = Notice(key, title, f"{where} {what}", job="sexton", facts={}, command="sexton check")
    for channel, reason in broadcast(channels_of(app.settings), notice).items():
        if reason is not None:
            say("alert not sent", channel=channel, error=reason)
