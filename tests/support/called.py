"""Short words for one call that ended, as a run records it about whoever was called."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from sexton.calls.destinations import record
from sexton.calls.health import CallReport, FailureKind, HealthChange


def went_well(connection: Connection, name: str, subject: str, at: datetime) -> HealthChange | None:
    """It answered, if only that the row is wrong."""
    return record(connection, [CallReport(name, subject)], at).get(name)


def failed(
    connection: Connection,
    name: str,
    subject: str,
    why: str,
    at: datetime,
    *,
    kind: FailureKind,
    asked: float | None = None,
    settings: str = "",
) -> HealthChange | None:
    """A call failed in a way that may be the other side's; `CallReport` has the fields."""
    return record(connection, [CallReport(name, subject, kind, why, asked, settings)], at).get(name)
