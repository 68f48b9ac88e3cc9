"""From rows of the outbox to messages as a channel takes them: payload, template, the id that never changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from ..channels.contract import OutgoingMessage
from ..masking import MASK
from .messages import MessageTable, among
from .relay import MessageRelay
from .routes import Route

if TYPE_CHECKING:
    from ..channels.templates import Templates


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as it lies in the outbox."""

    event: str
    payload: Mapping[str, Any]
    created_at: datetime


def stored_messages(connection: Connection, messages: MessageTable, ids: Sequence[str]) -> dict[str, Stored]:
    """Those that are still there, by their id as text."""
    asked = select(messages.id_text().label("id"), messages.event_type, messages.payload, messages.created_at)
    rows = connection.execute(asked.where(among(messages.id, messages.ids_of(ids), connection.dialect.name)))
    return {row[0]: Stored(str(row[1]), payload_of(row[2]), row[3]) for row in rows}


def payload_of(value: Any) -> dict[str, Any]:
    """The payload as a mapping; what is no object stands in the field `payload`."""
    if isinstance(value, str | bytes):
        try:
            value = json.loads(value)
        except ValueError:
            return {"payload": value if isinstance(value, str) else value.hex()}
    return dict(value) if isinstance(value, Mapping) else {"payload": value}


def message_id(key: str) -> str:
    """What receivers tell a second copy by: keys hold dots and addresses, which an id must not (Standard Webhooks)."""
    return f"msg_{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()[:32]}"


def shown_payload(payload: Mapping[str, Any], secret: Sequence[str]) -> dict[str, Any]:
    """The payload as people and logs may see it."""
    from ..masking import without_secrets

    plain = {name: MASK if name in secret else value for name, value in payload.items()}
    seen = without_secrets(plain)
    assert isinstance(seen, dict)
    return seen


def secret_fields(relay: MessageRelay, event: str) -> tuple[str, ...]:
    """Fields that a route of this event calls secret."""
    return tuple({name: None for route in relay.routes if route.takes(event) for name in route.secret})


class Renderer:
    """Makes messages of what lies in the outbox. Templates are loaded when the first one is needed."""

    def __init__(self, relay: MessageRelay) -> None:
        self._relay = relay
        self._templates: Templates | None = None

    def message(
        self, route: Route, key: str, stored: Sequence[Stored], recipient: str, *, attempt: int, uncertain: bool
    ) -> OutgoingMessage:
        """The message for one recipient. Several of `stored`: a digest.

        TemplateError, SettingsError: a variable that is missing, a template that is not there.
        """
        first = stored[0]
        payload = dict(first.payload) if not route.digest else digest_payload(stored)
        if route.channel == "log":
            payload = shown_payload(payload, secret_fields(self._relay, first.event))
        message = OutgoingMessage(
            id=message_id(key),
            key=key,
            event=first.event,
            recipient=recipient,
            payload=payload,
            created_at=first.created_at,
            attempt=attempt,
            uncertain=uncertain,
        )
        return self._loaded().render(route.template, message) if route.template else message

    def _loaded(self) -> Templates:
        if self._templates is None:
            from ..channels.templates import Templates

            self._templates = Templates(self._relay.templates)
        return self._templates


def digest_payload(stored: Sequence[Stored]) -> dict[str, Any]:
    """Several messages as one payload: `count`, and `messages`, each with `event`, `created_at` and its payload."""
    each = [
        {"event": one.event, "created_at": one.created_at.isoformat(), "payload": dict(one.payload)} for one in stored
    ]
    return {"count": len(each), "messages": each}
