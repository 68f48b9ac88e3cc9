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
_LONGEST_WAIT = 5
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class _Field(NamedTuple):
    """What one field may hold. names: words for numbers, from `low` on. special: whole terms besides."""

    title: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    special: str = ""


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31, (), r"L|LW"),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _WEEKDAYS, rf"[0-7]L|(?:[0-7]|{'|'.join(_WEEKDAYS)})#[1-5]"),
)


class Fields:
    """A checked expression. `fixed`: a fixed time of day, moved rather than lost when clocks change.

    fixed is false when the minute or the hour begins with `*`: such work follows elapsed time.
    """

    __slots__ = ("_parsed", "_times", "fixed")

    def __init__(self, parsed: CronSim) -> None:
        self._parsed = parsed
        hours, minutes = sorted(parsed.hours), sorted(parsed.minutes)
        self._times = [timedelta(hours=hour, minutes=minute) for hour in hours for minute in minutes]
        self.fixed = not (parsed.parts[1].startswith("*") or parsed.parts[2].startswith("*"))

    def matching(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Local times start <= t < end (both naive) that match, in order, as if no clock ever changed."""
        for day in self.matching_days(start.date(), end.date()):
            midnight = datetime.combine(day, time())
            times = self._times
            first = 0 if midnight >= start else bisect_left(times, start - midnight)
            last = len(times) if midnight + _DAY <= end else bisect_left(times, end - midnight)
            for index in range(first, last):
                yield midnight + times[index]

    def matching_days(self, first: date, last: date) -> Iterator[date]:
        """Days first <= day <= last that match month, day of month and day of week."""
        day = first
        while day <= last:
            if day.month not in self._parsed.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            if self._parsed.match_day(day):
                yield day
            day += _DAY

    def explain(self) -> str:
        """One English sentence without a full stop: "At 04:10 every day"."""
        return self._parsed.explain()


@lru_cache(maxsize=4096)
def read_fields(expression: str) -> Fields:
    """Check and parse five fields separated by spaces or tabs; names may be in either case.

    Raises ScheduleError, one line that names the field, its value and what is allowed; also for an expression
    that some five years in a row would never match. Parsed once per distinct text and process.
    """
    parts = _split(expression)
    for field, text in zip(_FIELDS, parts, strict=True):
        for term in text.upper().split(","):
            _check_term(expression, field, term)
    try:
        if _matches_often_enough(*parts[2:]):
            return _parse(*parts)
    except ValueError as error:
        raise _refusal(expression, str(error)) from error
    days = f"day of month {parts[2]!r}, month {parts[3]!r}, day of week {parts[4]!r}"
    raise _refusal(expression, f"no day matches it within {_LONGEST_WAIT} years ({days})")


def _split(expression: str) -> list[str]:
    for character in expression:
        if not ("!" <= character <= "~" or character in " \t"):
            raise _refusal(expression, f"{character!r} is not allowed; only ASCII signs, spaces and tabs are")
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        wanted = ", ".join(field.title for field in _FIELDS)
        raise _refusal(expression, f"has {len(parts)} fields, needs 5: {wanted}")
    return parts


def _check_term(expression: str, field: _Field, term: str) -> None:
    if field.special and re.fullmatch(field.special, term):
        return
    base, slash, step = term.partition("/")
    if slash and not (_is_number(step) and 1 <= int(step) <= field.high):
        raise _refusal(expression, f"{field.title} {term!r}: the step must be 1 to {field.high}")
    if base == "*":
        return
    start, dash, end = base.partition("-")
    first = _value(expression, field, term, start)
    if dash and _value(expression, field, term, end) < first:
        raise _refusal(expression, f"{field.title} {term!r}: the range runs backwards")


def _value(expression: str, field: _Field, term: str, text: str) -> int:
    if text in field.names:
        return field.names.index(text) + field.low
    if _is_number(text) and field.low <= int(text) <= field.high:
        return int(text)
    names = f" or {field.names[0]} to {field.names[-1]}" if field.names else ""
    raise _refusal(expression, f"{field.title} {term!r}: must be {field.low} to {field.high}{names}")


def _is_number(text: str) -> bool:
    return text.isdigit() and len(text) <= 2


def _parse(*parts: str) -> Fields:
    """The parsed fields. Raises ValueError where cronsim is stricter than the checks above."""
    # Imported late: it takes about as long as Python itself to start, and only cron expressions need it.
    from cronsim import CronSim, CronSimError

    try:
        return Fields(CronSim(" ".join(parts), datetime(2001, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        _, _, day, month, _ = parts
        reason = f"day of month {day!r} never comes in month {month!r}"
        raise ValueError(reason if "day-of-month" in str(error) else str(error).lower()) from error


@lru_cache(maxsize=4096)
def _matches_often_enough(day: str, month: str, weekday: str) -> bool:
    """Whether any five years in a row hold a matching day. No clock is asked, so the answer never changes."""
    fields = _parse("0", "0", day, month, weekday)
    waited = 0
    # 28 years hold every pairing of leap day and weekday.
    for year in range(2001, 2029):
        found = next(fields.matching_days(date(year, 1, 1), date(year, 12, 31)), None)
        waited = 0 if found else waited + 1
        if waited >= _LONGEST_WAIT:
            return False
    return True


def _refusal(expression: str, reason: str) -> ScheduleError:
    shown = expression if len(expression) <= 60 else f"{expression[:57]}..."
    return ScheduleError(f"cron {shown!r}: {reason}")
