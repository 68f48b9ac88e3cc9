"""Where windows of roll-ups begin, written down for roll-ups that PostgreSQL runs by itself: it asks no time zone.

The instants are those of `Schedule`, so that a procedure and Python go through the same windows. Even windows need no
rows: PostgreSQL counts them. Table `windows` of revision 1016, by schedule and zone; PostgreSQL only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, text

from ..clock import FIRST_YEAR
from ..db.tables import own_tables
from ..jobs.schedule import Schedule, parse_schedule
from .upcoming_slots import LOW, SLOTS_KEPT, WRITTEN_AHEAD, as_interval

MOST_WINDOWS = 100_000
"""Windows of one roll-up that may be written: those of days since 1900 are 47,000, of hours in eleven years 96,000."""

_EVEN_SINCE = (datetime(FIRST_YEAR - 1, 1, 1, tzinfo=UTC), datetime(1969, 1, 1, tzinfo=UTC))
"""From when on windows are tried to be even: from the first row that can be, or since zones have whole minutes."""

_AT_ONCE = 1000
"""Rows that one statement deletes by name."""

_LAST = text(
    "WITH RECURSIVE known (definition) AS (SELECT min(definition) FROM sexton.windows UNION ALL"
    " SELECT (SELECT min(w.definition) FROM sexton.windows w WHERE w.definition > known.definition) FROM known"
    " WHERE known.definition IS NOT NULL)"
    " SELECT definition, (SELECT max(w.starts) FROM sexton.windows w WHERE w.definition = known.definition) AS last"
    " FROM known WHERE definition IS NOT NULL"
)
"""Of each definition: one look into the index, however many windows there are."""


@dataclass(frozen=True, slots=True)
class NeededWindows:
    """Of one schedule. since: from when on they are needed; None: no row is there yet.  back: how long ago at least."""

    schedule: Schedule
    since: datetime | None
    back: timedelta = SLOTS_KEPT

    def starts(self, now: datetime) -> Iterator[datetime]:
        """To two years ahead, and one more."""
        first = now - self.back if self.since is None else min(self.since, now - self.back)
        last = self.schedule.previous(first)
        yield last
        while last <= now + WRITTEN_AHEAD:
            for start in self.schedule.between(last, max(now + WRITTEN_AHEAD, self.schedule.next(last))):
                yield (last := start)

    def joined(self, other: NeededWindows | None) -> NeededWindows:
        """What both need; of one schedule."""
        if other is None:
            return self
        known = [one for one in (self.since, other.since) if one is not None]
        return NeededWindows(self.schedule, min(known, default=None), max(self.back, other.back))


def definition_of(schedule: Schedule) -> str:
    """Under which its windows are written."""
    return f"{schedule.text} {schedule.zone}"


def window_settings(schedule: Schedule, now: datetime) -> dict[str, Any]:
    """What a procedure knows of windows. every, since: seconds of even ones, and the first that is; None: written."""
    for since in _EVEN_SINCE:
        even = as_interval(schedule, now, since)
        if even is not None:
            first = even.next(since)
            return {
                "definition": definition_of(schedule),
                "every": even.interval.total_seconds(),
                "since": first.isoformat(),
            }
    return {"definition": definition_of(schedule), "every": None, "since": None}


def write_windows(connection: Connection, wanted: Mapping[str, NeededWindows], now: datetime) -> int:
    """Make the table hold the windows of these definitions; how many rows were changed. Others stay."""
    table = own_tables(connection.dialect.name).windows
    changed = 0
    for definition, needed in wanted.items():
        starts = dict.fromkeys(needed.starts(now))
        own = table.c.definition == definition
        there = dict.fromkeys(connection.execute(select(table.c.starts).where(own)).scalars())
        astray = [one for one in there if one not in starts]
        outside = or_(table.c.starts < min(starts), table.c.starts > max(starts))
        changed += connection.execute(delete(table).where(own, outside)).rowcount
        inside = [one for one in astray if min(starts) <= one <= max(starts)]
        for start in range(0, len(inside), _AT_ONCE):
            some = table.c.starts.in_(inside[start : start + _AT_ONCE])
            connection.execute(delete(table).where(own, some))
        new = [{"definition": definition, "starts": one} for one in starts if one not in there]
        if new:
            connection.execute(insert(table), new)
        changed += len(inside) + len(new)
    return changed


def keep_windows(connection: Connection, definitions: Collection[str]) -> int:
    """Delete those of all other definitions; how many rows."""
    table = own_tables(connection.dialect.name).windows
    return connection.execute(delete(table).where(table.c.definition.not_in(definitions))).rowcount


def refill_windows(connection: Connection, now: datetime) -> list[str]:
    """Write windows again of which fewer than 60 days are left; their definitions.

    Cheap where there is nothing to do: one look into the index for each. Elsewhere than on PostgreSQL there are none.
    """
    if connection.dialect.name != "postgresql":
        return []
    table = own_tables(connection.dialect.name).windows
    low = {row.definition: row.last for row in connection.execute(_LAST) if row.last - now < LOW}
    for definition, last in low.items():
        expression, _, zone = definition.rpartition(" ")
        ahead = NeededWindows(parse_schedule(expression, zone), last, timedelta()).starts(now)
        connection.execute(insert(table), [{"definition": definition, "starts": one} for one in ahead if one > last])
    return sorted(low)


def windows_astray(connection: Connection, wanted: Mapping[str, NeededWindows], now: datetime) -> Iterator[str]:
    """What is wrong with those that are written, a sentence for each definition."""
    table = own_tables(connection.dialect.name).windows
    for definition, needed in wanted.items():
        found = select(table.c.starts).where(table.c.definition == definition).order_by(table.c.starts)
        there = [*connection.execute(found).scalars()]
        if not there or there[-1] <= now:
            yield f"windows {definition} are not written, so their roll-ups fail"
            continue
        first = needed.schedule.previous(now if needed.since is None else needed.since)
        wanted_now = {one for one in needed.starts(now) if first <= one <= there[-1]}
        astray = wanted_now ^ {one for one in there if one >= first}
        if astray:
            yield f"{len(astray):,} of the windows {definition} are not those of their schedule and zone"
        elif there[-1] - now < LOW:
            yield f"windows {definition} are written until {there[-1]:%Y-%m-%d} only"
