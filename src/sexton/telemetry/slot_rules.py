"""The rule about slots that are written ahead for jobs inside PostgreSQL: without them a procedure fails."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from ..jobs.job import IN_DATABASE, Job
from .alert_rules import RuleMatch

SLOTS_LOW = "slots_low"
"""Kind of an incident about a job with slots for fewer than 60 days."""


def slot_matches(connection: Connection, jobs: Iterable[Job], now: datetime) -> dict[tuple[str, str], RuleMatch]:
    """Jobs whose slots run low, of those that have been written some; only reads. now: the database's time."""
    inside = [job.name for job in jobs if job.engine == IN_DATABASE and job.schedule is not None and job.enabled]
    if not inside or connection.dialect.name != "postgresql":
        return {}
    from ..slots.upcoming_slots import running_low, written_until  # others need not load it

    until = written_until(connection, inside)
    found = {}
    for name in running_low(until, now):
        left = f"has slots until {until[name]:%Y-%m-%d} only" if until[name] > now else "has no slots left"
        text = f"{name} {left}, and fails in PostgreSQL without; any worker or `run --due` writes them, and `install`"
        found[name, SLOTS_LOW] = RuleMatch(SLOTS_LOW, text, now)
    return found
