"""Lengths of time as people write them: "30d", "30 days", "36h", "1h30m", "1 week 2 days"."""

from __future__ import annotations

import re
from datetime import timedelta

from ..errors import ScheduleError

UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
"""From the largest to the smallest. A month is missing on purpose: it has no fixed length."""

MAX_DURATION = timedelta(days=36500)

TICK = timedelta(microseconds=1)
"""The smallest step a datetime can take: t + TICK is the first instant after t."""

UNIT_WORDS = {"w": "week", "d": "day", "h": "hour", "m": "minute", "s": "second", "ms": "millisecond"}
_SPELLED = {name: unit for unit, word in UNIT_WORDS.items() for name in (unit, word, f"{word}s")}
"""Every way to write a unit, and which it is."""

_SHAPE = re.compile(r"[0-9]+ ?[A-Za-z]+(?: ?[0-9]+ ?[A-Za-z]+)*")
_PART = re.compile(r"([0-9]+) ?([A-Za-z]+)")
_EXAMPLE = 'write for instance "90s", "36h", "30 days" or "1h30m"'
_CALENDAR = {"M", "mo", "month", "months", "y", "Y", "year", "years"}


def parse_duration(text: str | timedelta, *, where: str = "duration") -> timedelta:
    """Read one or more NUMBER+UNIT (w, d, h, m, s, ms, or a word: "2 weeks"), largest unit first, each once.

    A timedelta is only checked. "d" is 24 hours and "w" is 168, whatever the clocks do. From "0s"
    up to 36500 days, whole milliseconds.
    `where` names the setting in the message. Raises ScheduleError; a month and a year are refused by name.
    """
    if isinstance(text, timedelta):
        return _checked(text, text, where)
    if not isinstance(text, str) or not text.isascii() or not _SHAPE.fullmatch(text):
        raise ScheduleError(f"{where}: {text!r} is not a duration{_reason(text)}; {_EXAMPLE}")
    total = timedelta()
    largest = iter(UNITS)
    for digits, name in _PART.findall(text):
        unit = _SPELLED.get(name)
        if unit is None:
            raise ScheduleError(
                f"{where}: {_excerpt(text)!r} has the unknown unit {name!r}; {_unit_advice(digits, name)}"
            )
        if unit not in largest:  # consumes the iterator up to this unit, so that none comes twice or upwards
            raise ScheduleError(f"{where}: {text!r} must name each unit once, the largest first; {_EXAMPLE}")
        total += _product(digits, unit, text, where)
    return _checked(total, text, where)


def format_duration(delta: timedelta) -> str:
    """The text in the largest unit that divides `delta` exactly: "30d", "36h", "90m", "0s".

    parse_duration reads it back exactly. Raises ScheduleError for what parse_duration would refuse.
    """
    number, unit = _in_one_unit(_checked(delta, delta, "duration"))
    return f"{number}{unit}"


def duration_in_words(delta: timedelta) -> str:
    """The same in English: "5 minutes", "1 day". Raises ScheduleError as format_duration does."""
    number, unit = _in_one_unit(_checked(delta, delta, "duration"))
    return f"{number} {UNIT_WORDS[unit]}{'' if number == 1 else 's'}"


def _in_one_unit(delta: timedelta) -> tuple[int, str]:
    if not delta:
        return 0, "s"
    unit = next(name for name, size in UNITS.items() if not delta % size)
    return delta // UNITS[unit], unit


def _product(digits: str, unit: str, text: str, where: str) -> timedelta:
    # Counted before the conversion: Python refuses to convert thousands of digits with an error of its own.
    number = int(digits) if len(digits) <= 15 else None
    if number is None or number > MAX_DURATION // UNITS[unit]:
        raise ScheduleError(f"{where}: {_excerpt(text)!r} is more than {MAX_DURATION.days} days; write at most 36500d")
    return number * UNITS[unit]


def duration_words(seconds: float) -> str:
    """A length of time as people say it: "12 ms", "3.1 s", "4 min", "2 h 05", "3 d"."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02}" if hours < 48 else f"{hours // 24} d"


def _checked(delta: timedelta, text: object, where: str) -> timedelta:
    shown = str(text)
    if delta < timedelta():
        raise ScheduleError(f"{where}: {shown!r} is negative; {_EXAMPLE}")
    if delta > MAX_DURATION:
        raise ScheduleError(f"{where}: {shown!r} is more than {MAX_DURATION.days} days; write at most 36500d")
    if delta % UNITS["ms"]:
        raise ScheduleError(f"{where}: {shown!r} is finer than a millisecond; {_EXAMPLE}")
    return delta


def _reason(text: object) -> str:
    if not isinstance(text, str):
        return " (a number needs a unit, in quotes)"
    if not text:
        return " (it is empty)"
    if text.isascii() and text.isdigit():
        return " (the unit is missing)"
    if text.startswith("-"):
        return " (it must not be negative)"
    return ""


def _unit_advice(digits: str, unit: str) -> str:
    if unit in _CALENDAR or unit.lower() in _CALENDAR:
        return "months and years are not durations, write days: 30d, 365d"
    if unit.lower() in _SPELLED:
        return f"write {unit.lower()!r}, in lower case"
    from difflib import get_close_matches  # only bad input pays for loading it

    words = [f"{word}{'' if digits == '1' else 's'}" for word in UNIT_WORDS.values()]
    near = get_close_matches(unit.lower(), words, n=1, cutoff=0.5)
    meant = f'did you mean "{_excerpt(digits)} {near[0]}"? ' if near else ""
    return f"{meant}known: {', '.join(UNITS)}, and {', '.join(words)}"


def _excerpt(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
