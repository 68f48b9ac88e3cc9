"""From an event to messages: words for people, and one row a channel in the transaction that made it true."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from ..channels.contract import Notice, as_json
from ..db.database_identity import identity
from ..db.tables import own_tables
from ..db.upsert import upsert
from ..slots.history import kept_traceback
from .alert_rules import instant_text

TITLES = {
    "unloaded": "jobs cannot be loaded",
    "stopped": "stopped, somebody has to look",
    "broken": "cannot run",
    "interrupted": "cut off again and again",
    "drifted": "sums differ from their rows",
    "failing": "failing",
    "failure_rate": "failing often",
    "late": "late",
    "duration": "unusual duration",
    "effect": "no effect",
    "resting": "not to be reached",
    "calls_ended": "calls ended badly",
    "dead_letters": "messages did not get through",
    "dead_requests": "requests are dead",
    "engine_down": "runs cannot be handed on",
    "engine_stalled": "runs wait and none begins",
    "slots_low": "few slots are left in PostgreSQL",
    "fleet_list_kept": "the list of databases is not believed",
    "fleet_job_halted": "halted in the fleet",
    "channel_refuses": "alerts are refused",
    "channel_unreachable": "alerts do not arrive",
    "channel_flooded": "alerts are held back",
}

_COMMANDS = {
    "resting": "sexton calls destinations",
    "calls_ended": "sexton calls {}",
    "dead_letters": "sexton outbox",
    "dead_requests": "sexton dead list --job {}",
    "engine_down": "sexton engines",
    "engine_stalled": "sexton engines",
    "slots_low": "sexton pg-cron install",
    "fleet_list_kept": "sexton fleet list",
    "fleet_job_halted": "sexton fleet status {}",
}
"""What to type, by kind."""

_BEFORE = {
    "remind": "still: ",
    "steady": "still: ",
    "close": "over: ",
    "quiet": "over: ",
    "restless": "comes and goes: ",
}
"""What stands before the title, by what happened."""


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """Something happened to an incident. text: one line.

    what: "open", "remind", "close"; of one that comes and goes "restless", then "steady" or "quiet" when it settles.
    """

    what: str
    job: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class NotificationContext:
    """Who is told, in which transaction, at what time of the database."""

    connection: Connection
    channels: tuple[str, ...]
    now: datetime


def enqueue_notifications(
    context: NotificationContext,
    incident: int,
    event: IncidentEvent,
    since: datetime,
    error: str | None = None,
    run: int | None = None,
    *,
    opening: int = 1,
) -> IncidentEvent:
    """Queue the messages of an event, each once. The event itself.

    The key is that of database, second, incident, event and channel: a database that is restored from a backup counts
    its incidents anew (SEC-18).  opening: which one of the incident it belongs to.
    """
    dialect = context.connection.dialect.name
    table = own_tables(dialect).alerts
    what = f"remind:{context.now:%Y-%m-%d}" if event.what == "remind" else event.what
    what = f"{what}:{opening}" if opening > 1 else what
    who = f"{identity(context.connection)}-{context.now.timestamp():.0f}" if context.channels else ""
    kept = kept_traceback(context.connection, run) if run is not None else None
    message = as_json(_notice(event, since, error, run, kept.place if kept else None))
    rows = [
        {
            "key": f"alert:{who}:{incident}:{what}:{channel}",
            "incident_id": incident,
            "channel": channel,
            "message": message,
            "created_at": context.now,
            "next_at": context.now,
        }
        for channel in context.channels
    ]
    if rows:
        context.connection.execute(upsert(dialect, table).on_conflict_do_nothing(index_elements=["key"]), rows)
    return event


def title_of(kind: str, job: str) -> str:
    """What is wrong, and with whom: "failing: shop.hourly"."""
    return f"{TITLES.get(kind, kind)}: {job}"


def _notice(event: IncidentEvent, since: datetime, error: str | None, run: int | None, place: str | None) -> Notice:
    title = f"{_BEFORE.get(event.what, '')}{title_of(event.kind, event.job)}"
    facts = {"since": instant_text(since)}
    if error is not None:
        facts["last error"] = error
    if place is not None:
        facts["raised at"] = place
    return Notice("", title, event.text, event.job, facts, _command(event, run))


def _command(event: IncidentEvent, run: int | None) -> str:
    if event.kind == "channel_flooded":
        return "sexton alerts"
    if event.kind.startswith("channel_"):
        return f"sexton alerts --test {event.job}"
    if event.kind in _COMMANDS:
        return _COMMANDS[event.kind].format(event.job)
    if event.kind == "unloaded":
        return "sexton check"
    return f"sexton history {event.job}" if run is None else f"sexton show {run}"
