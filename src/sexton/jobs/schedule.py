"""When a job is due: cron expressions in a named zone, and even intervals.

What the days of clock changes do to them is in `clock_changes`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ..clock import in_utc
from ..errors import ScheduleError, suggestion
from .clock_changes import slots_across_changes
from .cron_fields import read_fields
from .duration import TICK, duration_in_words, format_duration, parse_duration
from .zones import check_zone, load_zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHORTEST = timedelta(seconds=1)
_LONGEST = timedelta(days=366)
# From the leap day of 2096 to that of 2104; no other accepted expression waits longer than five years.
_LONGEST_WAIT = timedelta(days=8 * 366)
_LOOK_BACK = (*(timedelta(hours=hours) for hours in (1, 25, 8 * 24, 32 * 24, 367 * 24)), _LONGEST_WAIT)
_CLOCK_THEN_DAYS = re.compile(r"At (?P<clock>[0-9][0-9:, and]*) (?P<days>(?:every day|on ).*)")

NAMED_SCHEDULES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class Schedule(ABC):
    """Slots: the instants at which work is due. All are aware and in UTC; a naive argument is a ValueError.

    text: the schedule as parse_schedule reads it.  zone: the IANA name of the zone it is read in.
    """

    __slots__ = ()

    if TYPE_CHECKING:  # a property at run time would be taken for the default of a field

        @property
        def text(self) -> str: ...

        @property
        def zone(self) -> str: ...

    @abstractmethod
    def next(self, after: datetime) -> datetime:
        """The first slot strictly after `after`."""

    @abstractmethod
    def previous(self, at: datetime) -> datetime:
        """The latest slot that is not later than `at`."""

    @abstractmethod
    def words(self) -> str:
        """The schedule as part of an English sentence: "every day at 04:10 UTC"."""

    def local_slot(self, slot: datetime) -> str | None:
        """What the slot is called by those who live by the zone: "2026-11-22 04:10+0200 Asia/Jerusalem".

        None in UTC and where no hour of the day is named: there an instant is all there is to say.
        """
        return None

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Slots with start < slot <= end, in order."""
        slot = self.next(start)
        while slot <= end:
            yield slot
            slot = self.next(slot)

    def period(self, at: datetime) -> timedelta:
        """From the latest slot at `at` to the next: 23 or 25 hours over a night in which clocks change."""
        slot = self.previous(at)
        return self.next(slot) - slot


@dataclass(frozen=True, slots=True)
class Cron(Schedule):
    """Five cron fields in a zone. Made by cron(), which checks both.

    text: the expression, e.g. "10 4 * * *".  zone: "UTC", "Asia/Jerusalem", ...
    """

    text: str
    zone: str = "UTC"

    def __post_init__(self) -> None:
        read_fields(self.text)
        check_zone(self.zone)

    def next(self, after: datetime) -> datetime:
        start = in_utc(after) + TICK
        return next(self._slots(start, start + _LONGEST_WAIT))

    def previous(self, at: datetime) -> datetime:
        end = in_utc(at) + TICK
        last = None
        for reach in _LOOK_BACK:
            for slot in self._slots(end - reach, end):
                last = slot
            if last is not None:
                return last
        raise ScheduleError(f"cron {self.text!r}: no slot before {at.isoformat()}")

    def local_slot(self, slot: datetime) -> str | None:
        if self.zone == "UTC" or read_fields(self.text).hourly:
            return None
        return f"{in_utc(slot).astimezone(load_zone(self.zone)):%Y-%m-%d %H:%M%z} {self.zone}"

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        return self._slots(in_utc(start) + TICK, in_utc(end) + TICK)

    def words(self) -> str:
        from cronsim.explain import explain  # only people ask for words

        said = explain(self.text)
        clock_then_days = _CLOCK_THEN_DAYS.fullmatch(said)
        if clock_then_days:
            return f"{clock_then_days['days']} at {clock_then_days['clock']} {self.zone}"
        return f"{said[0].lower()}{said[1:]}, {self.zone}"

    def _slots(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Slots with start <= slot < end, both in UTC."""
        return slots_across_changes(read_fields(self.text), load_zone(self.zone), start, end)


@dataclass(frozen=True, slots=True)
class Every(Schedule):
    """An even interval, counted from the Unix epoch: every process and every restart computes the same slots.

    interval: 1 s to 366 days.  offset: less than the interval; moves all slots. Clock changes do not matter.
    """

    interval: timedelta
    offset: timedelta = timedelta()

    def __post_init__(self) -> None:
        interval = format_duration(self.interval)
        if not _SHORTEST <= self.interval <= _LONGEST:
            raise ScheduleError(f"every {interval}: the interval must be 1s to 366d")
        if parse_duration(self.offset, where="offset") >= self.interval:
            raise ScheduleError(f"every {interval}: the offset must be shorter than the interval")

    @property
    def text(self) -> str:
        shift = f" offset {format_duration(self.offset)}" if self.offset else ""
        return f"every {format_duration(self.interval)}{shift}"

    @property
    def zone(self) -> str:
        return "UTC"

    def next(self, after: datetime) -> datetime:
        return self.previous(after) + self.interval

    def previous(self, at: datetime) -> datetime:
        start = _EPOCH + self.offset
        return start + (in_utc(at) - start) // self.interval * self.interval

    def words(self) -> str:
        said = f"every {duration_in_words(self.interval).removeprefix('1 ')}"
        return f"{said}, shifted by {duration_in_words(self.offset)}" if self.offset else said


def cron(expression: str, tz: str = "UTC") -> Cron:
    """A schedule from five cron fields, read in the IANA zone `tz`. Raises ScheduleError for either."""
    if not isinstance(expression, str):
        raise ScheduleError(f"cron {expression!r}: must be text")
    return Cron(expression.strip(" \t"), tz)


def every(text: str, *, offset: str = "0s") -> Every:
    """A slot each `text`: "5m", "36h"; `offset` moves them: every("1h", offset="5m") is at five past.

    Raises ScheduleError.
    """
    return Every(parse_duration(text, where="every"), parse_duration(offset, where="offset"))


def parse_schedule(text: str, tz: str = "UTC") -> Schedule:
    """Read what a settings file says: "10 4 * * *", "@daily", "every 5m", "every 1h offset 5m".

    An @name becomes its five fields. `tz` must be right even for "every", which does not need it.
    Raises ScheduleError.
    """
    words = re.split(r"[ \t]+", text.strip(" \t")) if isinstance(text, str) else [""]
    if words[0] == "every":
        check_zone(tz)
        return _parse_every(text, " ".join(words[1:]))
    if words[0].startswith("@"):
        name = " ".join(words)
        if name not in NAMED_SCHEDULES:
            raise ScheduleError(f"schedule {text!r} is not known{suggestion(name, NAMED_SCHEDULES)}")
        return cron(NAMED_SCHEDULES[name], tz)
    return cron(text, tz)


def _parse_every(text: str, words: str) -> Every:
    match words.split(" offset "):
        case [interval] if interval:
            return every(interval)
        case [interval, offset]:
            return every(interval, offset=offset)
        case _:
            raise ScheduleError(f'schedule {text!r}: write "every 5m" or "every 1h offset 5m"')
