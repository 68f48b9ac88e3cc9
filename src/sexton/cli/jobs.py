"""List the jobs: schedule, zone, and when each is due next. Reads settings only; with --live what is in force, too.

--live asks the database for pauses and for schedules that people put in the place of a job's own.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..app import App
from ..console import say
from ..jobs.job import Job
from ._common import add_json, duration_words, open_app, print_json, table, tell_unloaded

if TYPE_CHECKING:
    from ..slots.schedule_overrides import ScheduleOverride


@dataclass(frozen=True, slots=True)
class Listed:
    """One job on the schedule that counts. next: None by hand, and while a pause has no end.  note: what people did."""

    job: Job
    next: datetime | None
    note: str = ""


def arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--live", action="store_true", help="with pauses and other schedules, from the database")
    add_json(parser)


def run(arguments: Namespace) -> int:
    """Print the list."""
    app = open_app(arguments, partly=True)
    at = datetime.now(UTC)
    if arguments.live:
        at, listed = _in_force(app)
    else:
        listed = [Listed(job, job.schedule.next(at) if job.schedule else None) for job in app.registry]
    if arguments.json:
        print_json([_plain(each) for each in listed])
        return tell_unloaded(app)
    say(*table(["JOB", "SCHEDULE", "ZONE", "NEXT", ""], [_row(each, at) for each in listed], shrink="JOB"))
    for each in listed:
        if each.note:
            say(f"{each.job.name}: {each.note}")
    return tell_unloaded(app)


def _in_force(app: App) -> tuple[datetime, list[Listed]]:
    from ..db.connect import read_only
    from ..db.migrate import require_schema
    from ..db.server_clock import ask_now
    from ..guard.arming import armed_jobs
    from ..slots.schedule_overrides import overrides

    with read_only(app.database) as connection:
        require_schema(connection)
        known, now = overrides(connection), ask_now(connection)
        unseen = {job.name for job in app.registry if job.guard and job.guard.arm} - armed_jobs(
            connection, app.registry
        )
    return now, list(_listed(app, known, unseen, now))


def _listed(app: App, known: dict[str, ScheduleOverride], unseen: set[str], now: datetime) -> Iterator[Listed]:
    from ..slots.schedule_overrides import in_force, next_slot, override_error

    for own in app.registry:
        change = known.get(own.name)
        job, notes = in_force(own, change), []
        if change is not None and change.paused(now):
            until = f"until {change.paused_until:%Y-%m-%d %H:%M} UTC" if change.paused_until else "until resumed"
            notes.append(f"paused {until}")
        if job.schedule != own.schedule:
            notes.append("rescheduled")
        if change is not None and (notes and change.reason):
            notes.append(f"“{change.reason}”")
        if change is not None and notes:
            notes.append(f"by {change.changed_by}")
        notes += filter(None, [override_error(own, change), "not armed" if own.name in unseen else None])
        yield Listed(job, next_slot(job, change, now), ", ".join(notes))


def _plain(listed: Listed) -> dict[str, object]:
    job = listed.job
    return {
        "name": job.name,
        "schedule": job.schedule.text if job.schedule else None,
        "timezone": job.schedule.zone if job.schedule else None,
        "on_demand": job.demand is not None or job.on_demand is not None,
        "next": listed.next,
        "timeout": job.timeout,
        "priority": job.priority,
        "description": job.description,
        "note": listed.note or None,
    }


def _row(listed: Listed, at: datetime) -> tuple[str, ...]:
    job = listed.job
    if job.schedule is None:
        asked = job.demand is not None or job.on_demand is not None
        return (job.name, "on demand" if asked else "by hand", "", "", "")
    words = job.schedule.text if job.demand is None else f"on demand, {job.schedule.text}"
    if listed.next is None:
        return (job.name, words, job.schedule.zone, "paused", "")
    wait = f"in {duration_words((listed.next - at).total_seconds())}"
    return (job.name, words, job.schedule.zone, f"{listed.next:%a %d %b %H:%M} UTC", wait)
