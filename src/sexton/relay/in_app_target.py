"""Where messages in the product go: a table of its own, and what each column of it gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, FromClause, MetaData, Select, Table, select
from sqlalchemy.types import NullType, Text

from ..errors import SettingsError, suggestion
from .addressing import Filled, field_value, typed
from .messages import MessageTable, found_columns
from .payload import first_missing
from .routes import FIELDS


@dataclass(frozen=True, slots=True)
class InAppTarget:
    """A table of the product, and the text that fills each column."""

    table: Table
    columns: Mapping[str, str]

    def rows(self, messages: MessageTable, relation: FromClause) -> Select[Any]:
        """A row for each message of `relation` that has all that is needed."""
        values = self._values(messages, relation)
        chosen = select(*(found.value.label(name) for name, found in values.items())).select_from(relation)
        return chosen.where(self.missing(messages, relation).is_(None))

    def missing(self, messages: MessageTable, relation: FromClause) -> ColumnElement[str]:
        """The name of the first field that a message lacks; NULL: it has all."""
        needed: list[tuple[str, ColumnElement[Any]]] = []
        for text in self.columns.values():
            needed += [(name, field_value(name, messages, relation)) for name in FIELDS.findall(text)]
        return first_missing(list({name: (name, value) for name, value in needed}.values()))

    def _values(self, messages: MessageTable, relation: FromClause) -> dict[str, Filled]:
        return {name: typed(text, messages, relation, self.table.c[name].type) for name, text in self.columns.items()}


def in_app_target(connection: Connection, name: str, columns: Mapping[str, str]) -> InAppTarget:
    """The table as the database knows it. SettingsError for a table or column that is not there."""
    found = found_columns(connection, name, "channel.in_app.table")
    for column in columns:
        if column not in found:
            raise SettingsError(f"channel.in_app.columns: {name} has no column {column!r}{suggestion(column, found)}")
    schema, _, plain = name.rpartition(".")
    made = [Column(column, Text() if isinstance(found[column], NullType) else found[column]) for column in columns]
    return InAppTarget(Table(plain, MetaData(), *made, schema=schema or None), dict(columns))
