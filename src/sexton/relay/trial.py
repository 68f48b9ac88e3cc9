"""A test message by a route, at once and without the outbox: does it arrive, and does its template hold?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from ..call_state import CallState
from ..channels.contract import ChannelError, as_outcome
from ..channels.template_files import TemplateError
from ..errors import UsageError
from .relay import MessageRelay
from .rendering import Renderer, Stored
from .routes import IN_APP

TEST_SECONDS = 60.0
"""Seconds that a test message may take."""


def send_test(relay: MessageRelay, name: str, to: str, payload: Mapping[str, Any]) -> tuple[str, str]:
    """What came of it, one word, and why. to: the address; "": the fixed one of the route.

    UsageError where nothing can be sent: no address, rows of the product.
    """
    route = relay.route(name)
    if route is None or route.channel == IN_APP:
        raise UsageError(f"messages by {name} are rows of the product, which a test does not write")
    channel = relay.channels[route.channel]
    recipient = to or (route.to if route.fixed else "")
    if not recipient and channel.addressed and not route.fixed:
        raise UsageError(f"who gets it? say --to ADDRESS, as {name} sends to {route.to}")
    stored = Stored(route.events[0], payload, datetime.now(UTC))
    try:
        message = Renderer(relay).message(route, f"test:{uuid4()}", [stored], recipient, attempt=1, uncertain=False)
        outcome = next(iter(channel.deliver([message], seconds=TEST_SECONDS)))
    except TemplateError as error:
        return CallState.FAILED.value, str(error)
    except ChannelError as error:
        outcome = as_outcome(error)
    except Exception as error:  # code of others, perhaps
        return CallState.FAILED.value, f"raised {type(error).__name__}"  # its text may quote what is secret
    return type(outcome).__name__.lower(), outcome.why
