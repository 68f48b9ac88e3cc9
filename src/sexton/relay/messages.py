"""The table that messages lie in, as the relay reads and closes it: Sexton's own, or one that a product has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Engine,
    MetaData,
    Table,
    Text,
    Uuid,
    any_,
    cast,
    func,
    literal,
)
from sqlalchemy import inspect as look_into
from sqlalchemy.types import JSON, DateTime, Integer, NullType

from ..db.column_types import BigKey, NaiveUtc, UtcDateTime, is_time
from ..db.connect import read_only
from ..db.search_path import schema_of
from ..db.sql_expressions import as_text, cast_to_text
from ..db.tables import own_tables
from ..errors import SettingsError, suggestion
from .payload import payload_field

NEEDED_COLUMNS = ("id", "event_type", "payload", "created_at", "published_at")
USED_COLUMNS = ("key", "recipient", "attempt_count", "last_attempted_at", "last_error")
"""Of a product's outbox: those that it must have, and those that are used where it has them."""

BATCH_SECONDS = 0.1
"""Seconds that a batch over messages should take: who writes messages waits for none of these rows."""


@dataclass(frozen=True, slots=True)
class MessageTable:
    """The columns of an outbox, by what they are for. name: as `deliveries` calls it; "" for Sexton's own."""

    name: str
    table: Table
    id: Column[Any]
    event_type: Column[Any]
    payload: Column[Any]
    created_at: Column[Any]
    published_at: Column[Any]
    key: Column[Any] | None = None
    recipient: Column[Any] | None = None
    attempt_count: Column[Any] | None = None
    last_attempted_at: Column[Any] | None = None
    last_error: Column[Any] | None = None

    @property
    def told_columns(self) -> tuple[Column[Any], ...]:
        """The columns of which messages are made."""
        each = (self.event_type, self.payload, self.created_at, self.key, self.recipient)
        return tuple(column for column in each if column is not None)

    def key_text(self, rows: Any = None) -> ColumnElement[str]:
        """The effect key of a message; where there is no column for it, from its payload, or else table and id."""
        of = self.table.c if rows is None else rows.c
        if self.key is not None:
            return as_text(of[self.key.key])
        given = payload_field(of[self.payload.key], ("key",))
        return func.coalesce(given, as_text(f"{self.name}:") + self.id_text(rows), type_=Text())

    def id_text(self, rows: Any = None) -> ColumnElement[str]:
        """The id as `deliveries.message` has it. rows: a relation with the columns, by default the table itself."""
        column = (self.table.c if rows is None else rows.c)[self.id.key]
        return column if isinstance(column.type, Text) else cast(column, Text)

    def id_of(self, text: ColumnElement[str]) -> ColumnElement[Any]:
        """That text as an id again, so that the table's own index is used."""
        return text if isinstance(self.id.type, Text) else cast(text, self.id.type)

    def ids_of(self, texts: Sequence[str]) -> list[Any]:
        """The same for values."""
        if isinstance(self.id.type, Integer):
            return [int(text) for text in texts]
        return [UUID(text) for text in texts] if isinstance(self.id.type, Uuid) else list(texts)


def own_messages(dialect: str) -> MessageTable:
    """Sexton's own outbox."""
    table = own_tables(dialect).outbox_events
    return MessageTable("", table, **{name: table.c[name] for name in (*NEEDED_COLUMNS, *USED_COLUMNS)})


def mapped_messages(engine: Engine, name: str, columns: Mapping[str, str]) -> MessageTable:
    """The outbox of a product, as its database knows it. columns: names that it has for ours.

    SettingsError when there is no such table, or a needed column is missing.
    """
    with read_only(engine) as connection:
        found = found_columns(connection, name, "outbox.table")
    made: dict[str, Column[Any]] = {}
    for wanted in (*NEEDED_COLUMNS, *USED_COLUMNS):
        there = columns.get(wanted, wanted)
        if there in found:
            made[wanted] = Column(there, _kind(wanted, found[there]), key=wanted, primary_key=wanted == "id")
        elif wanted in NEEDED_COLUMNS or wanted in columns:
            raise SettingsError(
                f"outbox.columns: {name} has no column {there!r} for {wanted}{suggestion(there, found)}; "
                f'write columns = {{ {wanted} = "…" }}'
            )
    schema, _, plain = name.rpartition(".")
    table = Table(plain, MetaData(), *made.values(), schema=schema or None)
    return MessageTable(name, table, **{wanted: table.c[wanted] for wanted in made})


def found_columns(connection: Connection, name: str, where: str) -> dict[str, Any]:
    """The columns of a product's table, name -> type. SettingsError beginning with `where` when there is none."""
    from sqlalchemy.exc import NoSuchTableError

    schema, _, plain = name.rpartition(".")
    looker = look_into(connection)
    searched = schema or schema_of(connection.dialect, Table(plain, MetaData())) or None
    try:
        columns = looker.get_columns(plain, schema=searched)
    except NoSuchTableError:
        near = suggestion(plain, looker.get_table_names(schema=searched))
        raise SettingsError(f"{where}: there is no table {name} in this database{near}") from None
    return {column["name"]: column["type"] for column in columns}


def _kind(wanted: str, found: Any) -> Any:
    """The type as statements need it: instants and numbers of ours, everything else as it is there."""
    if wanted in ("created_at", "published_at", "last_attempted_at"):
        return NaiveUtc() if is_time(found) and isinstance(found, DateTime) and not found.timezone else UtcDateTime()
    if wanted == "payload":
        return found if isinstance(found, JSON) else Text()
    if wanted == "id" and isinstance(found, Integer):
        return BigKey
    if wanted in ("key", "recipient", "event_type", "last_error"):
        return Text()
    return Text() if isinstance(found, NullType) else found


def among(column: Column[Any], values: Sequence[Any], dialect: str) -> ColumnElement[bool]:
    """Whether the column has one of these values; on PostgreSQL one array, so that the statement is always the same."""
    if dialect == "postgresql":
        return column == any_(literal(list(values), ARRAY(column.type)))
    return column.in_(values)


def text_or_null(column: Column[Any] | None, rows: Any) -> ColumnElement[str] | None:
    """A column that a product's outbox may not have, as text."""
    if column is None:
        return None
    there = rows.c[column.key]
    return there if isinstance(there.type, Text) else cast_to_text(there)
