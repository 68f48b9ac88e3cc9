"""Spread even intervals: the same offset for the same job of the same installation, another for the next one.

Many installations on one server, or many jobs of one, would otherwise all begin at the full hour.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from .schedule import Every, Schedule

MIN_STAGGERED_INTERVAL = timedelta(minutes=5)
"""Intervals from this length on are staggered; shorter ones begin in most minutes anyway."""

WINDOW = timedelta(hours=1)
"""The most by which slots are moved, so that work of every 24 hours stays in the night."""

_GRAIN = timedelta(minutes=1)


def offset(installation: str, job: str, window: timedelta) -> timedelta:
    """Whole minutes, 0 up to but without `window`; equal for equal names in every process, evenly spread over many.

    window: at least a minute.
    """
    digest = sha256(f"{installation}\n{job}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % (window // _GRAIN) * _GRAIN


def can_stagger(schedule: Schedule | None) -> bool:
    """Whether nobody has said when in the interval it is due: `every 5m` or longer, without an offset.

    Cron fields and names such as @daily say it.
    """
    return isinstance(schedule, Every) and not schedule.offset and schedule.interval >= MIN_STAGGERED_INTERVAL


def staggered(schedule: Schedule, installation: str, job: str) -> Schedule:
    """The schedule with an offset of its own; any other than `can_stagger` describes is given back as it is."""
    if not isinstance(schedule, Every) or not can_stagger(schedule):
        return schedule
    return replace(schedule, offset=offset(installation, job, min(schedule.interval, WINDOW)))
