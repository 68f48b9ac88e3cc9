"""Requests under `run --due`: what waits is taken by the process beside it; the next minute of cron goes on."""

from __future__ import annotations

import time

from ..app import App
from ..jobs.job import OWN_ENGINE
from ..requests.claiming import any_ready
from ..requests.upkeep import keep_up
from ..slots.lease import short_transaction
from .executor.separate_process import SeparateProcess

TAKING_SECONDS = 50.0
"""Seconds for which requests are taken; cron comes again after sixty."""


def take_requests(app: App, beside: SeparateProcess) -> None:
    """Take those that wait, for up to 50 seconds."""
    until = time.monotonic() + TAKING_SECONDS
    with short_transaction(app.database, app.limits().lease) as connection:
        keep_up(connection, [OWN_ENGINE])
        waits = any_ready(connection, OWN_ENGINE)
    if waits:
        beside.work(until, OWN_ENGINE)
