"""Instants: always aware, always UTC inside Sexton.

Arithmetic is done in UTC only: two local times of one autumn hour compare equal in Python although an hour
lies between them. The current time of a run comes from its database (`sexton.db`), not from here.
"""

from __future__ import annotations

from datetime import UTC, datetime

from .errors import UsageError

FIRST_YEAR, LAST_YEAR = 1900, 2400
"""Years that people may name for a run, a pause, a calendar: no arithmetic leads out of what a datetime can hold."""


def in_utc(instant: datetime) -> datetime:
    """The same instant in UTC. A naive datetime is refused with ValueError: it names no instant."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone")
    return instant.astimezone(UTC)


def parse_instant(text: str) -> datetime:
    """Read ISO 8601 ("2026-11-22T10:00:00+02:00", "2026-11-22 10:00", "2026-11-22"); no offset means UTC."""
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(f"{text!r} is not a time; write for instance 2026-11-22T10:00:00Z") from error
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else in_utc(instant)


def parse_reckonable(text: str) -> datetime:
    """`parse_instant`, for times that schedules are reckoned from: only years that leave them room."""
    try:
        instant = parse_instant(text)
    except OverflowError:
        instant = datetime.max.replace(tzinfo=UTC)
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise UsageError(f"{text!r} is out of reach; write a time of the years {FIRST_YEAR} to {LAST_YEAR}")
    return instant


def iso(instant: datetime) -> str:
    """The one text form: "2026-11-22T10:00:00.000000Z", always UTC, always six decimals, so text sorts as time."""
    return in_utc(instant).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
