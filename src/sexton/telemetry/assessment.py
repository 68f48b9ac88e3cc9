"""Comparing all jobs with the run table: which incidents open, close, are told again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from ..config.alert_settings import AlertSettings
from ..db.connect import read_only
from ..jobs.duration import parse_duration
from ..jobs.job import Job
from ..slots.history import running
from ..slots.lease import short_transaction
from ..slots.schedule_overrides import ScheduleOverride, in_force, overrides
from .alert_rules import NONE_UNLOADED, RuleMatch, Unloaded, may_be_silent, rule_matches, silent
from .alert_rules import unloaded as not_loaded
from .alert_texts import IncidentEvent, NotificationContext
from .call_rules import ABOUT_CALLS, ENDED, RESTING, call_matches
from .engine_incidents import ABOUT_ENGINES, ENGINE_DOWN, engine_matches, engines_of
from .fleet_incidents import ABOUT_FLEET
from .incidents import (
    CHANNEL_BROKEN,
    FLAPPING_WINDOW,
    FLOODED,
    LEASE_SECONDS,
    Incident,
    close_incident,
    close_restless,
    healthy,
    open_incident,
    remind,
    unsettled,
)
from .lateness import read_lateness, read_leases
from .request_rules import request_matches
from .run_evidence import Evidence, cut_off, days_with_effect, ended_since, last_effect, recent_runs
from .slot_rules import SLOTS_LOW, slot_matches

ABOUT_OTHERS = (*CHANNEL_BROKEN, FLOODED, "unloaded", *ABOUT_CALLS, *ABOUT_ENGINES, *ABOUT_FLEET)
"""Kinds of incidents that are not about a job."""

HABIT_DAYS = 14
"""Days before the silent ones, on most of which the job must have had an effect."""

IncidentStep = tuple[str, Incident | None, RuleMatch | None]
"""Job, its open incident if there is one, and what is wrong now if anything is."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the rules say at `now`. found: by job and kind.  defined: all jobs, on the schedules in force.

    complete: False: there are more jobs, but they could not be loaded.
    """

    now: datetime
    found: Mapping[tuple[str, str], RuleMatch]
    defined: Mapping[str, Job]
    known: Mapping[str, ScheduleOverride]
    complete: bool = True


def assess_jobs(
    engine: Engine, jobs: Iterable[Job], settings: AlertSettings, now: datetime, unloaded: Unloaded = NONE_UNLOADED
) -> list[IncidentEvent]:
    """The same as `assess`, with transactions of its own: it reads without a lock, and writes only when it must.

    Raises DatabaseUnreachable, HeldElsewhere when a table stays locked, SQLAlchemy's errors when a row does."""
    with read_only(engine) as connection:
        findings = examine(connection, jobs, settings, now, unloaded)
        if not _due(findings, unsettled(connection), settings):
            return []
    with short_transaction(engine, LEASE_SECONDS) as connection:
        return _settle(connection, findings, settings)


def assess(connection: Connection, jobs: Iterable[Job], settings: AlertSettings, now: datetime) -> list[IncidentEvent]:
    """Compare all jobs with the run table; open, close and remind, and queue a message a channel for each event.

    jobs: all that are defined; an incident of any other job is closed.  now: the database's time.
    Everything is written in the caller's transaction. Returns what this process did, for log lines."""
    return _settle(connection, examine(connection, jobs, settings, now), settings)


def examine(
    connection: Connection,
    jobs: Iterable[Job],
    settings: AlertSettings,
    now: datetime,
    unloaded: Unloaded = NONE_UNLOADED,
) -> Assessment:
    """Ask the rules about every job; only reads. unloaded: what could not be loaded, and why."""
    known = overrides(connection)
    ended = ended_since(connection, now - parse_duration(settings.window))
    found: dict[tuple[str, str], RuleMatch] = {}
    defined = {job.name: in_force(job, known.get(job.name)) for job in jobs}
    under_way = running(connection)
    leases, limit = read_leases(connection), settings.late_limit
    lateness = read_lateness(connection, defined.values(), known, leases, now, limit)
    for job in defined.values():
        recent = recent_runs(connection, job.name, settings.after_failures)
        counts = ended.get(job.name, (0, 0))
        evidence = Evidence(
            now, recent, *counts, lateness[job.name], under_way.get(job.name), cut_off(connection, job.name)
        )
        found.update(((job.name, match.kind), match) for match in rule_matches(job, evidence, settings))
        if _is_silent(connection, job, evidence, settings.silent_days):
            found[job.name, "effect"] = silent(job, evidence, settings.silent_days)
    found.update(call_matches(connection, defined, now))
    found.update(request_matches(connection, defined, now))
    found.update(engine_matches(connection, defined.values(), now))
    found.update(slot_matches(connection, defined.values(), now))
    found.update(((source, "unloaded"), not_loaded(source, why, now)) for source, why in unloaded.items())
    return Assessment(now, found, defined, known, complete=not unloaded)


def _due(findings: Assessment, incidents: Iterable[Incident], settings: AlertSettings) -> list[IncidentStep]:
    """What has to be done, in the same order in every process, or two of them would wait for each other."""
    found, steps = findings.found, list[IncidentStep]()
    open_ = {(incident.job, incident.kind): incident for incident in incidents}
    for job, kind in sorted({*open_, *found}):
        before, match = open_.get((job, kind)), found.get((job, kind))
        if before is not None and before.closed_at is not None:
            if findings.now - before.closed_at >= FLAPPING_WINDOW:
                steps.append((job, before, None))
                continue
            before = None  # it is over; should it come again, it is the same one
        if before is None and match is not None:
            # Of the signs of failing, the most telling one says enough.
            more = {"failing": ("stopped", "broken"), "failure_rate": ("stopped", "broken", "failing")}
            if not any((job, other) in found for other in more.get(kind, ())):
                steps.append((job, None, match))
        elif before is None or before.came_at > findings.now:
            continue  # somebody who read later knows more
        elif match is None and not findings.complete and kind not in ABOUT_OTHERS and job not in findings.defined:
            continue  # the job may be among those that could not be loaded
        elif match is None and not _is_closed_by_others(job, kind, findings, settings):
            steps.append((job, before, None))
        elif kind != FLOODED and _is_to_be_told_again(before, findings.now, settings):
            steps.append((job, before, match))
    return steps


def _is_closed_by_others(job: str, kind: str, findings: Assessment, settings: AlertSettings) -> bool:
    """Whether it ends when whoever opened it finds that it is over, and not by a rule."""
    if kind == ENGINE_DOWN:
        return job in engines_of(findings.defined.values())
    if kind in ABOUT_FLEET:
        return True
    return kind in (*CHANNEL_BROKEN, FLOODED) and job in settings.channels


def _is_to_be_told_again(incident: Incident, now: datetime, settings: AlertSettings) -> bool:
    """Once a day; and when it came and went, and now stays."""
    if now - incident.told_at >= parse_duration(settings.remind):
        return True
    return incident.restless_since is not None and now - incident.came_at >= FLAPPING_WINDOW


def _settle(connection: Connection, findings: Assessment, settings: AlertSettings) -> list[IncidentEvent]:
    """Do what has to be done; of two who try, one does."""
    incidents = unsettled(connection)
    context = NotificationContext(connection, healthy(settings.channels, incidents), findings.now)
    events: list[IncidentEvent | None] = []
    for job, before, match in _due(findings, incidents, settings):
        if before is None:
            events.append(open_incident(context, job, match) if match else None)
        elif before.closed_at is not None:
            events.append(close_restless(context, before))
        elif before.kind in CHANNEL_BROKEN and job in settings.channels:  # its reminder tries the channel itself, too
            events.append(remind(replace(context, channels=tuple(settings.channels)), before, None))
        elif match is not None or _is_closed_by_others(job, before.kind, findings, settings):
            events.append(remind(context, before, match))
        else:
            events.append(close_incident(context, before, _recovery(before, findings)))
    return [event for event in events if event is not None]


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


def _recovery(incident: Incident, findings: Assessment) -> str:
    """Why it is over."""
    name = incident.job
    job, change = findings.defined.get(name), findings.known.get(name)
    if incident.kind in (*CHANNEL_BROKEN, FLOODED):
        return f"{name} is no longer among the channels"
    if incident.kind in ABOUT_ENGINES:
        return f"{name} carries no job any more" if incident.kind == ENGINE_DOWN else f"{name} begins runs again"
    if incident.kind == "unloaded":
        return f"{name} can be loaded again, or is asked for no more"
    if incident.kind in ABOUT_CALLS:
        return f"{name} is called again" if incident.kind == RESTING else f"nothing more was lost through {name}"
    if job is None:
        return f"{name} is no longer defined"
    if incident.kind == "late" and change is not None and change.paused(findings.now):
        return f"{name} is paused, so no longer late"
    if incident.kind == "late" and job.schedule is None:
        return f"{name} has no schedule any more, so it is no longer late"
    words = {
        "stopped": "takes rows again",
        "broken": "runs again",
        "interrupted": "came to an end again",
        "drifted": "has found no sums for a day that differ from their rows",
        "failing": "ran well again",
        "failure_rate": "fails less often again",
        "late": "has run its slots again",
        "duration": "takes as long as it used to",
        ENDED: "has had no call that ended badly for a day, or somebody has seen to them",
        "effect": "changes or tells something again",
        SLOTS_LOW: "has slots for long enough again",
    }
    return f"{name} {words.get(incident.kind, 'is well again')}"
