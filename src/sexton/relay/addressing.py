"""`{payload.email}` and the like as SQL over the rows of an outbox: to whom a message goes, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Table, Text, and_, cast, literal_column, null, or_
from sqlalchemy.types import TypeEngine

from ..channels.registry import channel_type
from ..db.column_types import OwnInstant, as_stored, is_time
from ..db.sql_expressions import as_text
from ..db.time_parameters import now
from ..jobs.duration import parse_duration
from .instants import later_instant, read_instant
from .messages import MessageTable, text_or_null
from .payload import first_missing, joined, payload_field
from .routes import ANY_RECIPIENT, FIELDS, Route


@dataclass(frozen=True, slots=True)
class Filled:
    """A text with its fields filled in. value: NULL where one is missing.  missing: the name of that one, or NULL."""

    value: ColumnElement[Any]
    missing: ColumnElement[str]


def filled(text: str, messages: MessageTable, rows: FromClause) -> Filled:
    """The text for each of the rows, which have the columns of the outbox."""
    parts: list[ColumnElement[str]] = []
    fields: list[tuple[str, ColumnElement[Any]]] = []
    end = 0
    for match in FIELDS.finditer(text):
        if match.start() > end:
            parts.append(as_text(text[end : match.start()]))
        value = field_value(match[1], messages, rows)
        fields.append((match[1], value))
        parts.append(value if isinstance(value.type, Text) else as_text(value))
        end = match.end()
    if end < len(text) or not parts:
        parts.append(as_text(text[end:]))
    return Filled(joined(parts), first_missing(fields))


def field_value(name: str, messages: MessageTable, rows: FromClause) -> ColumnElement[Any]:
    """What stands between braces, of each of the rows."""
    if name == "recipient":
        there = text_or_null(messages.recipient, rows)
        own = payload_field(rows.c[messages.payload.key], ("recipient",))
        return own if there is None else there
    if name == "key":
        return messages.key_text(rows)
    if name == "event":
        return as_text(rows.c[messages.event_type.key])
    if name in ("created_at", "now"):
        return rows.c[messages.created_at.key] if name == "created_at" else now()
    names = name.split(".")[1:]
    if not names:
        return cast(rows.c[messages.payload.key], Text)
    return payload_field(rows.c[messages.payload.key], names)


def typed(text: str, messages: MessageTable, rows: FromClause, kind: TypeEngine[Any]) -> Filled:
    """The text as a value of a column of this type: an instant as one, a payload as a document."""
    whole = FIELDS.fullmatch(text)
    found = filled(text, messages, rows)
    if whole is not None and whole[1] in ("created_at", "now") and is_time(kind):
        return Filled(now(kind) if whole[1] == "now" else rows.c[messages.created_at.key], found.missing)
    if is_time(kind):
        return Filled(read_instant(found.value), found.missing)
    return Filled(found.value if isinstance(kind, Text) else cast(found.value, as_stored(kind)), found.missing)


def recipient(route: Route, messages: MessageTable, rows: FromClause) -> Filled:
    """To whom a message goes by the route. A fixed address stays in the settings: it may be a secret."""
    nowhere: ColumnElement[str] = cast(null(), Text)
    if route.fixed:
        return Filled(as_text(""), nowhere)
    found = filled(route.to, messages, rows)
    needed = channel_type(route.channel).addressed or route.to != ANY_RECIPIENT
    return found if needed else Filled(found.value, nowhere)


def send_before(route: Route, messages: MessageTable, rows: FromClause) -> ColumnElement[Any]:
    """Until when a message is worth sending; NULL: always."""
    if not route.send_before:
        return cast(null(), OwnInstant())
    if FIELDS.fullmatch(route.send_before):
        return read_instant(filled(route.send_before, messages, rows).value)
    seconds = int(parse_duration(route.send_before).total_seconds())
    return later_instant(rows.c[messages.created_at.key], literal_column(str(seconds)))


def is_for(route: Route, messages: MessageTable, rows: FromClause | Table) -> ColumnElement[bool]:
    """Whether the route takes a message: by its event, and the fields that it asks for."""
    event = rows.c[messages.event_type.key]
    conditions: list[ColumnElement[bool]] = [] if route.takes_all else [event.in_(list(route.events))]
    for name, wanted in route.only.items():
        conditions.append(payload_field(rows.c[messages.payload.key], name.split(".")) == as_text(wanted))
    return and_(*conditions) if conditions else event.is_not(None)


def is_for_any(routes: tuple[Route, ...], messages: MessageTable, rows: FromClause | Table) -> ColumnElement[bool]:
    """Whether one of the routes takes it; those that only look at the event are asked at once."""
    plain = [route for route in routes if not route.only]
    found: list[ColumnElement[bool]] = [is_for(route, messages, rows) for route in routes if route.only]
    if any(route.takes_all for route in plain):
        found.append(rows.c[messages.event_type.key].is_not(None))
    elif events := sorted({event for route in plain for event in route.events}):
        found.append(rows.c[messages.event_type.key].in_(events))
    return or_(*found)
