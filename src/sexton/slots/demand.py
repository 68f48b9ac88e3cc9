"""Jobs that are due whenever something waits for them, beside their schedule: an idle look leaves no run row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from ..db.connect import read_only
from ..db.tables import own_tables
from ..errors import SextonError
from ..jobs.job import Job
from ..run_state import WENT_WELL

REST_AFTER_TROUBLE = timedelta(minutes=1)
"""After a run that did not go well the next one is not begun for so long, whatever waits."""

REST_AFTER_NOTHING = timedelta(seconds=5)
"""The same after one without a slot that found nothing to do: what waits cannot be done yet."""


def in_demand(connection: Connection, jobs: Iterable[Job], now: datetime) -> set[str]:
    """The names of those for which something waits now.

    Each is asked in a snapshot of its own, of the product's tables. What cannot be asked waits for the job's schedule:
    its run then says what is wrong.
    """
    return {job.name for job in not_resting(connection, jobs, now) if waits(connection.engine, job, now)}


def not_resting(connection: Connection, jobs: Iterable[Job], now: datetime) -> list[Job]:
    """Those to be asked: that have a demand, and whose last run was not just now and came to nothing."""
    return [job for job in jobs if job.demand is not None and not _rests(connection, job.name, now)]


def waits(engine: Engine, job: Job, now: datetime) -> bool:
    """Whether something waits for this one. It takes a connection: who has the only one must not hold it meanwhile."""
    assert job.demand is not None
    try:
        question = job.demand.load()
        with read_only(engine) as snapshot:
            return bool(question(snapshot, now))  # type: ignore[operator]
    except (SextonError, SQLAlchemyError):
        return False


def _rests(connection: Connection, name: str, now: datetime) -> bool:
    """Whether its last run was so lately, and came to nothing.

    One with a slot may have come before anything waited: it says nothing.
    """
    runs = own_tables(connection.dialect.name).runs.c
    newest = select(runs.state, runs.finished_at, runs.picked, runs.changed, runs.slot).where(runs.job == name)
    last = connection.execute(newest.order_by(runs.started_at.desc(), runs.id.desc()).limit(1)).first()
    if last is None or last.finished_at is None:
        return False
    well = last.state in WENT_WELL
    if well and (last.picked or last.changed or last.slot is not None):
        return False
    return bool(now - last.finished_at < (REST_AFTER_NOTHING if well else REST_AFTER_TROUBLE))
