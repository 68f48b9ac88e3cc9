"""The five fields with which pg_cron, which knows UTC only, starts a job at every minute that one of its slots can be.

They may mean more minutes than there are slots: the procedure itself looks whether a slot is due, and returns without
a row when none is. So `0 6 * * *` in Asia/Jerusalem is the one line `0 3,4 * * *`. What 1.4.2 reads is written and no
more: numbers, lists, ranges, `*` and `*/n`; no names, no L, no seconds, no zone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, time, timedelta
from hashlib import sha256
from itertools import pairwise
from math import gcd

from ...clock import in_utc
from ...jobs.clock_changes import OffsetPeriod, pieces
from ...jobs.cron_fields import Fields, read_fields
from ...jobs.duration import TICK
from ...jobs.misfire import Misfire
from ...jobs.schedule import Cron, Every, Schedule
from ...jobs.zones import load_zone

EVERY_MINUTE = "* * * * *"

ZONES_AHEAD = timedelta(days=3 * 366)
"""How far ahead the rules of a zone are looked at: longer than slots are written down."""

RARELY = timedelta(hours=1)
"""Slots at least so far apart may be started later than at their minute, see `delay_of`."""

_DAY, _HOUR, _MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
# No last day, no first Monday: 1.4.2 cannot say them.
_SAYABLE = re.compile(r"[0-9*/,-]+ [0-9A-KM-Za-km-z*/,-]+")
_MONTH_ENDS = {28, 29, 30, 31}


def fire_fields(schedule: Schedule, start: datetime, delay: timedelta = timedelta()) -> str:
    """The fields of the line of one job, all in UTC.

    start: from when on the zone is looked at; aware.  delay: whole minutes by which each start is later, `delay_of`.
    """
    if isinstance(schedule, Every):
        times = _times_of_interval(schedule)
        return f"{_clock({(at + delay) % _DAY for at in times})} * * *" if times else EVERY_MINUTE
    if not isinstance(schedule, Cron):
        return EVERY_MINUTE
    fields = read_fields(schedule.text)
    moments = {moment + delay for moment in _moments(fields, schedule.zone, start)}
    shifts = {moment // _DAY for moment in moments}
    return f"{_clock({moment % _DAY for moment in moments})} {_days(schedule.text, fields, shifts)}"


def delay_of(schedule: Schedule, misfire: Misfire, database: str, spread: timedelta, start: datetime) -> timedelta:
    """By how many minutes the line of this database is later than the slot, so that a fleet does not begin at once.

    Nothing, unless the slots of the next week and the first one after are an hour or more apart, and may be as late
    as `spread` by the rule for missed slots. Else 0 up to but without `spread`, made of the name of the database.
    """
    minutes = int(spread / _MINUTE)
    if minutes < 1 or misfire.lateness <= spread:
        return timedelta()
    slots = [schedule.next(start)]
    while slots[-1] < start + 7 * _DAY:
        slots.append(schedule.next(slots[-1]))
        if slots[-1] - slots[-2] < RARELY:
            return timedelta()
    digest = sha256(database.encode()).digest()
    return int.from_bytes(digest[:8], "big") % minutes * _MINUTE


def _times_of_interval(schedule: Every) -> set[timedelta]:
    """All times of the day at which it can be due; none when they are no whole minutes."""
    if schedule.interval % _MINUTE or schedule.offset % _MINUTE:
        return set()
    day = _DAY // _MINUTE
    step = gcd(schedule.interval // _MINUTE, day)
    return {minute * _MINUTE for minute in range(schedule.offset // _MINUTE % step, day, step)}


def _moments(fields: Fields, zone: str, start: datetime) -> Iterator[timedelta]:
    """When its slots can be in UTC, counted from the midnight that their local day has on the clock; any order."""
    begin = in_utc(start)
    seen: set[timedelta] = set()
    for piece in pieces(load_zone(zone), begin, begin + ZONES_AHEAD):
        if piece.offset not in seen:
            seen.add(piece.offset)
            yield from (at - piece.offset for at in fields.times)
        if fields.fixed and piece.jump > timedelta():
            yield from _ends_of_gap(fields, piece)


def _ends_of_gap(fields: Fields, piece: OffsetPeriod) -> Iterator[timedelta]:
    """A fixed time that is skipped runs at the end of the gap, see `clock_changes`."""
    slot = piece.start.replace(tzinfo=None)
    after = slot + piece.offset
    for day in {(after - piece.jump).date(), (after - TICK).date()}:
        midnight = datetime.combine(day, time())
        if any(after - piece.jump <= midnight + at < after for at in fields.times):
            yield slot - midnight


def _clock(times: Collection[timedelta]) -> str:
    """Minute and hour that mean all of these times of the day, and perhaps more."""
    minutes = sorted({at % _HOUR // _MINUTE for at in times})
    hours = sorted({at // _HOUR for at in times})
    return f"{_steps(minutes, 60)} {_steps(hours, 24)}"


def _days(text: str, fields: Fields, shifts: set[int]) -> str:
    """Day of month, month and day of week: as they are, and those beside them where the day in UTC is another."""
    day, _, weekday = text.split()[2:]
    dates = fields.dates
    months = {(number - 1 + step) % 12 + 1 for number in _plain(dates.months) for step in {0, *shifts}}
    said = _ranges(months, len(months) == 12)
    if not _SAYABLE.fullmatch(f"{day} {weekday}"):
        return f"* {said} *"
    days = {found for number in _plain(dates.days) for step in shifts for found in _day_beside(number, step)}
    weekdays = {(number + step) % 7 for number in _plain(dates.weekdays) for step in shifts}
    # A list stays a list, even of all days: with a `*` in one of the two, both would have to match.
    return f"{_ranges(days, day == '*')} {said} {_ranges(weekdays, weekday == '*')}"


def _plain(values: Iterable[object]) -> set[int]:
    return {value for value in values if isinstance(value, int)}


def _day_beside(day: int, step: int) -> set[int]:
    """The days of a month that are so many days after this one, in whatever month it stands."""
    if day + step < 1:
        return _MONTH_ENDS
    beside = {day + step} if day + step <= 31 else set()
    return beside | {1} if step > 0 and day in _MONTH_ENDS else beside


def _steps(values: list[int], size: int) -> str:
    """0, 5, 10, … as `*/5`; all as `*`; else ranges."""
    step = values[1] - values[0] if len(values) > 1 else size
    if size % step == 0 and len(values) > 1 and values == list(range(0, size, step)):
        return "*" if step == 1 else f"*/{step}"
    return _ranges(values, False)


def _ranges(values: Collection[int], everything: bool) -> str:
    """`1-3,7`; everything: `*`, whatever they are."""
    if everything:
        return "*"
    ordered = sorted(values)
    firsts = [ordered[0], *(later for earlier, later in pairwise(ordered) if later != earlier + 1)]
    lasts = [*(earlier for earlier, later in pairwise(ordered) if later != earlier + 1), ordered[-1]]
    return ",".join(_range(first, last) for first, last in zip(firsts, lasts, strict=True))


def _range(first: int, last: int) -> str:
    if last == first + 1:
        return f"{first},{last}"
    return str(first) if first == last else f"{first}-{last}"
