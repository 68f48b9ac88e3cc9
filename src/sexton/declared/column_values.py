"""`only`, `set` and `clear`: values from the settings against columns of the catalogue, as parameters, never as SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, false, not_, null, or_
from sqlalchemy.types import Boolean, Date, DateTime, Enum, Integer, Numeric, String, Uuid

from ..errors import PolicyError, ScheduleError, suggestion
from ..jobs.span import Span, parse_span
from .catalogue import Catalogue
from .time_columns import Moment, TimeMeaning

_PLAIN = (
    (Boolean, bool, "true or false"),
    (Integer, int, "a whole number"),
    (Numeric, (int, float), "a number"),
    (DateTime, datetime, "a time, written without quotes"),
    (Date, date, "a date, written without quotes"),
    (String, str, "text in quotes"),
    (Uuid, str, "text in quotes"),
)
"""Types of columns, what a value for them is in Python, and in words. An Enum is a String with its own check."""


INTEGER_LIMIT = 2**63
"""From here on whole numbers fit into no column."""

NOW = {"now": True}
"""In `set`: the time of the run."""

OPERATORS = ("at_least", "below", "newer_than", "not", "null", "older_than")


@dataclass(frozen=True, slots=True)
class ColumnConditions:
    """Conditions on columns of one table. meaning: how its columns are read as times."""

    catalogue: Catalogue
    table: Table
    meaning: TimeMeaning

    def matching(self, only: Mapping[str, object]) -> list[ColumnElement[bool]]:
        """The conditions of `only`. PolicyError for a value that its column cannot hold."""
        return [
            condition
            for name, asked in only.items()
            for condition in self._of_column(self.catalogue.column(self.table, name), asked)
        ]

    def _of_column(self, column: Column[Any], asked: object) -> list[ColumnElement[bool]]:
        if isinstance(asked, Mapping):
            return [self._operator(column, word, value) for word, value in asked.items()]
        return [_among(column, asked)]

    def moments(self, only: Mapping[str, object]) -> list[Moment]:
        """Its comparisons with the run's time."""
        return [
            (self.catalogue.column(self.table, name), sign, -_span(asked[word], f"only.{name}.{word}"))
            for name, asked in only.items()
            if isinstance(asked, Mapping)
            for word, sign in (("older_than", "<"), ("newer_than", ">="))
            if word in asked
        ]

    def _operator(self, column: Column[Any], word: object, value: object) -> ColumnElement[bool]:
        where = f"only.{column.name}"
        if word == "null":
            if not isinstance(value, bool):
                raise PolicyError(f"{where}.null: must be true or false")
            return column.is_(null()) if value else column.is_not(null())
        if word == "not":
            return or_(column.is_(null()), not_(_among(column, value)))
        if word in ("below", "at_least") and isinstance(value, datetime):
            instant = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            then = replace(self.meaning, at=instant)
            return then.before(column, Span()) if word == "below" else then.since(column, Span())
        if word in ("below", "at_least"):
            limit = column_value(column, value, where)
            condition: ColumnElement[bool] = column < limit if word == "below" else column >= limit
            return condition
        if word in ("older_than", "newer_than"):
            span = -_span(value, f"{where}.{word}")
            return self.meaning.before(column, span) if word == "older_than" else self.meaning.since(column, span)
        raise PolicyError(f"{where}: {word!r} is not known{suggestion(str(word), OPERATORS)}")


def _span(value: object, where: str) -> Span:
    try:
        return parse_span(value if isinstance(value, str) else "", where=where)
    except ScheduleError as error:
        raise PolicyError(str(error)) from None


def _among(column: Column[Any], value: object) -> ColumnElement[bool]:
    where = f"only.{column.name}"
    if isinstance(value, list | tuple):
        if not value:
            raise PolicyError(f"{where}: an empty list, which no row matches; remove it, or name values")
        return column.in_([column_value(column, one, where) for one in value])
    same: ColumnElement[bool] = column == column_value(column, value, where)
    return same


def column_value(column: Column[Any], value: object, where: str) -> Any:
    """The value, if the column can hold it; PolicyError else. where: begins the message."""
    kind = column.type
    if isinstance(kind, Enum):
        if value not in kind.enums:
            raise PolicyError(f"{where}: {value!r} is no value of {column.name}{suggestion(str(value), kind.enums)}")
        return value
    for known, wanted, words in _PLAIN:
        if isinstance(kind, known):
            if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
                raise PolicyError(f"{where}: {column.name} is {kind}; write {words}, not {value!r}")
            if isinstance(value, int) and abs(value) >= INTEGER_LIMIT:
                raise PolicyError(f"{where}: {value} is more than {column.name} can hold")
            if isinstance(value, datetime):
                raise PolicyError(f"{where}: no time is met exactly; write {{below = …}} or {{at_least = …}}")
            return value
    raise PolicyError(f"{where}: {column.name} is {kind}; a value for that cannot be written here")


def new_values(
    catalogue: Catalogue, table: Table, meaning: TimeMeaning, values: Mapping[str, object], clear: tuple[str, ...]
) -> tuple[dict[str, Any], ColumnElement[bool]]:
    """What a row gets, and whether it differs from that, but for columns that get the run's time. PolicyError."""
    new: dict[str, Any] = {}
    differs: list[ColumnElement[bool]] = []
    for name, value in values.items():
        column = _writable(catalogue.column(table, name))
        if value == NOW:
            new[name] = meaning.now(column)
            continue
        new[name] = column_value(column, value, f"set.{name}")
        differs.append(column.is_distinct_from(new[name]))
    for name in clear:
        column = _writable(catalogue.column(table, name))
        if not column.nullable:
            raise PolicyError(f"clear: {table.fullname}.{name} takes no NULL; give it a value in set")
        new[name] = null()
        differs.append(column.is_not(null()))
    return new, or_(false(), *differs)


def _writable(column: Column[Any]) -> Column[Any]:
    if column.computed is not None:
        raise PolicyError(f"{column.table.name}.{column.name} is generated by the database and cannot be set")
    if column.primary_key:
        raise PolicyError(f"{column.table.name}.{column.name} is of the key and cannot be set")
    return column
