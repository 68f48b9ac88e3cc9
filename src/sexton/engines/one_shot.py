"""The engine of `run --due`: all that is due, one after the other, whatever one of them does to its process."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from ..app import App
from ..db.faults import in_words
from ..errors import DatabaseUnreachable, SchemaOutdated, SextonError
from ..jobs.job import OWN_ENGINE, Job
from ..requests.claiming import any_ready
from ..requests.upkeep import keep_up
from ..runs.outcome import Outcome
from ..runs.stop_signals import Stop
from ..slots.due_run import DueRun
from ..slots.lease import short_transaction
from .contract import due, in_the_way
from .run_order import DueQueue

if TYPE_CHECKING:
    from .executor.separate_process import SeparateProcess

TAKING_SECONDS = 50.0
"""Seconds for which requests are taken; cron comes again after sixty."""


def run_due(
    app: App,
    jobs: Collection[Job],
    stop: Stop,
    execute: Callable[[DueRun], Outcome],
    complain: Callable[..., None],
) -> list[int]:
    """Run what is due, of these jobs or of all; one that cannot run does not stop the next. Their exit codes.

    execute: runs one, and tells how it went.  complain: told what is nobody's job and ends it, clocks that differ.
    DatabaseUnreachable and SchemaOutdated pass.
    """
    waiting = DueQueue(app.registry)
    for found in due(app, jobs):
        waiting.add(found)
    demanding = [job for job in jobs or app.registry if job.demand is not None]
    codes: list[int] = []
    # Claiming the rest after a signal, only to give it up, would cost each of them an attempt.
    while not stop.asked:
        if (run := waiting.next((), 1) or _demanded(app, demanding, waiting)) is None:
            break
        try:
            outcome = execute(run)
        except (DatabaseUnreachable, SchemaOutdated):
            raise
        except SextonError as error:
            complain(*error.lines)
            return [*codes, error.exit_code]
        except SQLAlchemyError as error:
            complain(f"{run.job}: {in_words(error)}")
            return [*codes, in_the_way(run, error).exit_code]
        codes.append(outcome.exit_code)
        if waiting.ended(run.job, outcome).in_the_way:
            break
    return codes


def _demanded(app: App, demanding: list[Job], waiting: DueQueue) -> DueRun | None:
    """Once nothing else is left: what the others did may be something to do for these, which are asked once."""
    for found in due(app, demanding) if demanding else ():
        waiting.add(found)
    demanding.clear()
    return waiting.next((), 1)


def take_requests(app: App, jobs: Collection[Job], beside: SeparateProcess) -> None:
    """Take the requests of jobs on demand that wait, for up to 50 seconds: the next minute of cron goes on.

    jobs: where some are named, requests are taken only if one of those is on demand.
    """
    if not any(job.on_demand is not None and job.engine == OWN_ENGINE for job in jobs or app.registry):
        return
    until = time.monotonic() + TAKING_SECONDS
    with short_transaction(app.database, app.limits().lease) as connection:
        keep_up(connection, [OWN_ENGINE])
        waits = any_ready(connection, OWN_ENGINE)
    if waits:
        beside.work(until, OWN_ENGINE)
