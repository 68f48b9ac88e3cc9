"""Incidents about engines that carry runs: one that does not answer, opened and closed by whoever hands runs to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from .alert_rules import RuleMatch
from .alert_texts import NotificationContext
from .incidents import close_incident, healthy, open_incident, open_incidents

ENGINE_DOWN = "engine_down"
"""Kind of an incident about an engine that takes no messages; its job is the engine's name."""


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
