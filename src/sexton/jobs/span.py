"""How long rows are kept: a duration ("90d", "30 days", "1h30m"), or calendar months ("1 month", "2 years").

A month before 31 March is 28 February, or 29: the day is cut to the month's last. So a row is never due before its
months are over.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from ..errors import ScheduleError
from .duration import MAX_DURATION, duration_in_words, format_duration, parse_duration

_SHORT = re.compile(r"([0-9]{1,5}) ?(y|yrs?|mo|mons?)", re.IGNORECASE)
_MONTHS = re.compile(r"([0-9]{1,5}) ?(months?|years?)")
_MOST = MAX_DURATION.days // 365 * 12
Day = TypeVar("Day", date, datetime)


@dataclass(frozen=True, slots=True)
class Span:
    """Months, or a length; both negative for the past. One of them is zero."""

    months: int = 0
    length: timedelta = timedelta(0)

    def __neg__(self) -> Span:
        return Span(-self.months, -self.length)

    def __bool__(self) -> bool:
        return bool(self.months or self.length)

    @property
    def past(self) -> bool:
        """Whether it points backwards."""
        return self.months < 0 or self.length < timedelta(0)

    def from_(self, at: datetime) -> datetime:
        """The instant this far from `at`; months are those of its zone's calendar. OverflowError: no such year."""
        return add_months(at, self.months) + self.length

    def as_text(self) -> str:
        """Without its sign: "3months", "30d"; `parse_span` reads it back."""
        return f"{abs(self.months)}months" if self.months else format_duration(abs(self.length))

    def words(self) -> str:
        """For people, without its sign: "3 months", "30 days"."""
        if not self.months:
            return duration_in_words(abs(self.length))
        count, unit = (abs(self.months), "month") if self.months % 12 else (abs(self.months) // 12, "year")
        return f"{count} {unit}{'' if count == 1 else 's'}"


def parse_span(text: str, *, where: str = "keep") -> Span:
    """Read "1 month", "3months", "2 years", or whatever `parse_duration` reads. ScheduleError, beginning with where."""
    match = _MONTHS.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        if isinstance(text, str) and (short := _SHORT.fullmatch(text)):
            unit = "year" if short[2].lower().startswith("y") else "month"
            raise ScheduleError(f'{where}: {text!r} is no length; write "{short[1]} {unit}{"s" * (short[1] != "1")}"')
        if isinstance(text, str) and _MONTHS.match(text):
            raise ScheduleError(f'{where}: {text!r} is no length; months and years stand alone, write "1 month"')
        return Span(length=parse_duration(text, where=where))
    months = int(match[1]) * (12 if match[2].startswith("year") else 1)
    if not 0 < months <= _MOST:
        raise ScheduleError(f"{where}: {text!r} is out of range; write 1 month to {_MOST // 12} years")
    return Span(months)


def add_months(day: Day, months: int) -> Day:
    """The same day of another month, or that month's last. OverflowError where the calendar ends."""
    if not months:
        return day
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError(f"year {year} is out of range")
    return day.replace(year=year, month=month + 1, day=min(day.day, monthrange(year, month + 1)[1]))
