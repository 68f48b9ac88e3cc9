"""The load of the coming days as a picture in a terminal: a row a day, a column an hour, all in UTC."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

BARS = "▁▂▃▄▅▆▇█"
"""From one run in an hour to the most of any hour."""

NO_RUNS = "·"
_HOURS = 24


def picture(slots: Sequence[tuple[datetime, str]], start: datetime, days: int) -> Iterator[str]:
    """Its lines, at most 80 characters wide; none when nothing is due.

    slots: (slot, job) of the days that follow `start`, all in UTC.
    """
    if not slots:
        return
    hours = Counter(slot.replace(minute=0, second=0, microsecond=0) for slot, _ in slots)
    most = max(hours.values())
    yield f"runs an hour (UTC); {NO_RUNS} none, {BARS[0]} few, {BARS[-1]} {most}"
    yield " " * 12 + "".join(f"{hour:02}    " for hour in range(0, _HOURS, 3)).rstrip()
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    last = (start + timedelta(days=days) - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    while midnight <= last:
        counts = [hours[midnight + timedelta(hours=hour)] for hour in range(_HOURS)]
        yield f"{midnight:%a %d %b}   {' '.join(_bar(count, most) for count in counts)}  {sum(counts)} runs"
        midnight += timedelta(days=1)
    yield _busiest(slots)


def _bar(count: int, most: int) -> str:
    return BARS[-(-count * len(BARS) // most) - 1] if count else NO_RUNS


def _busiest(slots: Sequence[tuple[datetime, str]]) -> str:
    minutes = Counter(slot.replace(second=0, microsecond=0) for slot, _ in slots)
    minute, count = max(minutes.items(), key=lambda item: item[1])
    return f"busiest minute: {minute:%a %d %b %H:%M} UTC, {count} run{'' if count == 1 else 's'}"
