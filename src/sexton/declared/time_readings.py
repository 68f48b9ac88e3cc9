"""What the values of time columns mean: ISO text as SQLite keeps it, and any value as an instant, for people."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, DateTime, String, and_, case, func, literal

from ..db.column_types import is_naive
from ..db.time_parameters import EPOCHS
from ..jobs.zoneless_columns import instant_of
from ..jobs.zones import load_zone

_SECONDS = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9][0-9]:[0-9][0-9]:[0-9][0-9]"


def keeps_no_zone(by: Column[Any], dialect: str) -> bool:
    """Whether it holds times without a zone; on SQLite so does all text."""
    return is_naive(by.type) or (dialect == "sqlite" and isinstance(by.type, DateTime | String))


def names_utc(by: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether ISO text says itself that it is in UTC."""
    return by.op("GLOB")(literal("*Z"))


def read_instant(unit: str | None, zone: str, local: bool, value: Any) -> datetime | None:
    """The instant, of a value as the driver gives it; None for none. local: times without zone are those of `zone`."""
    try:
        if isinstance(value, int) and unit is not None:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value * 1_000_000 // EPOCHS[unit])
        if isinstance(value, date) and not isinstance(value, datetime):  # its day has to be over
            return datetime.combine(value + timedelta(days=1), time(), load_zone(zone)).astimezone(UTC)
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    except (ValueError, OverflowError):
        return None
    if not isinstance(instant, datetime):
        return None
    if instant.tzinfo is not None:
        return instant.astimezone(UTC)
    return instant_of(instant, load_zone(zone)) if local else instant.replace(tzinfo=UTC)


def in_one_form(by: ColumnElement[Any]) -> ColumnElement[str]:
    """ISO text as "2026-11-22 10:00:00.000000", however it was written."""
    plain = func.replace(func.replace(by, "T", " "), "Z", "")
    whole = case((func.length(plain) == 19, plain + literal(".000000")), else_=plain + literal("000000"))
    return func.substr(whole, 1, 26)


def is_instant(by: ColumnElement[Any]) -> ColumnElement[bool]:
    """ISO text in UTC: "2026-11-22 10:00:00", or with T, Z, decimals; not with an offset, AM, or in another shape."""
    shaped = by.op("GLOB")(literal(f"{_SECONDS}*"))
    more = func.substr(by, 20).op("GLOB")(literal("*[^.0-9Z]*"))
    return and_(shaped, ~more)
