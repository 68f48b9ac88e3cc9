"""Messages in the product: rows of a table of its own, written by one INSERT … SELECT a batch, exactly once.

A message that goes nowhere else is picked straight from the outbox: its row is written and it is published in one
statement. One that goes elsewhere too, or lacks a field, has a delivery like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, case, or_, select

from ..call_state import CallState
from ..db.sql_expressions import as_text, probably
from ..db.tables import own_tables
from ..db.time_parameters import now
from ..policies.contract import Change, Found, Plan, Rows, in_rows
from .addressing import is_for
from .closing import erased
from .fan_out import refusal, unbegun
from .messages import BATCH_SECONDS
from .relay import MessageRelay
from .routes import IN_APP, Route


def straight_routes(relay: MessageRelay) -> Iterator[tuple[Route, tuple[str, ...]]]:
    """Routes in the product, each with those of its events that no other route takes."""
    for route in relay.routes:
        others = [other for other in relay.routes if other is not route]
        alone = tuple(event for event in route.events if not any(other.takes(event) for other in others))
        if route.channel == IN_APP and alone and not route.takes_all and not route.send_before:
            yield route, alone


@dataclass(frozen=True, slots=True, eq=False)
class StraightInApp:
    """The policy for events that go nowhere but into the product."""

    relay: MessageRelay
    route: Route
    events: tuple[str, ...]

    def plan(self) -> Plan:
        """Messages of which nothing is missing, and the rows inserted about them."""
        relay, messages, route = self.relay, self.relay.messages, self.route
        target = relay.targets[route.name]
        whole = probably(refusal(relay, route, messages.table).is_(None))
        effects = own_tables(relay.dialect).effects
        changes = [
            Change.insert("rows", target.table, lambda rows: target.rows(messages, rows["picked"])),
            Change.update(
                "delivered",
                effects,
                lambda rows: and_(
                    effects.c.key.in_(select(messages.key_text(rows["picked"]))), effects.c.delivered_at.is_(None)
                ),
                lambda rows: {"delivered_at": now()},
                counted=False,
            ),
        ]
        taken = and_(messages.event_type.in_(self.events), is_for(route, messages, messages.table))
        return Plan(
            step=f"in_app_{route.name}",
            table=messages.table,
            key=(messages.id,),
            order=(messages.id,),
            due=and_(taken, unbegun(relay), whole),
            changes=tuple(changes),
            main=Change.update(
                "published",
                messages.table,
                lambda rows: in_rows((messages.id,), rows["picked"]),
                lambda rows: self._published(),
            ),
            carry=messages.told_columns,
            batch_seconds=BATCH_SECONDS,
        )

    def _published(self) -> dict[str, Any]:
        messages = self.relay.messages
        values: dict[str, Any] = {messages.published_at.key: now(messages.published_at.type)}
        if any(route.secret for route in self.relay.routes):
            values[messages.payload.key] = erased(self.relay.routes, messages)
        return values


@dataclass(frozen=True, slots=True, eq=False)
class InAppDeliveries:
    """The policy for deliveries into the product, of messages that go elsewhere too."""

    relay: MessageRelay
    route: Route

    def plan(self) -> Plan:
        """Deliveries that wait, and the rows inserted about their messages."""
        d, messages = self.relay.deliveries.c, self.relay.messages
        target = self.relay.targets[self.route.name]
        return Plan(
            step=f"in_app_also_{self.route.name}",
            table=self.relay.deliveries,
            key=(d.id,),
            order=self.relay.order,
            due=and_(
                d.closed_at.is_(None),
                d.state == CallState.WAITING,
                d.route == as_text(self.route.name),
                self.relay.mine,
                or_(d.send_before.is_(None), d.send_before > now()),
            ),
            found=(Found("messages", self._messages),),
            changes=(Change.insert("rows", target.table, lambda rows: target.rows(messages, rows["messages"])),),
            main=Change.update(
                "deliveries", self.relay.deliveries, lambda rows: in_rows((d.id,), rows["picked"]), self._ended
            ),
            carry=(d.message,),
            batch_seconds=BATCH_SECONDS,
        )

    def _messages(self, rows: Rows) -> Select[Any]:
        messages, picked = self.relay.messages, rows["picked"]
        columns = (messages.id, *messages.told_columns)
        asked = select(*(column.label(column.key) for column in columns), picked.c.id.label("sexton_delivery"))
        return asked.select_from(picked).join(messages.table, messages.id == messages.id_of(picked.c.message))

    def _ended(self, rows: Rows) -> dict[str, Any]:
        d, found = self.relay.deliveries.c, rows["messages"]
        whole = select(found.c.sexton_delivery).where(refusal(self.relay, self.route, found).is_(None))
        done = d.id.in_(whole)
        words = case((done, as_text(CallState.DONE.value)), else_=as_text(CallState.FAILED.value))
        why = select(refusal(self.relay, self.route, found)).where(found.c.sexton_delivery == d.id).scalar_subquery()
        return {"state": words, "code": words, "attempts": d.attempts + 1, "first_at": now(), "error": why}


def in_app_steps(relay: MessageRelay) -> list[StraightInApp | InAppDeliveries]:
    """All that writes rows of the product, the straight way first."""
    straight = [StraightInApp(relay, route, events) for route, events in straight_routes(relay)]
    return [*straight, *(InAppDeliveries(relay, route) for route in relay.routes if route.channel == IN_APP)]
