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
from .alert_rules import RuleMatch, instant_text, length_text
from .alert_texts import IncidentEvent, NotificationContext, enqueue_notifications

REFUSES, UNREACHABLE = "channel_refuses", "channel_unreachable"
"""Kinds of incidents about a channel; their job is the channel's name. One that refuses gets the reminders only."""

FLOODED = "channel_flooded"
"""Kind of an incident about a channel whose messages of an hour are used up, see `message_budget`; never restless."""

CHANNEL_BROKEN = (REFUSES, UNREACHABLE)

FLAPPING_WINDOW = timedelta(hours=1)
"""One that comes again sooner is restless; one that stayed, or stayed away, for so long has settled."""

LEASE_SECONDS = 10.0
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
) -> IncidentEvent | None:
    """A channel refuses notices, or cannot be reached: told once, through the others. None when that is known."""
    others = (other for other in healthy(channels, open_incidents(connection)) if other != name)
    return open_incident(
        NotificationContext(connection, tuple(others), now),
        name,
        RuleMatch(kind, f"alerts through {name} do not arrive: {reason}", now),
    )


def channel_works(connection: Connection, name: str, channels: Sequence[str], now: datetime) -> None:
    """A notice went through; if the channel was broken, that is over, and it is told itself."""
    open_ = open_incidents(connection)
    context = NotificationContext(connection, tuple(dict.fromkeys((*healthy(channels, open_), name))), now)
    for incident in open_:
        if incident.job == name and incident.kind in CHANNEL_BROKEN:
            close_incident(context, incident, f"alerts through {name} arrive again")


def close_incident(context: NotificationContext, incident: Incident, text: str) -> IncidentEvent | None:
    """Close it, and tell so unless it is restless; None when another process was faster."""
    table = own_tables(context.connection.dialect.name).incidents
    mine = (table.c.id == incident.id, table.c.closed_at.is_(None))
    if context.connection.execute(update(table).where(*mine).values(closed_at=context.now)).rowcount == 0:
        return None
    event = IncidentEvent("close", incident.job, incident.kind, f"{text}; {_how_long(incident, context.now)}")
    if incident.restless_since is not None:
        return event
    return enqueue_notifications(context, incident.id, event, incident.opened_at, opening=incident.openings)


def close_restless(context: NotificationContext, incident: Incident) -> IncidentEvent | None:
    """It came and went, and has stayed away: tell so. None when another process was faster."""
    assert incident.closed_at is not None
    if not _changed(context, incident, restless_since=None):
        return None
    since, restless = incident.closed_at, _how_long(incident, incident.closed_at)
    text = f"{incident.job} has been well since {instant_text(since)}; {restless}"
    event = IncidentEvent("quiet", incident.job, incident.kind, text)
    return enqueue_notifications(context, incident.id, event, incident.opened_at, opening=incident.openings)


def open_incident(context: NotificationContext, job: str, match: RuleMatch) -> IncidentEvent | None:
    dialect = context.connection.dialect.name
    table = own_tables(dialect).incidents
    later = (table.c.job == job, table.c.kind == match.kind, table.c.closed_at > context.now)
    if context.connection.execute(select(table.c.id).where(*later).limit(1)).first() is not None:
        return None  # somebody who read later found it over
    if match.kind != FLOODED and (before := _lately(context, job, match.kind)) is not None:
        return _reopen(context, before, match)
    row = {"job": job, "kind": match.kind, "text": match.text, "opened_at": context.now, "told_at": context.now}
    made: Row[Any] | None = context.connection.execute(
        upsert(dialect, table).values(row).on_conflict_do_nothing().returning(table.c.id)
    ).first()
    if made is None:
        return None  # another process was faster
    return enqueue_notifications(
        context, made.id, IncidentEvent("open", job, match.kind, match.text), match.since, match.error, match.run
    )


def _lately(context: NotificationContext, job: str, kind: str) -> Incident | None:
    """The same thing, when it was over for less than an hour."""
    table = own_tables(context.connection.dialect.name).incidents
    columns = [table.c[declared.name] for declared in fields(Incident)]
    same = (table.c.job == job, table.c.kind == kind, table.c.closed_at > context.now - FLAPPING_WINDOW)
    newest = select(*columns).where(*same).order_by(table.c.closed_at.desc(), table.c.id.desc()).limit(1)
    row = context.connection.execute(newest).first()
    return Incident(*row) if row is not None else None


def _reopen(context: NotificationContext, incident: Incident, match: RuleMatch) -> IncidentEvent | None:
    """It is back: told the first time, with what to expect, and counted from then on."""
    times, first = incident.openings + 1, incident.restless_since is None
    values: dict[str, Any] = {"closed_at": None, "openings": times, "reopened_at": context.now, "text": match.text}
    if first:
        values |= {"restless_since": context.now, "told_at": context.now}
    if not _changed(context, incident, **values):
        return None
    if not first:
        return IncidentEvent("open", incident.job, incident.kind, match.text)
    text = (
        f"{match.text}; it came {times} times since {instant_text(incident.opened_at)}; told again once it has settled"
    )
    event = IncidentEvent("restless", incident.job, incident.kind, text)
    return enqueue_notifications(context, incident.id, event, match.since, match.error, match.run, opening=times)


def remind(context: NotificationContext, incident: Incident, match: RuleMatch | None) -> IncidentEvent | None:
    """Tell again; the text is that of today. One that was restless has settled if it stayed."""
    text, steady = match.text if match else incident.text, context.now - incident.came_at >= FLAPPING_WINDOW
    values: dict[str, Any] = {"told_at": context.now, "text": text}
    what = "remind"
    if steady and incident.restless_since is not None:
        values["restless_since"], what = None, "steady"
    if not _changed(context, incident, **values):
        return None
    words = text if incident.openings == 1 else f"{text}; {_how_long(incident, context.now)}"
    event = IncidentEvent(what, incident.job, incident.kind, words)
    error, run = (match.error, match.run) if match else (None, None)
    return enqueue_notifications(context, incident.id, event, incident.opened_at, error, run, opening=incident.openings)


def _changed(context: NotificationContext, incident: Incident, **values: Any) -> bool:
    """Write these values; False when another process has changed or told of it meanwhile."""
    table = own_tables(context.connection.dialect.name).incidents
    closed = table.c.closed_at.is_(None) if incident.closed_at is None else table.c.closed_at == incident.closed_at
    mine = (table.c.id == incident.id, table.c.told_at == incident.told_at, closed)
    same = (table.c.openings == incident.openings, table.c.restless_since.is_not_distinct_from(incident.restless_since))
    return context.connection.execute(update(table).where(*mine, *same).values(values)).rowcount == 1


def _how_long(incident: Incident, until: datetime) -> str:
    lasted = length_text(until - incident.opened_at)
    return f"it was wrong for {lasted}" if incident.openings == 1 else f"it came {incident.openings} times in {lasted}"
