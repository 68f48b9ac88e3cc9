"""The worker's second thread: while it leads, it looks for incidents and tells people; without a database, too.

A thread of its own, so that a mail server that takes its time holds no run up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..app import App
from ..channels.contract import Notice
from ..telemetry.alerts import channels_of, shout
from ..telemetry.rounds import Rounds
from .loop import Worker

SILENCE = 60.0
"""Seconds without the database after which a worker says so, past everything that it keeps there."""


@contextmanager
def watching(app: App, worker: Worker, every: float, say: Callable[..., None]) -> Iterator[None]:
    """Watch inside the block, every `every` seconds."""
    rounds = Rounds(app.engine, list(app.registry), app.settings, say)
    over = threading.Event()
    shouted = False

    def watch() -> None:
        nonlocal shouted
        while not over.wait(every):
            gone = worker.without_database()
            if gone > SILENCE and not shouted:
                shouted = True
                _shout(app, gone, say)
            elif gone == 0:
                shouted = False
                if worker.leadership.leading:
                    rounds.make()

    thread = threading.Thread(target=watch, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5.0)


def _shout(app: App, gone: float, say: Callable[..., None]) -> None:
    """Tell all channels straight away: what we watch cannot carry the message."""
    from ..db.connect import place

    where = place(app.engine.url)
    notice = Notice(
        key=f"alert:database:{int(time.time())}",
        title="Sexton cannot reach its database",
        text=f"{where} has not answered for {gone:.0f} s; no job runs until it does",
        job="sexton",
        facts={},
        command="sexton check",
    )
    for channel, reason in shout(channels_of(app.settings), notice).items():
        if reason is not None:
            say("alert not sent", channel=channel, error=reason)
