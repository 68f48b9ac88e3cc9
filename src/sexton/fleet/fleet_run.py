"""Runs over the whole fleet in the home database: how far one came, so that it goes on where it was cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from ..db.server_clock import ask_now, database_now
from ..db.tables import own_tables
from ..telemetry.fleet_incidents import job_goes_on, job_halted

GONE_ON_WITH = timedelta(hours=24)
"""One that was cut off is gone on with for so long; later it is begun anew."""


class FleetRunState(StrEnum):
    """How a run over the fleet stands."""

    UNDER_WAY = "under way"
    """Or cut off, where nobody has its lease."""
    FINISHED = "finished"
    """Each database had its turn."""
    UNPROVEN = "unproven"
    """The same, and a change ran in too few of them: most are behind, or were not reached."""
    HALTED = "halted"
    """A wave went badly."""
    SUPERSEDED = "superseded"
    """Another one was begun before it was over."""


@dataclass(frozen=True, slots=True)
class FleetRun:
    """One row. See the comments of the table."""

    id: int
    job: str
    definition: str
    only: str
    as_of: datetime | None
    begun_at: datetime
    ended_at: datetime | None
    state: FleetRunState
    wave: int
    canaries: tuple[str, ...]
    error: str | None


def lease_of(job: str) -> str:
    """Name of the lease, in the home database, of runs of this job over the fleet."""
    return f"fleet:{job}"


def latest(connection: Connection, job: str) -> FleetRun | None:
    """The last one of a job, however it stands."""
    table = own_tables(connection.dialect.name).fleet_runs
    row = connection.execute(
        select(table).where(table.c.job == job).order_by(table.c.begun_at.desc(), table.c.id.desc()).limit(1)
    ).first()
    return None if row is None else _read(row)


def latest_of_each(connection: Connection) -> dict[str, FleetRun]:
    """The same of all jobs."""
    table = own_tables(connection.dialect.name).fleet_runs
    newest = select(func.max(table.c.id)).group_by(table.c.job)
    return {row.job: _read(row) for row in connection.execute(select(table).where(table.c.id.in_(newest)))}


def is_proven(connection: Connection, job: str, definition: str) -> bool:
    """Whether this definition has been everywhere once, and no wave of it went badly."""
    table = own_tables(connection.dialect.name).fleet_runs
    of_change = (table.c.job == job, table.c.definition == definition, table.c.only == "")
    found = select(table.c.id).where(*of_change, table.c.state == FleetRunState.FINISHED).limit(1)
    return connection.execute(found).first() is not None


def goes_on(run: FleetRun | None, definition: str, only: str, as_of: datetime | None, now: datetime) -> bool:
    """Whether this one was cut off, and whoever asks wants the same."""
    if run is None or run.state is not FleetRunState.UNDER_WAY or now - run.begun_at > GONE_ON_WITH:
        return False
    return (run.definition, run.only, run.as_of) == (definition, only, as_of)


def begin(
    connection: Connection,
    job: str,
    definition: str,
    only: str,
    as_of: datetime | None,
    channels: Sequence[str] = (),
) -> FleetRun:
    """A new one; those of the job that are not over are superseded. channels: of alerts, if it was halted."""
    dialect = connection.dialect.name
    table = own_tables(dialect).fleet_runs
    open_ones = update(table).where(table.c.job == job, table.c.state == FleetRunState.UNDER_WAY)
    connection.execute(open_ones.values(state=FleetRunState.SUPERSEDED, ended_at=database_now(dialect)))
    row: dict[str, Any] = {"job": job, "definition": definition, "only": only, "as_of": as_of}
    row |= {"begun_at": ask_now(connection), "state": FleetRunState.UNDER_WAY, "wave": 0, "canaries": []}
    number = connection.execute(insert(table).values(row).returning(table.c.id)).scalar_one()
    made = connection.execute(select(table).where(table.c.id == number)).one()
    job_goes_on(connection, job, channels, made.begun_at)
    return _read(made)


def came_to(connection: Connection, run: FleetRun, **changes: Any) -> FleetRun:
    """Put on record how far it is. changes: columns."""
    table = own_tables(connection.dialect.name).fleet_runs
    connection.execute(update(table).where(table.c.id == run.id).values(changes))
    return replace(run, **changes)


def end(
    connection: Connection, run: FleetRun, state: FleetRunState, error: str | None, channels: Sequence[str] = ()
) -> FleetRun:
    """It is over. channels: of alerts, where it is halted."""
    table = own_tables(connection.dialect.name).fleet_runs
    values = {"state": state, "error": error, "ended_at": database_now(connection.dialect.name)}
    connection.execute(update(table).where(table.c.id == run.id).values(values))
    if state is FleetRunState.HALTED:
        job_halted(connection, run.job, error or "a wave went badly", channels, ask_now(connection))
    return replace(run, state=state, error=error)


def _read(row: Any) -> FleetRun:
    values = {name: getattr(row, name) for name in FleetRun.__dataclass_fields__}
    return FleetRun(**values | {"state": FleetRunState(row.state), "canaries": tuple(row.canaries)})
