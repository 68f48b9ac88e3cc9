"""Delivery: a `Call` over `deliveries` for the routes of a channel that are tried again, limited and timed alike.

What is called here looks up message and person, renders, and hands over to the channel. It runs outside of any
transaction; what it reads it reads in short ones of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, or_

from ..call_outcomes import Again, CallOutcome, Failed, Gone
from ..call_state import CallState
from ..channels.contract import ChannelError, ConfiguredChannel, OutgoingMessage, as_outcome
from ..channels.registry import channel_for
from ..channels.template_files import TemplateError
from ..db.connect import read_only
from ..db.ledger import text_key
from ..db.sql_expressions import as_text
from ..policies.call import Call
from ..policies.call_rule import Attempt, CallColumns, RecordedCall
from ..texts import one_line
from .closing import close_messages
from .digests import DIGEST, end_members, members_of
from .endpoints import after_calls, disabled
from .relay import MessageRelay
from .rendering import Renderer, Stored, stored_messages
from .routes import IN_APP, Route

DELIVERY_TIMEOUT = "60s"
"""Hard end of one call: a batch of mails through one connection."""


def lanes_of(relay: MessageRelay) -> list[tuple[str, tuple[Route, ...]]]:
    """Steps by name, and the routes of each, the most urgent first."""
    groups: dict[tuple[Any, ...], list[Route]] = {}
    for route in relay.routes:
        if route.channel != IN_APP:
            key = (route.channel, route.retry, route.give_up_after, route.rates)
            groups.setdefault(key, []).append(route)
    found: dict[str, tuple[Route, ...]] = {}
    for (channel, *_), routes in groups.items():
        name = f"deliver_{channel}"
        found[name if name not in found else f"{name}_{routes[0].name}"] = tuple(routes)
    return sorted(found.items(), key=lambda one: -max(route.priority for route in one[1]))


def delivery_calls(relay: MessageRelay, engine: Engine) -> list[Call]:
    """The policies that call, one a lane."""
    return [_call(relay, engine, name, routes) for name, routes in lanes_of(relay)]


def _call(relay: MessageRelay, engine: Engine, name: str, routes: tuple[Route, ...]) -> Call:
    d, first = relay.deliveries.c, routes[0]
    channel = relay.channels[first.channel]
    sender = Sender(relay, engine, channel)
    return Call(
        relay.deliveries,
        by=d.priority,
        call=sender.many if channel.batch > 1 else sender.one,
        key=text_key("delivery", d.id),
        when=_when(relay, routes),
        destination=d.destination,
        rate=first.rates,
        timeout=DELIVERY_TIMEOUT,
        batch=channel.batch,
        retry=first.retry or channel.retry,
        give_up_after=first.give_up_after,
        on_unknown="once",
        settings=settings_fingerprint(channel.settings),
        after_record=partial(_ended, relay, sender),
        state=CallColumns(
            attempts=d.attempts,
            next_at=d.next_at,
            error=d.error,
            status=d.state,
            claim=d.claim,
            leased_until=d.leased_until,
            first_at=d.first_at,
            code=d.code,
            run_id=d.run_id,
        ),
        name=name,
    )


def _when(relay: MessageRelay, routes: tuple[Route, ...]) -> ColumnElement[bool]:
    """Deliveries by these routes; of a digest the first one."""
    d = relay.deliveries.c
    mine = and_(
        d.closed_at.is_(None),
        relay.mine,
        d.route.in_([route.name for route in routes]),
    )
    digests = [route.name for route in routes if route.digest]
    if not digests:
        return mine
    leads = d.batch == as_text(DIGEST).op("||")(as_text(d.id))
    return and_(mine, or_(d.route.not_in(digests), leads))


def _ended(relay: MessageRelay, sender: Sender, connection: Connection, recorded: Sequence[RecordedCall]) -> None:
    """In the transaction that records: messages of which nothing is left are closed, and endpoints are judged."""
    if called := {call.row.id: address for call in recorded if (address := sender.endpoints.pop(call.row.id, None))}:
        after_calls(connection, recorded, called)
    rows = [call.row for call in recorded if call.closed]
    if not rows:
        return
    at = recorded[-1].at
    ids = [row.message for row in rows]
    if stamps := [row.batch for row in rows if row.batch is not None]:
        ids += end_members(connection, relay, stamps, at)
    close_messages(connection, relay, ids, at)


class Sender:
    """What a `Call` calls: one delivery, or several of one destination."""

    def __init__(self, relay: MessageRelay, engine: Engine, channel: ConfiguredChannel[Any]) -> None:
        self._relay = relay
        self._engine = engine
        self._channel = channel
        self._renderer = Renderer(relay)
        self.endpoints: dict[Any, str] = {}
        """Addresses of strangers that are called, by the id of the delivery, until it is recorded."""

    def one(self, attempt: Attempt) -> CallOutcome:
        """Deliver one."""
        return next(iter(self.many([attempt])))

    def many(self, attempts: Sequence[Attempt]) -> Iterator[CallOutcome]:
        """Deliver them, an outcome for each, in order, as soon as it is known."""
        prepared = self._prepared(attempts)
        outgoing = [found for found in prepared if isinstance(found, OutgoingMessage)]
        answers = self._answers(outgoing, min(attempt.left for attempt in attempts)) if outgoing else iter(())
        for found in prepared:
            if not isinstance(found, OutgoingMessage):
                yield found
                continue
            yield next(answers, Again("the channel gave no answer"))

    def _answers(self, outgoing: Sequence[OutgoingMessage], seconds: float) -> Iterator[CallOutcome]:
        try:
            yield from self._channel.deliver(outgoing, seconds=seconds)
        except ChannelError as error:
            yield as_outcome(error)

    def _prepared(self, attempts: Sequence[Attempt]) -> list[CallOutcome | OutgoingMessage]:
        """A message for each, or why there is none."""
        with read_only(self._engine) as connection:
            members = members_of(connection, self._relay, [attempt.row for attempt in attempts])
            ids = [row.message for rows in members.values() for row in rows]
            stored = stored_messages(connection, self._relay.messages, ids)
            people: dict[tuple[str, str], Any] = {}
            for name in {attempt.row.route for attempt in attempts} & self._relay.people.keys():
                asked = {attempt.row.recipient for attempt in attempts if attempt.row.route == name}
                found = self._relay.people[name].of(connection, asked)
                people.update({(name, recipient): found.get(recipient) for recipient in asked})
            prepared = [self._message(attempt, members, stored, people) for attempt in attempts]
            return self._without_disabled(connection, attempts, prepared)

    def _without_disabled(
        self, connection: Connection, attempts: Sequence[Attempt], found: list[CallOutcome | OutgoingMessage]
    ) -> list[CallOutcome | OutgoingMessage]:
        """Endpoints of strangers that are disabled get nothing; `sexton outbox replay` sends it later."""
        pairs = zip(attempts, found, strict=True)
        strangers = {
            attempt.row.id: one.recipient
            for attempt, one in pairs
            if isinstance(one, OutgoingMessage) and self._channel.strangers and "://" in one.recipient
        }
        off = disabled(connection, set(strangers.values())) if strangers else {}
        self.endpoints |= {number: address for number, address in strangers.items() if address not in off}
        return [
            Gone(f"its endpoint is disabled since {off[address]:%Y-%m-%d}")
            if (address := strangers.get(attempt.row.id)) in off
            else one
            for attempt, one in zip(attempts, found, strict=True)
        ]

    def _message(
        self, attempt: Attempt, members: dict[int, list[Any]], stored: dict[str, Stored], people: dict[Any, Any]
    ) -> CallOutcome | OutgoingMessage:
        row = attempt.row
        route = self._relay.route(row.route)
        if route is None:
            return Failed(f"the settings have no route {row.route!r} any more")
        bodies = [stored[one.message] for one in members[row.id] if one.message in stored]
        if not bodies:
            return Gone("its message is no longer in the outbox")
        if row.send_before is not None and row.send_before <= attempt.now:
            return dropped("too late to be sent")
        recipient: str = route.to if route.fixed else row.recipient
        secrets: tuple[str, ...] = ()
        if route.people:
            person = people[(route.name, row.recipient)]
            if person is None:
                return Gone(f"{route.people} knows no such recipient any more")
            if person.refuses:
                return dropped(f"not wanted: {person.refuses} is not true")
            if person.address is None:
                return Gone(f"{route.people} has no {route.address} for the recipient")
            recipient, secrets = str(person.address or recipient), person.secrets
        key = row.batch if route.digest else row.message_key
        try:
            made = self._renderer.message(
                route, key, bodies, recipient, attempt=attempt.number, uncertain=attempt.uncertain
            )
            return replace(made, secrets=secrets) if secrets else made
        except TemplateError as error:
            return Failed(one_line(str(error)))


def settings_fingerprint(settings: Any) -> str:
    """Of what a channel is called with, secrets included: it changes with each of them, and tells none."""
    told = json.dumps(asdict(settings), sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def dropped(why: str) -> Gone:
    """It is not sent, and that is right so."""
    return Gone(why, values={"state": CallState.DROPPED})


def ready_channels(relay: MessageRelay, settings: Any) -> None:
    """SettingsError when the library that a channel of a route needs is not installed."""
    for name in relay.channels:
        if name != IN_APP:
            channel_for(name, settings)
