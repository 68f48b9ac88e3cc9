"""Digests: several facts in one message. Who belongs to it is stamped before it is sent, so that a retry sends the
same set under the same id.

The first delivery of a digest is called for; the others have its stamp, and end as it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, cast, exists, func, or_, select, update
from sqlalchemy.types import Text

from ..call_state import CallState
from ..db.sql_expressions import as_text
from ..db.time_parameters import ago
from ..policies.contract import Change, Found, Plan, in_rows
from .relay import MessageRelay

DIGEST = "digest:"
"""What a stamp begins with; the number of the first delivery follows."""


@dataclass(frozen=True, slots=True, eq=False)
class Gather:
    """The policy that stamps: deliveries of one route to one recipient, once the oldest has waited for the window."""

    relay: MessageRelay
    name: str = "digest"

    def plan(self) -> Plan:
        """Deliveries without a stamp, of recipients whose window is over."""
        deliveries = self.relay.deliveries
        d, other = deliveries.c, deliveries.alias("sexton_other")
        mine = and_(other.c.route == d.route, other.c.recipient == d.recipient, *self._unstamped(other.c))
        over = or_(
            *(
                and_(d.route == as_text(route.name), other.c.created_at <= ago(route.digest))
                for route in self.relay.routes
                if route.digest
            )
        )
        return Plan(
            step=self.name,
            table=deliveries,
            key=(d.id,),
            order=(d.id,),
            due=and_(*self._unstamped(d), exists(select(1).where(mine, over).correlate(deliveries))),
            # Looked up before the first of them is stamped: SQLite would see that one changed.
            found=(Found("leaders", lambda rows: self._leaders(rows["picked"])),),
            main=Change.update(
                "deliveries",
                deliveries,
                lambda rows: in_rows((d.id,), rows["picked"]),
                lambda rows: {"batch": self._stamp(rows["leaders"])},
            ),
        )

    def _leaders(self, picked: FromClause) -> Select[Any]:
        d, other = self.relay.deliveries, self.relay.deliveries.alias("sexton_first")
        mine = and_(other.c.route == d.c.route, other.c.recipient == d.c.recipient, *self._unstamped(other.c))
        asked = select(d.c.id.label("member"), func.min(other.c.id).label("leader"))
        return asked.select_from(d.join(other, mine)).where(d.c.id.in_(select(picked.c.id))).group_by(d.c.id)

    def _stamp(self, leaders: FromClause) -> ColumnElement[str]:
        mine = select(leaders.c.leader).where(leaders.c.member == self.relay.deliveries.c.id)
        number = mine.correlate(self.relay.deliveries).scalar_subquery()
        return as_text(DIGEST).op("||")(cast(number, Text))

    def _unstamped(self, d: Any) -> list[Any]:
        names = [route.name for route in self.relay.routes if route.digest]
        return [
            d.closed_at.is_(None),
            d.state == CallState.WAITING,
            d.batch.is_(None),
            d.outbox == as_text(self.relay.messages.name),
            d.route.in_(names),
        ]


def end_members(connection: Connection, relay: MessageRelay, stamps: Sequence[str], at: datetime) -> list[str]:
    """The other members of these digests end as their first has; the ids of the messages of all of them."""
    d, first = relay.deliveries.c, relay.deliveries.alias("sexton_first")
    leads = and_(first.c.batch == d.batch, first.c.batch == as_text(DIGEST).op("||")(cast(first.c.id, Text)))
    names = ("state", "code", "error", "attempts", "first_at", "run_id")
    of_first = {
        name: select(first.c[name]).where(leads).correlate(relay.deliveries).scalar_subquery() for name in names
    }
    members = (d.batch.in_(stamps), d.outbox == as_text(relay.messages.name))
    connection.execute(
        update(relay.deliveries).where(*members, d.closed_at.is_(None)).values({**of_first, "closed_at": at})
    )
    return list(connection.execute(select(d.message).where(*members)).scalars())


def members_of(connection: Connection, relay: MessageRelay, rows: Sequence[Any]) -> dict[int, list[Any]]:
    """For each delivery the deliveries that its message is about: itself, or all with its stamp, in order."""
    stamps = [row.batch for row in rows if row.batch is not None]
    found: dict[str, list[Any]] = {}
    if stamps:
        d = relay.deliveries.c
        asked = select(d.id, d.message, d.batch).where(d.batch.in_(stamps), d.closed_at.is_(None)).order_by(d.id)
        for member in connection.execute(asked):
            found.setdefault(member.batch, []).append(member)
    return {row.id: found.get(row.batch, [row]) if row.batch is not None else [row] for row in rows}
