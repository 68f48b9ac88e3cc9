"""Which minutes a line of pg_cron means, by the rules of its source (ShouldRunTask, entry.c): a model for tests."""

from __future__ import annotations

from datetime import datetime

LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def means(line: str, minute: datetime) -> bool:
    """Whether the line fires in this minute, in UTC. ValueError for what 1.4.2 does not read."""
    texts = line.split()
    minutes, hours, days, months, weekdays = map(_values, texts, LIMITS)
    today = (minute.minute in minutes, minute.hour in hours, minute.month in months)
    weekday = minute.isoweekday() % 7 in {number % 7 for number in weekdays}
    either = (minute.day in days, weekday)
    starred = texts[2].startswith("*") or texts[4].startswith("*")
    return all(today) and (all(either) if starred else any(either))


def _values(text: str, limits: tuple[int, int]) -> set[int]:
    found: set[int] = set()
    for term in text.split(","):
        span, _, step = term.partition("/")
        first, dash, last = span.partition("-")
        low, high = limits if span == "*" else (int(first), int(last) if dash else int(first))
        if not limits[0] <= low <= high <= limits[1] or (step and span != "*" and not dash):
            raise ValueError(f"{text!r}: not from {limits[0]} to {limits[1]}")
        found |= set(range(low, high + 1, int(step or 1)))
    return found
