"""Column types: instants, keys, words of an enum, text of others.

Python sees aware UTC datetimes; each database keeps one canonical form.

PostgreSQL: `timestamp with time zone`. SQLite: text `2026-11-22 10:00:00.000000`, always UTC and always six
decimals, so that text sorts as time. A naive column of a product (`timestamp` without zone) means UTC.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    Numeric,
    Text,
    Time,
    case,
    cast,
    literal_column,
    type_coerce,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine, UserDefinedType

from ..clock import FIRST_YEAR, LAST_YEAR, in_utc
from ..texts import encodable, lines, one_line

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


class OwnInstant(UtcDateTime):
    """An instant in a table of ours. Whatever somebody else left there reads as the nearest that can be reckoned from:

    `infinity`, BC and the year 20000 are instants that Python does not know, and one row must stop nothing (SEC-2).
    """

    cache_ok = True

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return arithmetic_instant(column)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        read = super().result_processor(dialect, coltype)
        assert read is not None  # as `process_result_value` is ours
        last = datetime(LAST_YEAR, 1, 1, tzinfo=UTC)

        def readable(value: Any) -> Any:
            try:
                return read(value)
            except (ValueError, TypeError):  # SQLite takes any text
                return last

        return readable


def arithmetic_instant(instant: ColumnElement[Any]) -> ColumnElement[Any]:
    """The nearest instant that leaves room for arithmetic, in the database as in Python."""
    first, last = (literal_column(f"'{year}-01-01 00:00:00.000000'", instant.type) for year in (FIRST_YEAR, LAST_YEAR))
    return case((instant < first, first), (instant > last, last), else_=instant)


class NaiveUtc(UtcDateTime):
    """An instant in a column without zone: stored and compared as UTC, whatever the session's TimeZone says."""

    impl = DateTime(timezone=False)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else in_utc(value).replace(tzinfo=None)


class AsStored(TypeDecorator[Any]):
    """A value that only has to come back to its database. SQLite gives it as it lies there, whatever its column says:

    a key declared STRING or DECIMAL may hold any text, which the library would read as a number.
    """

    impl = NullType
    cache_ok = True

    def __init__(self, kind: TypeEngine[Any]) -> None:
        super().__init__()
        self.kind = kind

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(NullType() if dialect.name == "sqlite" else self.kind)

    def coerce_compared_value(self, op: Any, value: Any) -> TypeEngine[Any]:
        return self


class Untyped(NullType):
    """A column of SQLite that was declared without a type: it keeps what it is given as it is."""

    cache_ok = True


@compiles(Untyped, "sqlite")
def _untyped(_type: Untyped, _compiler: SQLCompiler, **_: Any) -> str:
    return "BLOB"  # means the same there


def as_stored(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type for a cursor's value of a column of this type."""
    return AsStored(kind) if isinstance(kind, Numeric | Boolean | JSON | Date | Time | LargeBinary) else kind


ENCODING = "sexton_encoding"
"""Attribute of a dialect: in what the database keeps text, when that is less than all of Unicode."""


MAX_LINES_BYTES = 16 * 1024
"""Bytes that are kept of a text of several lines."""


class Line(TypeDecorator[str]):
    """One line of text that somebody else may have written: an error, a reason, a name. Whatever it is can be kept.

    Made fit by `one_line`; what the database's encoding lacks is escaped as well.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else _held(self.fit(value), dialect)

    def fit(self, value: str) -> str:
        """The form that is kept."""
        return one_line(value)


class Lines(Line):
    """The same for several lines; of a long text, head and tail are kept."""

    cache_ok = True

    def fit(self, value: str) -> str:
        return lines(value, MAX_LINES_BYTES)


class OneOf(TypeDecorator[str]):
    """A word of an enumeration of ours. One that it has not, as a later version writes, reads as the text it is."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words
        self._known: dict[str | None, str] = {str(word): word for word in words}

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return self._known.get(value, value)


class Document(TypeDecorator[Any]):
    """JSON of ours whose names and texts may be those of others; what JSON cannot hold is kept as text.

    What somebody else left in such a column, and is no JSON, reads as None (SQLite takes any text).
    """

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return _plain(value)

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return type_coerce(cast(column, Text), self)  # else the driver reads it, and fails as a whole

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        def readable(value: Any) -> Any:
            with suppress(ValueError, TypeError, RecursionError):  # the last of thousands of brackets
                return json.loads(value)
            return None

        return readable


def _held(text: str, dialect: Dialect) -> str:
    encoding = getattr(dialect, ENCODING, None)
    return text if encoding is None else encodable(text, encoding)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {one_line(str(name)): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    return one_line(str(value))


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
