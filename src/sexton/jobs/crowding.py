"""What is unwise about schedules taken together: many jobs in one minute, times that a clock change moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from .clock_changes import OffsetPeriod, pieces
from .cron_fields import Fields, read_fields
from .occurrences import plan
from .schedule import Cron, Schedule
from .stagger import MIN_STAGGERED_INTERVAL
from .zones import load_zone

CLOCK_CHANGE_HORIZON = timedelta(days=400)
"""How far ahead clock changes are looked for: the next two of every zone that has two a year."""

MIDNIGHT = 3
"""So many jobs may begin at a local midnight without a word; one more is a spike."""

_DAY = timedelta(days=1)


class Warned(NamedTuple):
    """One warning. about: the job, or "schedules" for several."""

    about: str
    text: str


def crowding_warnings(schedules: Mapping[str, Schedule], start: datetime) -> list[Warned]:
    """Everything there is to say about these jobs, from `start` (aware) on; empty when all is well."""
    return [*crowds(schedules, start), *moved_times(schedules, start)]


def crowds(schedules: Mapping[str, Schedule], start: datetime, days: int = 7) -> Iterator[Warned]:
    """The worst minute of the coming days, if it holds more than half of the jobs; and a crowded local midnight.

    Jobs that are due more often than every five minutes do not count: they begin in most minutes anyway. Two
    jobs are no crowd.
    """
    counted = {name: schedule for name, schedule in schedules.items() if _seldom(schedule, start)}
    minutes: dict[datetime, list[str]] = {}
    for slot, name in plan(counted, start, start + days * _DAY):
        minutes.setdefault(slot.replace(second=0, microsecond=0), []).append(name)
    if not minutes:
        return
    midnights = {minute: _at_midnight(minute, names, counted) for minute, names in minutes.items()}
    minute = max(midnights, key=lambda candidate: len(midnights[candidate]))
    if len(midnights[minute]) > MIDNIGHT:
        yield Warned("schedules", f"{len(midnights[minute])} jobs begin at the same local midnight, {_when(minute)}")
        return
    minute = max(minutes, key=lambda candidate: len(set(minutes[candidate])))
    names = set(minutes[minute])
    if len(names) > 2 and 2 * len(names) > len(counted):
        yield Warned("schedules", f"{len(names)} of {len(counted)} jobs begin in the same minute, {_when(minute)}")


def moved_times(schedules: Mapping[str, Schedule], start: datetime) -> Iterator[Warned]:
    """Fixed times of day that the next clock changes of their zone skip or repeat, and what will happen."""
    changes: dict[str, list[OffsetPeriod]] = {}
    for name, schedule in schedules.items():
        if not isinstance(schedule, Cron) or not read_fields(schedule.text).fixed:
            continue
        if schedule.zone not in changes:
            changes[schedule.zone] = _changes(schedule.zone, start)
        for change in changes[schedule.zone]:
            said = _moved(read_fields(schedule.text), change, schedule.zone)
            if said:
                yield Warned(name, said)


def _seldom(schedule: Schedule, start: datetime) -> bool:
    slots = schedule.between(start, start + timedelta(hours=2))
    return all(later - earlier >= MIN_STAGGERED_INTERVAL for earlier, later in pairwise(slots))


def _at_midnight(minute: datetime, names: Iterable[str], schedules: Mapping[str, Schedule]) -> list[str]:
    """Those of these jobs in whose zone it is midnight."""
    return [name for name in names if f"{minute.astimezone(load_zone(schedules[name].zone)):%H:%M}" == "00:00"]


def _changes(zone: str, start: datetime) -> list[OffsetPeriod]:
    return [
        piece
        for piece in pieces(load_zone(zone), start, start + CLOCK_CHANGE_HORIZON)
        if piece.jump and piece.start > start
    ]


def _moved(fields: Fields, change: OffsetPeriod, zone: str) -> str:
    """What the change does to these times of day; "" when it leaves them alone."""
    local = change.start.replace(tzinfo=None) + change.offset
    first, end = (local - change.jump, local) if change.jump > timedelta() else (local, local - change.jump)
    times = list(fields.matching(first, end))
    if not times:
        return ""
    shown = f"{times[0]:%H:%M}" + (f" to {times[-1]:%H:%M}" if len(times) > 1 else "") + f" {zone}"
    if change.jump > timedelta():
        return f"{shown} does not exist on {first:%Y-%m-%d}; it runs once, at the end of the gap, {local:%H:%M}"
    # Each of several times runs in the first of the two hours.
    return f"{shown} comes twice on {first:%Y-%m-%d}; it runs the first time only"


def _when(minute: datetime) -> str:
    return f"{minute.astimezone(UTC):%a %d %b %H:%M} UTC; spread them with other minutes, an offset or `stagger`"
