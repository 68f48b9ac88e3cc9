"""The engine of `run --due`: all that is due, one after the other, whatever one of them does to its process."""

from __future__ import annotations

from collections.abc import Callable, Collection

from sqlalchemy.exc import SQLAlchemyError

from ..app import App
from ..db.faults import in_words
from ..errors import DatabaseUnreachable, SchemaOutdated, SextonError
from ..jobs.job import Job
from ..runs.outcome import Outcome
from ..runs.stop_signals import Stop
from ..slots.due_run import DueRun
from .contract import due, in_the_way
from .run_order import DueQueue


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
