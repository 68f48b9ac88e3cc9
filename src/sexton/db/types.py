"""Column types: instants, keys, words of an enum.

Python sees aware UTC datetimes; each database keeps one canonical form.

PostgreSQL: `timestamp with time zone`. SQLite: text `2026-11-22 10:00:00.000000`, always UTC and always six
decimals, so that text sorts as time. A naive column of a product (`timestamp` without zone) means UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, BindParameter, ColumnElement, DateTime, Integer, Text, cast
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

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


class Word(UserDefinedType[str]):
    """A word such as a status, in a column that may be text or an enum of the product.

    PostgreSQL compares an enum with no text, but reads a bare literal as whatever stands beside it: so values of this
    type go without a cast.
    """

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TEXT"

    def literal_processor(self, dialect: Dialect) -> Callable[[str], str]:
        return Text().literal_processor(dialect)  # type: ignore[no-untyped-call, no-any-return]


class RowAddress(UserDefinedType[str]):
    """Where a row of PostgreSQL lies (`ctid`): the only name of a row in a table without a key, until it moves."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "tid"

    def bind_expression(self, bindvalue: BindParameter[str]) -> ColumnElement[str]:
        return cast(bindvalue, self)


def is_time(column_type: TypeEngine[Any]) -> bool:
    """Whether a column of this type holds instants that a policy can compare with the run's time."""
    return isinstance(column_type, DateTime | UtcDateTime)


def is_naive(column_type: TypeEngine[Any]) -> bool:
    """Whether the column keeps no zone, so that UTC is meant."""
    if isinstance(column_type, UtcDateTime):
        return isinstance(column_type, NaiveUtc)
    return isinstance(column_type, DateTime) and not column_type.timezone
