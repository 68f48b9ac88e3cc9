"""Digests: several facts in one message. Who belongs to it is stamped before it is sent, so that a retry sends the
same set under the same id.

The first delivery of a digest is called for; the others have its stamp, and end as it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, cast, func, or_, select, tuple_, update
from sqlalchemy.types import Text

from ..call_state import CallState
from ..db.column_types import BigKey, OwnInstant
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
        d, groups = deliveries.c, self._groups("sexton_groups")
        over = or_(
            *(
                and_(groups.c.route == as_text(route.name), groups.c.oldest <= ago(route.digest))
                for route in self.relay.routes
                if route.digest
            )
        )
        ready = select(groups.c.route, groups.c.recipient).where(over)
        return Plan(
            step=self.name,
            table=deliveries,
            key=(d.id,),
            order=self.relay.order,
            due=and_(*self._unstamped(d), tuple_(d.route, d.recipient).in_(ready)),
            # Looked up before the first of them is stamped: SQLite would see that one changed.
            found=(Found("leaders", lambda rows: self._leaders(rows["picked"])),),
            main=Change.update(
                "deliveries",
                deliveries,
                lambda rows: in_rows((d.id,), rows["picked"]),
                lambda rows: {"batch": self._stamp(rows["leaders"])},
            ),
            carry=(d.route, d.recipient),
        )

    def _groups(self, name: str) -> FromClause:
        """Route and recipient of what has no stamp yet, with the first and the oldest of them: read once."""
        other = self.relay.deliveries.alias("sexton_other")
        asked = select(
            other.c.route,
            other.c.recipient,
            func.min(other.c.id).label("leader"),
            func.min(other.c.created_at, type_=OwnInstant()).label("oldest"),
        )
        grouped = asked.where(*self._unstamped(other.c)).group_by(other.c.route, other.c.recipient)
        return grouped.subquery(name)

    def _leaders(self, picked: FromClause) -> Select[Any]:
        groups = self._groups("sexton_leaders")
        same = and_(groups.c.route == picked.c.route, groups.c.recipient == picked.c.recipient)
        return select(picked.c.id.label("member"), groups.c.leader).select_from(picked.join(groups, same))

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
            func.coalesce(d.outbox, as_text("")) == as_text(self.relay.messages.name),
            d.route.in_(names),
        ]


def end_members(connection: Connection, relay: MessageRelay, stamps: Sequence[str], at: datetime) -> list[str]:
    """The other members of these digests end as their first has; the ids of their messages."""
    d, first = relay.deliveries.c, relay.deliveries.alias("sexton_first")
    number = cast(func.substr(d.batch, len(DIGEST) + 1), BigKey)
    leads = first.c.id == number
    names = ("state", "code", "error", "attempts", "first_at", "run_id")
    of_first = {
        name: select(first.c[name]).where(leads).correlate(relay.deliveries).scalar_subquery() for name in names
    }
    members = (d.batch.in_(stamps), d.closed_at.is_(None), relay.mine)
    ids = list(connection.execute(select(d.message).where(*members)).scalars())
    connection.execute(update(relay.deliveries).where(*members).values({**of_first, "closed_at": at}))
    return ids


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
