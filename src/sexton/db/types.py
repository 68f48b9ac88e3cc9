"""Column types for instants. Python sees aware UTC datetimes; each database keeps one canonical form.

PostgreSQL: `timestamp with time zone`. SQLite: text `2026-11-22 10:00:00.000000`, always UTC and always six
decimals, so that text sorts as time. A naive column of a product (`timestamp` without zone) means UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from ..clock import in_utc

BigKey = BigInteger().with_variant(Integer(), "sqlite")
"""A numbering primary key: 64 bit on both; SQLite numbers only columns that are called INTEGER."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. Takes aware datetimes only (ValueError else), gives aware UTC datetimes."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        instant = in_utc(value)
        return instant.replace(tzinfo=None) if dialect.name == "sqlite" else instant

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class NaiveUtc(UtcDateTime):
    """An instant in a column without zone: stored and compared as UTC, whatever the session's TimeZone says."""

    impl = DateTime(timezone=False)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else in_utc(value).replace(tzinfo=None)


def is_time(column_type: TypeEngine[Any]) -> bool:
    """Whether a column of this type holds instants that a policy can compare with the run's time."""
    return isinstance(column_type, DateTime | UtcDateTime)


def is_naive(column_type: TypeEngine[Any]) -> bool:
    """Whether the column keeps no zone, so that UTC is meant."""
    if isinstance(column_type, UtcDateTime):
        return isinstance(column_type, NaiveUtc)
    return isinstance(column_type, DateTime) and not column_type.timezone
