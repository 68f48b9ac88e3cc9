"""The five fields with which cron, whatever its zone, starts a job at each of its slots.

What a line is for: start `run --due JOB` at every slot, or at most `grain` later. Too often does no harm, as
nothing runs before its slot. So fields are translated only where that is certain for every day to come; else
the line is one of "every N minutes", which is right in every zone.

Each slot has a second start, `grain` later: this machine's clock may be ahead of the database's, by which the
slot has not come yet, and a run may have been held or ended the first time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from ...clock import in_utc
from ...jobs.clock_changes import pieces
from ...jobs.schedule import Cron, Every, Schedule
from ...jobs.zones import load_zone

GRAINS = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)
"""Minutes that divide an hour, so that `*/N` is even."""

_AHEAD = timedelta(days=800)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_MINUTE = timedelta(minutes=1)
# What Debian's cron, cronie and busybox read alike: no L, no #, no start/step.
_NUMBERS = r"(?:\*(?:/\d+)?|\d+(?:-\d+(?:/\d+)?)?(?:,\d+(?:-\d+(?:/\d+)?)?)*)"
_NAMES = r"(?:\*|[A-Za-z]{3}(?:-[A-Za-z]{3})?|" + _NUMBERS + ")"
_COMMON = re.compile(rf"(?P<day>{_NUMBERS}) {_NAMES} (?P<weekday>{_NAMES})")


def every_minutes(grain: int) -> str:
    """The fields of a line every `grain` minutes, one of GRAINS."""
    if grain == 60:
        return "0 * * * *"
    return "* * * * *" if grain == 1 else f"*/{grain} * * * *"


def fields_for(schedule: Schedule, server: str | None, grain: int, start: datetime) -> str:
    """The fields of the line of one job.

    server: the IANA zone in which cron reads them; None when it is not known.  grain: minutes, one of GRAINS.
    start: from when on the zones are looked at; aware.
    """
    translated = _daily(schedule, server, grain, start) or _verbatim(schedule, server, grain, start)
    if translated is None or _too_often(schedule, grain):
        return every_minutes(grain)
    return translated


def _verbatim(schedule: Schedule, server: str | None, grain: int, start: datetime) -> str | None:
    """The schedule's own days with its times, where both zones are one offset from UTC for good."""
    if not isinstance(schedule, Cron):
        return None
    times, days = schedule.text.split()[:2], " ".join(schedule.text.split()[2:])
    common = _COMMON.fullmatch(days)
    if common is None or "*" not in (common["day"], common["weekday"]):
        return None  # with both days restricted, crons differ: either, or both
    theirs, ours = _offsets(server, start), _offsets(schedule.zone, start)
    if len(theirs) != 1 or theirs != ours:
        return None
    starts = _with_second(_times_of_day(Cron(f"{' '.join(times)} * * *")) or set(), grain)
    fields = _fields(starts) if max(starts) < _DAY else None  # the second start must not fall on another day
    return f"{fields} {days}" if fields else None


def _daily(schedule: Schedule, server: str | None, grain: int, start: datetime) -> str | None:
    """Fields from the times of day of a schedule that is the same every day, moved by the difference of the zones."""
    times = _times_of_day(schedule)
    if times is None:
        return None
    each_hour = {(time + _HOUR) % _DAY for time in times} == times
    # What is due at the same minutes of every hour does not care for whole hours of difference.
    period = _HOUR if each_hour else _DAY
    theirs = {offset % period for offset in _offsets(server, start)}
    ours = {offset % period for offset in _offsets(schedule.zone, start)}
    if len(theirs) != 1 or len(ours) != 1:
        return None
    difference = theirs.pop() - ours.pop()
    fields = _fields({(time + difference) % _DAY for time in _with_second(times, grain)})
    return f"{fields} * * *" if fields else None


def _fields(times: set[timedelta]) -> str | None:
    """The minute and the hour that mean exactly these times; None when no single line does."""
    minutes = sorted({time % _HOUR // _MINUTE for time in times})
    hours = sorted({time // _HOUR for time in times})
    if len(minutes) * len(hours) != len(times):
        return None
    return f"{_numbers(minutes, 60)} {_numbers(hours, 24)}"


def _with_second(times: set[timedelta], grain: int) -> set[timedelta]:
    """These times of day, and each of them `grain` minutes later, which may be past midnight."""
    return times | {time + grain * _MINUTE for time in times}


def _numbers(values: list[int], size: int) -> str:
    """0, 5, 10, … as `*/5`; all as `*`; else a list."""
    step = values[1] - values[0] if len(values) > 1 else size
    if values == list(range(0, size, step)) and len(values) > 1:
        return "*" if step == 1 else f"*/{step}"
    return ",".join(map(str, values))


def _times_of_day(schedule: Schedule) -> set[timedelta] | None:
    """The times at which it is due every day alike, in whole minutes; None when days differ."""
    if isinstance(schedule, Cron):
        if schedule.text.split()[2:] != ["*", "*", "*"]:
            return None
        schedule = Cron(schedule.text)
    elif not isinstance(schedule, Every) or _DAY % schedule.interval:
        return None
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    slots = schedule.between(midnight - timedelta(microseconds=1), midnight + _DAY - timedelta(microseconds=1))
    times = {slot - midnight for slot in slots} if _whole(schedule) else set()
    return times or None


def _whole(schedule: Schedule) -> bool:
    return isinstance(schedule, Cron) or (
        isinstance(schedule, Every) and not (schedule.interval % _MINUTE or schedule.offset % _MINUTE)
    )


def _offsets(zone: str | None, start: datetime) -> set[timedelta]:
    """Every offset from UTC that the zone has in the coming two years; none when it is not known."""
    if zone is None:
        return set()
    begin = in_utc(start)
    return {piece.offset for piece in pieces(load_zone(zone), begin, begin + _AHEAD)}


def _too_often(schedule: Schedule, grain: int) -> bool:
    """Whether two slots of a day are closer than the grain, which hosts with a grain do not allow."""
    if isinstance(schedule, Cron):
        schedule = Cron(" ".join([*schedule.text.split()[:2], "* * *"]))
    times = sorted(_times_of_day(schedule) or ())
    return any(
        later - earlier < grain * _MINUTE for earlier, later in pairwise([*times, *(t + _DAY for t in times[:1])])
    )
