"""Incidents: opened when something is wrong with a job, told once, reminded of daily, closed on recovery.

The rows decide: of two processes that assess at once, one opens, one closes, one reminds, and only that one tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, select, update

from ..config.alerts import AlertSettings
from ..db.connect import read_only
from ..db.tables import own_tables
from ..db.upsert import upsert
from ..jobs.duration import parse_duration
from ..jobs.job import Job
from ..runs.history import running
from ..runs.lease import short_transaction
from ..runs.schedules import Change, changes, in_force
from .evidence import Evidence, days_with_effect, ended_since, last_effect, recent_runs
from .lateness import read_lateness, read_leases
from .signs import NOTHING, Sign, Unloaded, length, may_be_silent, signs, silent
from .signs import unloaded as not_loaded
from .telling import Event, Told, tell

REFUSES, UNREACHABLE = "channel_refuses", "channel_unreachable"
"""Kinds of incidents about a channel; their job is the channel's name. One that refuses gets the reminders only."""

ABOUT_OTHERS = (REFUSES, UNREACHABLE, "unloaded")
"""Kinds of incidents that are not about a job."""

SENDING = 10.0
"""Length of the lease by which transactions about incidents and messages are limited, in seconds."""

HABIT_DAYS = 14
"""Days before the silent ones, on most of which the job must have had an effect."""


@dataclass(frozen=True, slots=True)
class Incident:
    """An open row."""

    id: int
    job: str
    kind: str
    text: str
    opened_at: datetime
    told_at: datetime


Step = tuple[str, Incident | None, Sign | None]
"""Job, its open incident if there is one, and what is wrong now if anything is."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the rules say at `now`. found: by job and kind.  defined: all jobs, on the schedules in force.

    complete: False: there are more jobs, but they could not be loaded.
    """

    now: datetime
    found: Mapping[tuple[str, str], Sign]
    defined: Mapping[str, Job]
    known: Mapping[str, Change]
    complete: bool = True


def watch(
    engine: Engine, jobs: Iterable[Job], settings: AlertSettings, now: datetime, unloaded: Unloaded = NOTHING
) -> list[Event]:
    """The same as `assess`, with transactions of its own: it reads without a lock, and writes only when it must.

    Raises DatabaseUnreachable, HeldElsewhere when a table stays locked, SQLAlchemy's errors when a row does."""
    with read_only(engine) as connection:
        findings = examine(connection, jobs, settings, now, unloaded)
        if not _due(findings, open_incidents(connection), settings):
            return []
    with short_transaction(engine, SENDING) as connection:
        return _settle(connection, findings, settings)


def assess(connection: Connection, jobs: Iterable[Job], settings: AlertSettings, now: datetime) -> list[Event]:
    """Compare all jobs with the run table; open, close and remind, and queue a message a channel for each event.

    jobs: all that are defined; an incident of any other job is closed.  now: the database's time.
    Everything is written in the caller's transaction. Returns what this process did, for log lines."""
    return _settle(connection, examine(connection, jobs, settings, now), settings)


def examine(
    connection: Connection,
    jobs: Iterable[Job],
    settings: AlertSettings,
    now: datetime,
    unloaded: Unloaded = NOTHING,
) -> Findings:
    """Ask the rules about every job; only reads. unloaded: what could not be loaded, and why."""
    known = changes(connection)
    ended = ended_since(connection, now - parse_duration(settings.window))
    found: dict[tuple[str, str], Sign] = {}
    defined = {job.name: in_force(job, known.get(job.name)) for job in jobs}
    under_way = running(connection)
    leases, limit = read_leases(connection), settings.late_limit
    lateness = read_lateness(connection, defined.values(), known, leases, now, limit)
    for job in defined.values():
        recent = recent_runs(connection, job.name, settings.after_failures)
        counts = ended.get(job.name, (0, 0))
        evidence = Evidence(now, recent, *counts, lateness[job.name], under_way.get(job.name))
        found.update(((job.name, sign.kind), sign) for sign in signs(job, evidence, settings))
        if _is_silent(connection, job, evidence, settings.silent_days):
            found[job.name, "effect"] = silent(job, evidence, settings.silent_days)
    found.update(((source, "unloaded"), not_loaded(source, why, now)) for source, why in unloaded.items())
    return Findings(now, found, defined, known, complete=not unloaded)


def _due(findings: Findings, incidents: Iterable[Incident], settings: AlertSettings) -> list[Step]:
    """What has to be done, in the same order in every process, or two of them would wait for each other."""
    found, steps = findings.found, list[Step]()
    open_ = {(incident.job, incident.kind): incident for incident in incidents}
    for job, kind in sorted({*open_, *found}):
        before, sign = open_.get((job, kind)), found.get((job, kind))
        if before is None:
            # Of the signs of failing, the most telling one says enough.
            more = {"failing": ("stopped", "broken"), "failure_rate": ("stopped", "broken", "failing")}
            if not any((job, other) in found for other in more.get(kind, ())):
                steps.append((job, None, sign))
        elif before.opened_at > findings.now:
            continue  # somebody who read later knows more
        elif sign is None and not findings.complete and kind not in ABOUT_OTHERS and job not in findings.defined:
            continue  # the job may be among those that could not be loaded
        elif sign is None and (kind not in (REFUSES, UNREACHABLE) or job not in settings.channels):
            steps.append((job, before, None))
        elif findings.now - before.told_at >= parse_duration(settings.remind):
            steps.append((job, before, sign))
    return steps


def _settle(connection: Connection, findings: Findings, settings: AlertSettings) -> list[Event]:
    """Do what has to be done; of two who try, one does."""
    incidents = open_incidents(connection)
    told = Told(connection, healthy(settings.channels, incidents), findings.now)
    events: list[Event | None] = []
    for job, before, sign in _due(findings, incidents, settings):
        if before is None:
            events.append(_open(told, job, sign) if sign else None)
        elif (
            before.kind in (REFUSES, UNREACHABLE) and job in settings.channels
        ):  # its reminder tries the channel itself, too
            events.append(_remind(replace(told, channels=tuple(settings.channels)), before, None))
        elif sign is not None:
            events.append(_remind(told, before, sign))
        else:
            events.append(close(told, before, _recovery(before, findings)))
    return [event for event in events if event is not None]


def open_incidents(connection: Connection) -> list[Incident]:
    """All that are open, the oldest first."""
    table = own_tables(connection.dialect.name).incidents
    columns = (table.c.id, table.c.job, table.c.kind, table.c.text, table.c.opened_at, table.c.told_at)
    asked = select(*columns).where(table.c.closed_at.is_(None)).order_by(table.c.opened_at, table.c.id)
    return [Incident(*row) for row in connection.execute(asked)]


def healthy(channels: Sequence[str], incidents: Iterable[Incident]) -> tuple[str, ...]:
    """The channels that do not refuse notices, as far as we know."""
    broken = {incident.job for incident in incidents if incident.kind == REFUSES}
    return tuple(name for name in channels if name not in broken)


def channel_broke(
    connection: Connection, name: str, kind: str, reason: str, channels: Sequence[str], now: datetime
) -> Event | None:
    """A channel refuses notices, or cannot be reached: told once, through the others. None when that is known."""
    others = (other for other in healthy(channels, open_incidents(connection)) if other != name)
    return _open(
        Told(connection, tuple(others), now), name, Sign(kind, f"alerts through {name} do not arrive: {reason}", now)
    )


def channel_works(connection: Connection, name: str, channels: Sequence[str], now: datetime) -> None:
    """A notice went through; if the channel was broken, that is over, and it is told itself."""
    open_ = open_incidents(connection)
    told = Told(connection, tuple(dict.fromkeys((*healthy(channels, open_), name))), now)
    for incident in open_:
        if incident.job == name and incident.kind in (REFUSES, UNREACHABLE):
            close(told, incident, f"alerts through {name} arrive again")


def close(told: Told, incident: Incident, text: str) -> Event | None:
    """Close it and tell so; None when another process was faster."""
    table = own_tables(told.connection.dialect.name).incidents
    mine = (table.c.id == incident.id, table.c.closed_at.is_(None))
    if told.connection.execute(update(table).where(*mine).values(closed_at=told.now)).rowcount == 0:
        return None
    whole = f"{text}; it was wrong for {length(told.now - incident.opened_at)}"
    return tell(told, incident.id, Event("close", incident.job, incident.kind, whole), incident.opened_at)


def _open(told: Told, job: str, sign: Sign) -> Event | None:
    dialect = told.connection.dialect.name
    table = own_tables(dialect).incidents
    later = (table.c.job == job, table.c.kind == sign.kind, table.c.closed_at > told.now)
    if told.connection.execute(select(table.c.id).where(*later).limit(1)).first() is not None:
        return None  # somebody who read later found it over
    row = {"job": job, "kind": sign.kind, "text": sign.text, "opened_at": told.now, "told_at": told.now}
    made: Row[Any] | None = told.connection.execute(
        upsert(dialect, table).values(row).on_conflict_do_nothing().returning(table.c.id)
    ).first()
    if made is None:
        return None  # another process was faster
    return tell(told, made.id, Event("open", job, sign.kind, sign.text), sign.since, sign.error, sign.run)


def _remind(told: Told, incident: Incident, sign: Sign | None) -> Event | None:
    """Tell again; the text is that of today."""
    table = own_tables(told.connection.dialect.name).incidents
    text = sign.text if sign else incident.text
    mine = (table.c.id == incident.id, table.c.told_at == incident.told_at, table.c.closed_at.is_(None))
    if told.connection.execute(update(table).where(*mine).values(told_at=told.now, text=text)).rowcount == 0:
        return None
    event = Event("remind", incident.job, incident.kind, text)
    return tell(told, incident.id, event, incident.opened_at, sign.error if sign else None, sign.run if sign else None)


def _is_silent(connection: Connection, job: Job, evidence: Evidence, days: int) -> bool:
    """No effect on any of the last days, and one on most of the days before on which it ran."""
    if not may_be_silent(evidence, days):
        return False
    start = evidence.now - timedelta(days=days)
    before = start - timedelta(days=HABIT_DAYS)
    last = last_effect(connection, job.name, before)
    if last is None or last > start:
        return False  # most jobs end here: they never find anything, or did so of late
    effective, ran = days_with_effect(connection, job.name, before, start)
    return ran >= HABIT_DAYS // 2 and effective * 2 > ran


def _recovery(incident: Incident, findings: Findings) -> str:
    """Why it is over."""
    name = incident.job
    job, change = findings.defined.get(name), findings.known.get(name)
    if incident.kind in (REFUSES, UNREACHABLE):
        return f"{name} is no longer among the channels"
    if incident.kind == "unloaded":
        return f"{name} can be loaded again, or is asked for no more"
    if job is None:
        return f"{name} is no longer defined"
    if incident.kind == "late" and change is not None and change.paused(findings.now):
        return f"{name} is paused, so no longer late"
    if incident.kind == "late" and job.schedule is None:
        return f"{name} has no schedule any more, so it is no longer late"
    words = {
        "stopped": "takes rows again",
        "broken": "runs again",
        "failing": "ran well again",
        "failure_rate": "fails less often again",
        "late": "has run its slots again",
        "duration": "takes as long as it used to",
        "effect": "changes or tells something again",
    }
    return f"{name} {words.get(incident.kind, 'is well again')}"
