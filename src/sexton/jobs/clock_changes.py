"""Slots of cron schedules on the days when clocks change.

The rule for the days of clock changes:

- a fixed time of day runs exactly once: a time that is skipped runs at the end of the gap, a time that
  comes twice runs the first time;
- when the minute or the hour begins with `*`, elapsed time counts: every real instant whose local time
  matches runs, twice if it comes twice, and not at all if it is skipped.

Slots are computed here from the fields that cronsim parsed. Its own iterator loses slots of a day whose
clocks move by half an hour and, asked from inside a repeated hour, answers with an instant already past.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from .cron_fields import Fields
from .duration import TICK

_BLOCK = timedelta(days=3)


def slots_across_changes(fields: Fields, zone: tzinfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Slots with start <= slot < end, both in UTC."""
    for piece in pieces(zone, start, end):
        local = piece.start.replace(tzinfo=None) + piece.offset
        until = piece.end.replace(tzinfo=None) + piece.offset
        repeated = fields.fixed and piece.start.astimezone(zone).fold == 1
        if fields.fixed and _falls_in_gap(fields, local, piece.jump):
            yield piece.start
            local += TICK
        for match in fields.matching(local, until):
            slot = (match - piece.offset).replace(tzinfo=UTC)
            if not (repeated and slot.astimezone(zone).fold):
                yield slot


def _falls_in_gap(fields: Fields, first: datetime, jump: timedelta) -> bool:
    """Whether a time matches that was skipped before `first`, the first local time after the clocks moved."""
    return jump > timedelta() and next(fields.matching(first - jump, first), None) is not None


class OffsetPeriod(NamedTuple):
    """A stretch of time, start <= t < end in UTC, in which local time is UTC plus `offset`.

    jump: how far local time springs at `start`: positive where clocks go forward, negative where back.
    """

    start: datetime
    end: datetime
    offset: timedelta
    jump: timedelta


def pieces(zone: tzinfo, start: datetime, end: datetime) -> Iterator[OffsetPeriod]:
    """Cut start <= t < end (UTC) wherever the offset of `zone` changes, and every few days besides.

    Lazy, so a far `end` costs nothing until it is reached.
    """
    if zone is UTC:
        yield OffsetPeriod(start, end, timedelta(), timedelta())
        return
    before = _offset(zone, start - TICK)
    while start < end:
        offset = _offset(zone, start)
        # No zone has moved its clocks forth and back within a week, so equal ends mean an even block.
        stop = min(start + _BLOCK, end)
        if _offset(zone, stop - TICK) != offset:
            stop = _change(zone, start, stop)
        yield OffsetPeriod(start, stop, offset, offset - before)
        start, before = stop, offset


def _change(zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """The first whole second with the new offset; one change lies between the two instants."""
    old = _offset(zone, before)
    low, high = 0, -((before - after) // timedelta(seconds=1))
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, before + timedelta(seconds=middle)) == old:
            low = middle
        else:
            high = middle
    return (before + timedelta(seconds=high)).replace(microsecond=0)


def _offset(zone: tzinfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()
