"""The incident about the list of a fleet's databases: opened and closed by whoever reads the list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from .alert_rules import RuleMatch
from .alert_texts import NotificationContext
from .incidents import close_incident, healthy, open_incident, open_incidents

FLEET_LIST_KEPT = "fleet_list_kept"
"""Kind of an incident about a list that is empty, or from which many are gone at once; its job is `LIST_OF_FLEET`."""

LIST_OF_FLEET = "fleet"


def list_kept(connection: Connection, reason: str, channels: Sequence[str], now: datetime) -> None:
    """The old list stays: told once."""
    context = NotificationContext(connection, healthy(channels, open_incidents(connection)), now)
    open_incident(context, LIST_OF_FLEET, RuleMatch(FLEET_LIST_KEPT, reason, now))


def list_believed(connection: Connection, channels: Sequence[str], now: datetime) -> None:
    """The list that was read is used: if it was not, that is over."""
    known = open_incidents(connection)
    for incident in known:
        if incident.kind == FLEET_LIST_KEPT:
            context = NotificationContext(connection, healthy(channels, known), now)
            close_incident(context, incident, "the list of databases is used again")
