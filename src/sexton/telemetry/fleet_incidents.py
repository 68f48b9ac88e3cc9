"""Incidents about a fleet: its list of databases, jobs that were halted; opened and closed by whoever finds it so."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection

from .alert_rules import RuleMatch
from .alert_texts import NotificationContext
from .incidents import close_incident, healthy, open_incident, open_incidents

FLEET_LIST_KEPT = "fleet_list_kept"
"""Kind of an incident about a list that is empty, or from which many are gone at once; its job is `LIST_OF_FLEET`."""

FLEET_JOB_HALTED = "fleet_job_halted"
"""Kind of an incident about a job that runs nowhere in the fleet any more, as a wave went badly (B.4)."""

ABOUT_FLEET = (FLEET_LIST_KEPT, FLEET_JOB_HALTED)

LIST_OF_FLEET = "fleet"


def list_kept(connection: Connection, reason: str, channels: Sequence[str], now: datetime) -> None:
    """The old list stays: told once."""
    _open(connection, LIST_OF_FLEET, RuleMatch(FLEET_LIST_KEPT, reason, now), channels)


def list_believed(connection: Connection, channels: Sequence[str], now: datetime) -> None:
    """The list that was read is used: if it was not, that is over."""
    _close(connection, FLEET_LIST_KEPT, {LIST_OF_FLEET}, "the list of databases is used again", channels, now)


def job_halted(connection: Connection, job: str, reason: str, channels: Sequence[str], now: datetime) -> None:
    """A wave went badly: told once."""
    words = f"{job} was halted in the fleet, and runs in none of its databases: {reason}"
    _open(connection, job, RuleMatch(FLEET_JOB_HALTED, words, now), channels)


def job_goes_on(connection: Connection, job: str, channels: Sequence[str], now: datetime) -> None:
    """It goes to its canaries again, changed or tried once more: if it was halted, that is over."""
    _close(connection, FLEET_JOB_HALTED, {job}, f"{job} goes through the fleet again", channels, now)


def jobs_defined(connection: Connection, jobs: Collection[str], channels: Sequence[str], now: datetime) -> None:
    """All jobs of the fleet: of any other, that it was halted is over."""
    halted = {incident.job for incident in open_incidents(connection) if incident.kind == FLEET_JOB_HALTED}
    _close(connection, FLEET_JOB_HALTED, halted - {*jobs}, "it is no longer a job of the fleet", channels, now)


def _open(connection: Connection, job: str, match: RuleMatch, channels: Sequence[str]) -> None:
    context = NotificationContext(connection, healthy(channels, open_incidents(connection)), match.since)
    open_incident(context, job, match)


def _close(
    connection: Connection, kind: str, jobs: Collection[str], text: str, channels: Sequence[str], now: datetime
) -> None:
    known = open_incidents(connection)
    for incident in known:
        if incident.kind == kind and incident.job in jobs:
            close_incident(NotificationContext(connection, healthy(channels, known), now), incident, text)
