"""Incidents: opened when something is wrong, told once, reminded of daily, closed on recovery.

One that comes again within an hour is the same one, and restless: that is told once, with a count, and again when it
has settled, for better or worse. So nobody who can switch a failure on and off can flood people (SEC-16).

The rows decide: of two processes, one opens, one closes, one reminds, and only that one tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, or_, select, update

from ..db.tables import own_tables
from ..db.upsert import upsert
from .alert_rules import Sign, length, moment
from .alert_texts import Event, Told, enqueue_notifications

REFUSES, UNREACHABLE = "channel_refuses", "channel_unreachable"
"""Kinds of incidents about a channel; their job is the channel's name. One that refuses gets the reminders only."""

FLOODED = "channel_flooded"
"""Kind of an incident about a channel whose messages of an hour are used up, see `budget`; never restless."""

CHANNEL_BROKEN = (REFUSES, UNREACHABLE)

FLAPPING_WINDOW = timedelta(hours=1)
"""One that comes again sooner is restless; one that stayed, or stayed away, for so long has settled."""

SENDING = 10.0
"""Length of the lease by which transactions about incidents and messages are limited, in seconds."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A row that is open, or restless. openings: how often it came.  closed_at: only of a restless one."""

    id: int
    job: str
    kind: str
    text: str
    opened_at: datetime
    told_at: datetime
    openings: int = 1
    reopened_at: datetime | None = None
    restless_since: datetime | None = None
    closed_at: datetime | None = None

    @property
    def came_at(self) -> datetime:
        """When it came last."""
        return self.reopened_at or self.opened_at


def open_incidents(connection: Connection) -> list[Incident]:
    """All that are open, the oldest first."""
    return [incident for incident in unsettled(connection) if incident.closed_at is None]


def unsettled(connection: Connection) -> list[Incident]:
    """All that are open or restless, the oldest first."""
    table = own_tables(connection.dialect.name).incidents
    columns = [table.c[declared.name] for declared in fields(Incident)]
    which = or_(table.c.closed_at.is_(None), table.c.restless_since.is_not(None))
    asked = select(*columns).where(which).order_by(table.c.opened_at, table.c.id)
    return [Incident(*row) for row in connection.execute(asked)]


def healthy(channels: Sequence[str], incidents: Iterable[Incident]) -> tuple[str, ...]:
    """The channels that do not refuse notices, as far as we know."""
    broken = {incident.job for incident in incidents if incident.kind == REFUSES and incident.closed_at is None}
    return tuple(name for name in channels if name not in broken)


def channel_broke(
    connection: Connection, name: str, kind: str, reason: str, channels: Sequence[str], now: datetime
) -> Event | None:
    """A channel refuses notices, or cannot be reached: told once, through the others. None when that is known."""
    others = (other for other in healthy(channels, open_incidents(connection)) if other != name)
    return open_one(
        Told(connection, tuple(others), now), name, Sign(kind, f"alerts through {name} do not arrive: {reason}", now)
    )


def channel_works(connection: Connection, name: str, channels: Sequence[str], now: datetime) -> None:
    """A notice went through; if the channel was broken, that is over, and it is told itself."""
    open_ = open_incidents(connection)
    told = Told(connection, tuple(dict.fromkeys((*healthy(channels, open_), name))), now)
    for incident in open_:
        if incident.job == name and incident.kind in CHANNEL_BROKEN:
            close(told, incident, f"alerts through {name} arrive again")


def close(told: Told, incident: Incident, text: str) -> Event | None:
    """Close it, and tell so unless it is restless; None when another process was faster."""
    table = own_tables(told.connection.dialect.name).incidents
    mine = (table.c.id == incident.id, table.c.closed_at.is_(None))
    if told.connection.execute(update(table).where(*mine).values(closed_at=told.now)).rowcount == 0:
        return None
    event = Event("close", incident.job, incident.kind, f"{text}; {_how_long(incident, told.now)}")
    if incident.restless_since is not None:
        return event
    return enqueue_notifications(told, incident.id, event, incident.opened_at, opening=incident.openings)


def quiet(told: Told, incident: Incident) -> Event | None:
    """It came and went, and has stayed away: tell so. None when another process was faster."""
    assert incident.closed_at is not None
    if not _changed(told, incident, restless_since=None):
        return None
    text = f"{incident.job} has been well since {moment(incident.closed_at)}; {_how_long(incident, incident.closed_at)}"
    event = Event("quiet", incident.job, incident.kind, text)
    return enqueue_notifications(told, incident.id, event, incident.opened_at, opening=incident.openings)


def open_one(told: Told, job: str, sign: Sign) -> Event | None:
    dialect = told.connection.dialect.name
    table = own_tables(dialect).incidents
    later = (table.c.job == job, table.c.kind == sign.kind, table.c.closed_at > told.now)
    if told.connection.execute(select(table.c.id).where(*later).limit(1)).first() is not None:
        return None  # somebody who read later found it over
    if sign.kind != FLOODED and (before := _lately(told, job, sign.kind)) is not None:
        return _reopen(told, before, sign)
    row = {"job": job, "kind": sign.kind, "text": sign.text, "opened_at": told.now, "told_at": told.now}
    made: Row[Any] | None = told.connection.execute(
        upsert(dialect, table).values(row).on_conflict_do_nothing().returning(table.c.id)
    ).first()
    if made is None:
        return None  # another process was faster
    return enqueue_notifications(
        told, made.id, Event("open", job, sign.kind, sign.text), sign.since, sign.error, sign.run
    )


def _lately(told: Told, job: str, kind: str) -> Incident | None:
    """The same thing, when it was over for less than an hour."""
    table = own_tables(told.connection.dialect.name).incidents
    columns = [table.c[declared.name] for declared in fields(Incident)]
    same = (table.c.job == job, table.c.kind == kind, table.c.closed_at > told.now - FLAPPING_WINDOW)
    newest = select(*columns).where(*same).order_by(table.c.closed_at.desc(), table.c.id.desc()).limit(1)
    row = told.connection.execute(newest).first()
    return Incident(*row) if row is not None else None


def _reopen(told: Told, incident: Incident, sign: Sign) -> Event | None:
    """It is back: told the first time, with what to expect, and counted from then on."""
    times, first = incident.openings + 1, incident.restless_since is None
    values: dict[str, Any] = {"closed_at": None, "openings": times, "reopened_at": told.now, "text": sign.text}
    if first:
        values |= {"restless_since": told.now, "told_at": told.now}
    if not _changed(told, incident, **values):
        return None
    if not first:
        return Event("open", incident.job, incident.kind, sign.text)
    text = f"{sign.text}; it came {times} times since {moment(incident.opened_at)}; told again once it has settled"
    event = Event("restless", incident.job, incident.kind, text)
    return enqueue_notifications(told, incident.id, event, sign.since, sign.error, sign.run, opening=times)


def remind(told: Told, incident: Incident, sign: Sign | None) -> Event | None:
    """Tell again; the text is that of today. One that was restless has settled if it stayed."""
    text, steady = sign.text if sign else incident.text, told.now - incident.came_at >= FLAPPING_WINDOW
    values: dict[str, Any] = {"told_at": told.now, "text": text}
    what = "remind"
    if steady and incident.restless_since is not None:
        values["restless_since"], what = None, "steady"
    if not _changed(told, incident, **values):
        return None
    words = text if incident.openings == 1 else f"{text}; {_how_long(incident, told.now)}"
    event = Event(what, incident.job, incident.kind, words)
    error, run = (sign.error, sign.run) if sign else (None, None)
    return enqueue_notifications(told, incident.id, event, incident.opened_at, error, run, opening=incident.openings)


def _changed(told: Told, incident: Incident, **values: Any) -> bool:
    """Write these values; False when another process has changed or told of it meanwhile."""
    table = own_tables(told.connection.dialect.name).incidents
    closed = table.c.closed_at.is_(None) if incident.closed_at is None else table.c.closed_at == incident.closed_at
    mine = (table.c.id == incident.id, table.c.told_at == incident.told_at, closed)
    same = (table.c.openings == incident.openings, table.c.restless_since.is_not_distinct_from(incident.restless_since))
    return told.connection.execute(update(table).where(*mine, *same).values(values)).rowcount == 1


def _how_long(incident: Incident, until: datetime) -> str:
    lasted = length(until - incident.opened_at)
    return f"it was wrong for {lasted}" if incident.openings == 1 else f"it came {incident.openings} times in {lasted}"
