"""What is no longer worth sending, or has nobody to go to: ended set-based, before anybody is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, select

from ..call_state import CallState
from ..db.tables import own_tables
from ..db.time_parameters import now
from ..policies.contract import Change, Plan, in_rows
from .relay import MessageRelay


@dataclass(frozen=True, slots=True, eq=False)
class DropLate:
    """The policy. A delivery that is claimed is looked at by whoever has claimed it."""

    relay: MessageRelay
    name: str = "late"

    def plan(self) -> Plan:
        """Deliveries whose `send_before` has come."""
        d = self.relay.deliveries.c
        late = and_(d.closed_at.is_(None), d.state == CallState.WAITING, d.send_before <= now())
        values = {"state": CallState.DROPPED, "code": CallState.DROPPED.value, "error": "too late to be sent"}
        return Plan(
            step=self.name,
            table=self.relay.deliveries,
            key=(d.id,),
            order=self.relay.order,
            due=and_(late, self.relay.mine),
            main=Change.update(
                "deliveries",
                self.relay.deliveries,
                lambda rows: in_rows((d.id,), rows["picked"]),
                lambda rows: values,
            ),
        )


@dataclass(frozen=True, slots=True, eq=False)
class GiveUpDisabled:
    """The policy for receivers that are there no more, or failed for days: their deliveries are gone, and replayable.

    Those that a person paused wait.
    """

    relay: MessageRelay
    name: str = "disabled"

    def plan(self) -> Plan:
        """Deliveries to a destination that disabled itself."""
        d = self.relay.deliveries.c
        values = {"state": CallState.GONE, "code": CallState.GONE.value, "error": "the destination is disabled"}
        return Plan(
            step=self.name,
            table=self.relay.deliveries,
            key=(d.id,),
            order=self.relay.order,
            due=and_(
                d.closed_at.is_(None),
                d.state == CallState.WAITING,
                d.destination.in_(disabled_destinations(self.relay)),
                self.relay.mine,
            ),
            main=Change.update(
                "deliveries",
                self.relay.deliveries,
                lambda rows: in_rows((d.id,), rows["picked"]),
                lambda rows: values,
            ),
        )


def disabled_destinations(relay: MessageRelay) -> Select[Any]:
    """Names of those that nobody has paused, and that are called no more."""
    who = own_tables(relay.dialect).destinations.c
    return select(who.name).where(who.disabled_at.is_not(None), who.disabled_by.is_(None))
