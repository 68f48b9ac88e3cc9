"""All firings of many schedules in one stretch of time: a calendar, or the day of a scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ..clock import in_utc
from .duration import TICK
from .schedule import Schedule


def plan(schedules: Mapping[str, Schedule], start: datetime, end: datetime) -> list[tuple[datetime, str]]:
    """Every (slot, name) with start <= slot < end, sorted by slot, then in the order of the mapping.

    Equal schedules are expanded once, so the cost follows the number of firings and of distinct schedules.
    """
    after, until = in_utc(start) - TICK, in_utc(end) - TICK
    names_at: dict[datetime, list[str]] = {}
    expanded: dict[Schedule, list[list[str]]] = {}
    for name, schedule in schedules.items():
        firings = expanded.get(schedule)
        if firings is None:
            firings = [names_at.setdefault(slot, []) for slot in schedule.between(after, until)]
            expanded[schedule] = firings
        for names in firings:
            names.append(name)
    return [(slot, name) for slot in sorted(names_at) for name in names_at[slot]]
