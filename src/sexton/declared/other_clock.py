"""Whether a column of births without zone looks as if it held the local time of another zone than the rule says."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, Text, cast, func, select

from ..config.policy_settings import PolicySettings
from ..policies.contract import Plan
from .time_readings import keeps_no_zone

_AHEAD = timedelta(minutes=5)
"""Rows are not born later than now; clocks of hosts may be that far apart."""

_STEP, _LATE = timedelta(minutes=30), timedelta(minutes=2)
"""Zones lie whole steps apart; a table in use has a row that was born within `_LATE`."""

_FARTHEST = timedelta(hours=14)


def clock_doubt(connection: Connection, plan: Plan, settings: PolicySettings, now: datetime) -> str | None:
    """One line, as a question; None: there is no sign of it. A deadline says nothing: it may lie anywhere."""
    by = plan.by
    if by is None or plan.read is None or not settings.born or settings.zone_column is not None:
        return None
    if not keeps_no_zone(by, connection.dialect.name):
        return None
    newest = plan.read(connection.execute(select(cast(func.max(by), Text))).scalar())
    if newest is None:
        return None
    behind = now - newest
    steps = behind // _STEP
    if behind < -_AHEAD:
        words = f"{_hours(-behind)} ahead of now"
    elif _STEP < steps * _STEP <= _FARTHEST and behind % _STEP <= _LATE:
        words = f"{_hours(steps * _STEP)} behind now, as if it were a clock of another zone"
    else:
        return None
    right = f"is {settings.zone} right?" if settings.zone else 'does the column hold local time? then write zone = "…"'
    return f"the newest {by.name} is {words}: {right}"


def _hours(length: timedelta) -> str:
    days, rest = divmod(length, timedelta(days=1))
    return f"{days} d" if days else f"{rest / timedelta(hours=1):.2g} h"
