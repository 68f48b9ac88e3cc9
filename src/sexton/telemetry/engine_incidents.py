"""Incidents about engines that carry runs: one that takes nothing, and one that begins nothing of what it took.

The first is opened and closed by whoever hands runs to it; the second is read from the rows, by whoever watches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from ..db.tables import own_tables
from ..jobs.job import IN_DATABASE, OWN_ENGINE, Job
from ..request_state import RequestState
from ..requests.submission import requests_move
from ..run_state import RunState
from ..slots.submission import STALLED, moves, open_runs
from .alert_rules import RuleMatch
from .alert_texts import NotificationContext
from .incidents import close_incident, healthy, open_incident, open_incidents

ENGINE_DOWN = "engine_down"
"""Kind of an incident about an engine that takes no messages; its job is the engine's name."""

ENGINE_STALLED = "engine_stalled"
"""The same of one that has messages, and of which nothing was begun for five minutes."""

ABOUT_ENGINES = (ENGINE_DOWN, ENGINE_STALLED)


def engine_broke(connection: Connection, name: str, reason: str, channels: Sequence[str], now: datetime) -> None:
    """An engine took no message: told once."""
    context = NotificationContext(connection, healthy(channels, open_incidents(connection)), now)
    text = f"runs cannot be handed to {name}: {reason}"
    open_incident(context, name, RuleMatch(ENGINE_DOWN, text, now))


def engine_answers(connection: Connection, name: str, channels: Sequence[str], now: datetime) -> None:
    """It took one: if it was down, that is over."""
    known = open_incidents(connection)
    for incident in known:
        if incident.kind == ENGINE_DOWN and incident.job == name:
            context = NotificationContext(connection, healthy(channels, known), now)
            close_incident(context, incident, f"{name} takes runs again")


def engines_of(jobs: Iterable[Job]) -> set[str]:
    """The names of the engines that carry these jobs."""
    return {job.engine for job in jobs} - {OWN_ENGINE, IN_DATABASE}


def engine_matches(connection: Connection, jobs: Iterable[Job], now: datetime) -> dict[tuple[str, str], RuleMatch]:
    """Engines of these jobs that have stalled; only reads."""
    found = {}
    for name in engines_of(jobs):
        waiting, since = _waiting(connection, name, now)
        if waiting and not moves(connection, name, now) and not requests_move(connection, name, now):
            what = f"{waiting:,} run{'s' * (waiting != 1)} wait{'s' * (waiting == 1)} in {name}"
            text = f"{what}, and none was begun there for {STALLED.seconds // 60} minutes; do its workers live?"
            found[name, ENGINE_STALLED] = RuleMatch(ENGINE_STALLED, text, since or now)
    return found


def _waiting(connection: Connection, engine: str, now: datetime) -> tuple[int, datetime | None]:
    """What was handed to an engine, has waited for five minutes, and is not begun; since when the oldest waits."""
    handed = [run for run in open_runs(connection) if run.engine == engine and run.submissions]
    runs = [run.started_at for run in handed if run.state == RunState.QUEUED and now - run.started_at > STALLED]
    requests = own_tables(connection.dialect.name).requests.c
    mine = (requests.state == RequestState.SUBMITTED, requests.engine == engine)
    oldest = func.min(requests.created_at, type_=requests.created_at.type)
    asked = select(func.count(), oldest).where(*mine, requests.created_at < now - STALLED)
    number, since = connection.execute(asked).one()
    return len(runs) + number, min((one for one in (*runs, since) if one is not None), default=None)
