"""The five fields of a cron expression: checked strictly, then asked for local times.

    minute        0-59
    hour          0-23
    day of month  1-31, L (last day), LW (last weekday)
    month         1-12, JAN-DEC
    day of week   0-7 (0 and 7 are Sunday), SUN-SAT, 5L (last Friday), MON#1 (first Monday)

Each field takes `*`, a list `1,2`, a range `1-5`, a step `*/15`. When both days are given, either suffices,
unless one of them begins with `*`: then both must match. That is Debian's cron, and so is the rest.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ScheduleError

if TYPE_CHECKING:
    from cronsim import CronSim

_DAY = timedelta(days=1)
_TOO_LONG = 5
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class _Field(NamedTuple):
    """What one field may hold. names: words for numbers, from `low` on. special: whole terms besides."""

    title: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    special: str = ""


_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY_OF_MONTH = _Field("day of month", 1, 31, (), r"L|LW")
_MONTH = _Field("month", 1, 12, _MONTHS)
_DAY_OF_WEEK = _Field("day of week", 0, 7, _WEEKDAYS, rf"[0-7]L|(?:[0-7]|{'|'.join(_WEEKDAYS)})#[1-5]")
_FIELDS = (_MINUTE, _HOUR, _DAY_OF_MONTH, _MONTH, _DAY_OF_WEEK)


class Fields:
    """A checked expression. `fixed`: a fixed time of day, moved rather than lost when clocks change.

    fixed is false when the minute or the hour begins with `*`: such work follows elapsed time.
    hourly: every hour of the day matches.  times: of the day, since midnight, in order.  dates: parsed by cronsim.
    """

    __slots__ = ("dates", "fixed", "hourly", "times")

    def __init__(self, minute: str, hour: str, dates: CronSim) -> None:
        self.dates = dates
        self.times = [timedelta(hours=h, minutes=m) for h in _hours(hour) for m in _minutes(minute)]
        self.hourly = len(_hours(hour)) == 24
        self.fixed = not (minute.startswith("*") or hour.startswith("*"))

    def matching(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Local times start <= t < end (both naive) that match, in order, as if no clock ever changed."""
        times = self.times
        for day in matching_days(self.dates, start.date(), end.date()):
            midnight = datetime.combine(day, time())
            first = 0 if midnight >= start else bisect_left(times, start - midnight)
            last = len(times) if midnight + _DAY <= end else bisect_left(times, end - midnight)
            for index in range(first, last):
                yield midnight + times[index]


@lru_cache(maxsize=4096)
def read_fields(expression: str) -> Fields:
    """Check and parse five fields separated by spaces or tabs; names may be in either case.

    Raises ScheduleError, one line that names the field, its value and what is allowed; also for an expression
    that some five years in a row would never match.
    """
    try:
        minute, hour, *dates = _split(expression)
        return Fields(minute, hour, _dates(*dates))
    except ValueError as error:
        shown = expression if len(expression) <= 60 else f"{expression[:57]}..."
        raise ScheduleError(f"cron {shown!r}: {error}") from error


def _split(expression: str) -> list[str]:
    for character in expression:
        if not ("!" <= character <= "~" or character in " \t"):
            raise ValueError(f"{character!r} is not allowed; only ASCII signs, spaces and tabs are")
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        wanted = ", ".join(field.title for field in _FIELDS)
        raise ValueError(f"has {len(parts)} fields, needs 5: {wanted}")
    return parts


# Each distinct text of a field is parsed once: ten thousand schedules share a few hundred of them.


@lru_cache(maxsize=1024)
def _minutes(text: str) -> list[int]:
    _check(_MINUTE, text)
    return sorted(_cronsim(minute=text).minutes)


@lru_cache(maxsize=1024)
def _hours(text: str) -> list[int]:
    _check(_HOUR, text)
    return sorted(_cronsim(hour=text).hours)


@lru_cache(maxsize=1024)
def _dates(day: str, month: str, weekday: str) -> CronSim:
    for field, text in ((_DAY_OF_MONTH, day), (_MONTH, month), (_DAY_OF_WEEK, weekday)):
        _check(field, text)
    dates = _cronsim(day=day, month=month, weekday=weekday)
    if _longest_wait(dates) >= _TOO_LONG:
        shown = f"day of month {day!r}, month {month!r}, day of week {weekday!r}"
        raise ValueError(f"no day matches it within {_TOO_LONG} years ({shown})")
    return dates


def _cronsim(minute: str = "0", hour: str = "0", day: str = "*", month: str = "*", weekday: str = "*") -> CronSim:
    # Imported late: it takes about as long as Python itself to start, and only cron expressions need it.
    from cronsim import CronSim, CronSimError

    try:
        return CronSim(f"{minute} {hour} {day} {month} {weekday}", datetime(2001, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        # Its one check that is not ours: a day that none of the months has.
        raise ValueError(f"day of month {day!r} never comes in month {month!r}") from error


def matching_days(dates: CronSim, first: date, last: date) -> Iterator[date]:
    """Days first <= day <= last that match month, day of month and day of week."""
    day = first
    while day <= last:
        if day.month not in dates.months:
            day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
            continue
        if dates.match_day(day):
            yield day
        day += _DAY


def _longest_wait(dates: CronSim) -> int:
    """The most years in a row without a matching day. No clock is asked, so the answer never changes."""
    longest = waited = 0
    # 28 years hold every pairing of leap day and weekday; the rest closes the circle.
    for year in range(2001, 2001 + 28 + _TOO_LONG):
        found = next(matching_days(dates, date(year, 1, 1), date(year, 12, 31)), None)
        waited = 0 if found else waited + 1
        longest = max(longest, waited)
    return longest


def _check(field: _Field, text: str) -> None:
    for term in text.upper().split(","):
        _check_term(field, term)


def _check_term(field: _Field, term: str) -> None:
    if len(term) > 40:
        raise ValueError(f"{field.title} {term[:37]!r}...: is too long")
    if field.special and re.fullmatch(field.special, term):
        return
    base, slash, step = term.partition("/")
    if slash and not (_is_number(step) and 1 <= int(step) <= field.high):
        raise ValueError(f"{field.title} {term!r}: the step must be 1 to {field.high}")
    if base == "*":
        return
    start, dash, end = base.partition("-")
    first = _value(field, term, start)
    if dash and _value(field, term, end) < first:
        raise ValueError(f"{field.title} {term!r}: the range runs backwards")


def _value(field: _Field, term: str, text: str) -> int:
    if text in field.names:
        return field.names.index(text) + field.low
    if _is_number(text) and field.low <= int(text) <= field.high:
        return int(text)
    names = f" or {field.names[0]} to {field.names[-1]}" if field.names else ""
    raise ValueError(f"{field.title} {term!r}: must be {field.low} to {field.high}{names}")


def _is_number(text: str) -> bool:
    return text.isdigit() and len(text) <= 2
